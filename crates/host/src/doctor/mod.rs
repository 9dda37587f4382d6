//! `ds01-doctor`: what is wrong with this host, why it matters, and what to type.
//!
//! One file for each thing that is looked at. Each gathers, and hands plain values to functions that
//! decide. Nothing on the host is changed.

mod activation;
mod duties;
mod escapes;
mod files;
mod gateway;
mod gpus;
mod holders;
mod ledger;
mod owners;
mod policy;
mod records;
mod room;
mod settings;
mod socket;
mod trust;
mod userns;
mod watches;

use std::path::{Path, PathBuf};

use ds01_core::{
    failure::{Failure, Kind},
    printable::without_codes,
};
use serde::Serialize;

use crate::{
    Site,
    config::{self, Config, ConfigError},
    engine::{About, Engine, is_nvidias, is_plain},
};

/// How a check came out. In the order in which findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Somebody can take what is not theirs, or something does not work.
    Wrong,
    /// It works, and an admin should know.
    Warning,
    /// It could not be found out.
    Unknown,
    /// As it should be.
    Ok,
}

impl Verdict {
    /// As it is printed, and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
        }
    }
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What is so.
    pub what: String,
    /// Why that matters.
    pub why: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, what: impl Into<String>) -> Self {
        Self {
            check,
            verdict,
            what: without_codes(&what.into()).into_owned(),
            why: None,
            fix: None,
        }
    }

    fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, what)
    }

    fn wrong(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Wrong, what)
    }

    fn warning(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, what)
    }

    fn unknown(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Unknown, what)
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    fn mend(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// What kept a check from being made: not being root says nothing about the host.
    fn of_failure(check: &'static str, failure: Failure) -> Self {
        let verdict = match failure.kind {
            Kind::Forbidden => Verdict::Unknown,
            _ => Verdict::Wrong,
        };
        let what = failure.one_line();
        Self {
            fix: match verdict {
                Verdict::Unknown => Some("run ds01-doctor as root".into()),
                _ => failure.hint,
            },
            ..Self::new(check, verdict, what)
        }
    }
}

/// Looks at the host that the configuration in `file` describes; without it, at this host as every
/// command sees it. Problems come first.
///
/// Only for a process with one thread, as [`crate::nvml::Probe::begin`].
pub fn examine(file: Option<&Path>) -> Vec<Finding> {
    let named = file.map(PathBuf::from).or_else(Config::named);
    let mut findings = match read(named.as_deref()) {
        Ok(config) => {
            let place = named.unwrap_or_else(|| config::DEFAULT.into());
            let mut findings = vec![configuration(&place, &config)];
            findings.extend(host(file.is_none().then_some(&place), config));
            findings
        }
        Err(wrong) => {
            let rest = Finding::unknown("host", "nothing else was looked at")
                .because("the configuration says where everything is");
            vec![wrong, rest]
        }
    };
    findings.sort_by_key(|finding| finding.verdict);
    findings
}

fn read(named: Option<&Path>) -> Result<Config, Finding> {
    let read = named.map_or_else(Config::load, Config::read);
    read.map_err(|error| {
        let fix = match &error {
            ConfigError::NotYours { config, .. } => format!("chown root {}", quoted(config)),
            _ => "mend it; README.md has every key".into(),
        };
        let told = Finding::of_failure("config", error.into());
        Finding {
            verdict: Verdict::Wrong,
            ..told.mend(fix)
        }
    })
}

fn configuration(file: &Path, config: &Config) -> Finding {
    let file_shown = file.display();
    if let Some(stale) = &config.stale {
        return Finding::wrong("config", stale)
            .because("after the next boot, nothing works")
            .mend("mend it; ds01.toml(5) has every key");
    }
    match file.exists() {
        true => Finding::ok("config", format!("{file_shown} can be read")),
        false => Finding::ok("config", format!("no {file_shown}: the defaults hold")),
    }
}

/// Everything but the configuration itself. `file` is that, unless it is only a candidate.
fn host(file: Option<&PathBuf>, config: Config) -> Vec<Finding> {
    let group = config.access.docker_group.clone();
    // First: the driver is asked by a fork of this process, while there is least to copy.
    let (driver, inventory) = gpus::driver(config.gpu.library.as_deref());
    let mut findings = driver;
    findings.extend(policy::check(&config.paths, inventory.as_ref()));
    findings.extend(trust::check(file.map(PathBuf::as_path), &config));
    findings.extend(socket::check(&config.engine.socket, group.as_deref()));
    findings.extend(activation::check(&config.engine.socket));
    findings.extend(files::check(&config.paths.state, group.as_deref()));
    findings.extend(room::check(
        &config.paths.state,
        &config.paths.log,
        group.as_deref(),
    ));
    findings.push(watches::check());
    findings.extend(settings::told(&config.tell));
    let gateway = gateway::check(&config.paths.run);
    let site = Site::as_is(config, "ds01-doctor");
    match site.engine().about() {
        Ok(about) => {
            findings.push(gateway);
            findings.extend(engine(site.config(), &about, inventory.as_ref()));
            findings.extend(settings::default_image(&site, inventory.as_ref()));
            findings.extend(ledger::check(&site, &about, inventory.as_ref()));
        }
        Err(error) => {
            // First: without an engine the gateway is of no use either.
            let through = gateway.verdict == Verdict::Ok;
            findings.extend([silent(error.into(), through), gateway]);
            findings.push(ledger::alone(&site));
            let unknown = "what the engine is made of, and who holds which GPU";
            findings.push(
                Finding::unknown("holders", unknown).because("the engine could not be asked"),
            );
        }
    }
    findings
}

