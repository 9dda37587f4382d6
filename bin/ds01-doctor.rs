//! `ds01-doctor`: its documentation is that of `Args`, which `ds01-doctor --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Ui,
    concepts::{self, Concept},
};
use ds01_core::failure::Failure;
use ds01_host::doctor::{self, Finding, Verdict};

/// Check this host: what is wrong with it, why that matters, and what to type. Nothing is changed.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --quiet --config=./ds01.toml",
    example = "{command_name} --format=simple | grep ^wrong",
    note = "Run it as root: what others cannot look at is told as unknown.",
    note = "A line is a finding: ok, unknown, warning (it works, and you should know) or wrong (somebody can take what is not theirs, or something does not work); then what was looked at, what is so, and why that matters. Problems come first.",
    note = "With --format=json: a list of check, verdict, what, why and fix; the last two can be null. With --format=simple the columns are VERDICT CHECK WHAT WHY FIX.",
    error_code(0, "nothing is wrong, though there may be warnings"),
    error_code(1, "something is wrong"),
    error_code(2, "the command line is wrong"),
    error_code(8, "not used: what cannot be reached is a finding")
)]
struct Args {
    /// another configuration to check, and the host as it describes it
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,
    /// only problems, not what is ok
    #[argh(switch, short = 'q')]
    quiet: bool,
    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::HOST, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "ds01-docker", "gpu-status"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        ("/etc/ds01/resource-limits.yaml", "quotas and policies"),
        ("/var/lib/ds01/ledger.json", "who has which device"),
        (
            "/var/lib/ds01/container-metadata",
            "whose each container is",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    ui.explain("files, the driver, the engine and the gateway are looked at, and the ledger is compared with the engine");
    let mut findings = doctor::examine(args.config.as_deref());
    let wrong = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Wrong);
    if args.quiet {
        findings.retain(|finding| finding.verdict != Verdict::Ok);
    }
    match args.format {
        Format::Table => findings.iter().try_for_each(|finding| told(finding, ui))?,
        Format::Simple => ui.simple(&findings.iter().map(cells).collect::<Vec<_>>())?,
        Format::Json => ui.json(&findings)?,
    }
    Ok(ExitStatus(u8::from(wrong)))
}

/// A line, and the fix under it.
fn told(finding: &Finding, ui: &mut Ui) -> Result<(), Failure> {
    let Finding { check, what, .. } = finding;
    let verdict = finding.verdict.word();
    let why = finding
        .why
        .as_ref()
        .map_or(String::new(), |why| format!("; {why}"));
    ui.line(format_args!("{verdict:<7}  {check}: {what}{why}"))?;
    match &finding.fix {
        Some(fix) => ui.line(format_args!("         fix: {fix}")),
        None => Ok(()),
    }
}

fn cells(finding: &Finding) -> [String; 5] {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".into());
    [
        finding.verdict.word().into(),
        finding.check.into(),
        finding.what.clone(),
        or_dash(&finding.why),
        or_dash(&finding.fix),
    ]
}
