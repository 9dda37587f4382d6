//! A command that does nothing but use the whole of this crate; its tests run it.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Ui,
    concepts::{self, Concept},
};
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerArg,
};

/// Create a container with GPUs from your quota. It is not started: container-start does that.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --image=pytorch:2.8 --gpu=2",
    note = "The devices are held from now on, whether the container runs or not.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(5, "your quota or another limit would be passed"),
    error_code(6, "no device is free")
)]
struct Args {
    /// name of the container, unique among yours
    #[argh(positional, arg_name = "container")]
    name: Option<ContainerArg>,

    /// image to make it from, of a project or of this machine; without one, the image of the project of that name
    #[argh(option, arg_name = "name")]
    image: Option<String>,

    /// GPUs or MIG devices to give it (default 1)
    #[argh(option, short = 'g', default = "1", arg_name = "count")]
    gpu: u32,

    /// how to print what there is (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,

    /// words to print, one a line
    #[argh(option, short = 'w', arg_name = "word")]
    word: Vec<String>,

    /// ask before doing it
    #[argh(switch, short = 'a')]
    ask: bool,

    /// fail, once for every time it is given
    #[argh(switch, short = 'f')]
    fail: u8,

    /// print lines until nobody reads them
    #[argh(switch)]
    forever: bool,

    /// end with this status
    #[argh(option, hidden_help)]
    status: Option<u8>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["container-start", "gpu-status"];
    const FILES: &'static [(&'static str, &'static str)] = &[("~/workspace", "the projects")];
}

fn main() -> ExitCode {
    ds01_cli::main(run, ds01_cli::no_names)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    ui.explain("first the container is chosen, then it is shown");
    if let Some(status) = args.status {
        ui.line("going")?;
        return Ok(ExitStatus(status));
    }
    if args.forever {
        while !ui.closed() {
            ui.line("again")?;
        }
        return Ok(ExitStatus(0));
    }
    for word in &args.word {
        ui.line(word)?;
    }
    if args.fail > 0 {
        return Ok(ui.each(1..=args.fail, |number, _| {
            let kind = if number == 1 {
                Kind::NotFound
            } else {
                Kind::State
            };
            Err(Failure::new(kind, format!("no container {number}\x1b[2J"))
                .with_hint("see container-list"))
        }));
    }
    let rows = [
        [
            "thesis".to_owned(),
            "running".to_owned(),
            "pytorch:2.8".to_owned(),
        ],
        [
            "名前".to_owned(),
            "exited\u{9b}".to_owned(),
            "a/very/long/name/of/an/image:latest".to_owned(),
        ],
    ];
    let Some(name) = args.name else {
        ui.may_ask("container")?;
        let index = ui.choose("Which container", &rows)?;
        return ui.line(&rows[index][0]).map(|()| ExitStatus(0));
    };
    if args.ask && !ui.confirm(&format!("Create {name} with {} GPU?", args.gpu))? {
        return Err(Failure::new(Kind::Failed, "nothing was created"));
    }
    if args.image.is_none() {
        ui.warn("no image was named");
    }
    ui.list(args.format, ["NAME", "STATUS", "IMAGE"], &rows, &rows)?;
    Ok(ExitStatus(0))
}