/// Why the engine says nothing; `through` if the gateway answers.
fn silent(failure: Failure, through: bool) -> Finding {
    let finding = Finding::of_failure("engine", failure);
    match finding.verdict {
        Verdict::Unknown => finding,
        // To restart the engine ends what everybody trains: not where somebody may be served yet.
        _ if through => finding
            .because("no command that runs as root finds it, though the gateway answers")
            .mend("see that engine.socket in ds01.toml is where it listens: journalctl -u docker"),
        _ => finding
            .because("nobody can make, start or reach a container")
            .mend("systemctl restart docker; journalctl -u docker tells more"),
    }
}

/// What the engine says of itself.
fn engine(
    config: &Config,
    about: &About,
    inventory: Option<&ds01_core::device::Inventory>,
) -> Vec<Finding> {
    let version = about
        .parts
        .iter()
        .find(|part| part.name == "Engine")
        .map_or("of an unknown version", |part| &part.version);
    let socket = config.engine.socket.display();
    let mut findings = vec![Finding::ok(
        "engine",
        format!("Docker Engine {version} answers at {socket}"),
    )];
    let path = gpus::path_of_engine(&config.engine.socket);
    findings.extend(gpus::runtime(
        inventory,
        about.gives_gpus_by_cdi,
        path.as_deref(),
    ));
    let toolkit = path.as_deref().and_then(gpus::toolkit);
    findings.extend(escapes::check(about, toolkit.as_deref(), inventory));
    findings.push(slices(&about.cgroup_driver));
    findings.push(runtime(&about.runtime, &config.engine.plain_runtimes));
    findings.push(userns::check(about));
    findings
}

fn slices(driver: &str) -> Finding {
    if driver == "systemd" {
        return Finding::ok("slices", "the engine's cgroups are systemd's");
    }
    Finding::warning("slices", format!("the engine's cgroup driver is {driver}"))
        .because(
            "limits on all containers of a user together are not enforced, and the steps of a \
             docker build have no limit of processes",
        )
        .mend(
            r#"{"exec-opts": ["native.cgroupdriver=systemd"]} in /etc/docker/daemon.json, then systemctl restart docker when nobody trains: it ends all running containers"#,
        )
}

/// The runtime of containers that name none.
fn runtime(name: &str, named: &[String]) -> Finding {
    const CHECK: &str = "default-runtime";
    if is_plain(name, named) {
        let what = match is_plain(name, &[]) {
            true => format!("containers that name no runtime are {name}'s"),
            false => {
                format!("containers that name no runtime are {name}'s, by engine.plain_runtimes")
            }
        };
        return Finding::ok(CHECK, what);
    }
    let more = match is_nvidias(name) {
        true => "",
        false => {
            "; or, if it reads no variable of NVIDIA's, name it in engine.plain_runtimes in ds01.toml"
        }
    };
    Finding::wrong(CHECK, format!("the engine's default runtime is {name}"))
        .because(
            "by a variable of an image, it may give GPUs that nobody was granted; so no images are \
             built by the gateway, and what others start keeps GPUs from everybody",
        )
        .mend(format!(
            r#"take "default-runtime" out of /etc/docker/daemon.json, then systemctl restart docker; DS01's containers with GPUs do not need it{more}"#
        ))
}

/// What was found, or that there was nothing to find.
fn or_ok(findings: Vec<Finding>, check: &'static str, what: &str) -> Vec<Finding> {
    match findings.is_empty() {
        true => vec![Finding::ok(check, what)],
        false => findings,
    }
}

/// Docker's client for this engine, as an admin would type it.
pub(crate) fn docker(engine: &Engine) -> String {
    match engine.socket().to_str() {
        Some("/run/docker.sock" | "/var/run/docker.sock") => "docker".into(),
        _ => format!("docker -H unix://{}", quoted(engine.socket())),
    }
}

/// A path as a shell reads it: names in our directories may be another's choice.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_become_a_command() {
        for (path, shown) in [
            ("/var/lib/ds01/ledger.json", "/var/lib/ds01/ledger.json"),
            ("/a b", "'/a b'"),
            ("/x; rm -rf '/'", r"'/x; rm -rf '\''/'\'''"),
            ("/$(id)", "'/$(id)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }

    #[test]
    fn problems_come_first() {
        let mut all = [
            Verdict::Ok,
            Verdict::Unknown,
            Verdict::Wrong,
            Verdict::Warning,
        ];
        all.sort();
        let words = all.map(Verdict::word);
        assert_eq!(words, ["wrong", "warning", "unknown", "ok"]);
    }

    #[test]
    fn nobody_is_told_to_restart_an_engine_that_serves_others() {
        let fix = |through| {
            let failure = Failure::new(Kind::Unreachable, "no Docker Engine answers");
            silent(failure, through).fix.unwrap()
        };
        assert!(fix(false).contains("restart docker"));
        assert!(!fix(true).contains("restart"), "{}", fix(true));
    }

    #[test]
    fn only_systemd_enforces_slices() {
        assert_eq!(slices("systemd").verdict, Verdict::Ok);
        assert_eq!(slices("cgroupfs").verdict, Verdict::Warning);
        assert_eq!(slices("none").verdict, Verdict::Warning);
    }

    #[test]
    fn only_runc_gives_no_gpu_by_itself() {
        for plain in ["", "runc", "io.containerd.runc.v2"] {
            assert_eq!(runtime(plain, &[]).verdict, Verdict::Ok, "{plain}");
        }
        for other in ["nvidia", "nvidia-cdi", "crun"] {
            assert_eq!(runtime(other, &[]).verdict, Verdict::Wrong, "{other}");
        }
        let named = ["crun".to_string(), "nvidia-cdi".to_string()];
        assert_eq!(runtime("crun", &named).verdict, Verdict::Ok);
        assert_eq!(runtime("nvidia-cdi", &named).verdict, Verdict::Wrong);
    }
}
