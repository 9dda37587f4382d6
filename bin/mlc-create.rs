//! `mlc-create`: its documentation is that of `Args`, which `mlc-create --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    ask, create_of,
    mlc::{bracketed, gpu_wish},
    open, own, patience,
};
use ds01_core::{
    admit,
    catalogue::{self, Entry},
    docker::GpuWish,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    label::Interface,
    name::ContainerArg,
};
use ds01_host::{
    Host,
    ops::{Catalogue, Create, Gpus, MyLimits, Offered},
};

/// Create a container with a framework, as AIME's MLC does. It is not started: mlc-open does that.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-container Pytorch 2.8.0",
    example = "{command_name} my-container tensorflow 2.20 -d=/data/sets -g=2",
    note = "The framework is looked up in the host's catalogue: the newest image of the version, or the newest of all, that the GPUs and the driver of this host support. It is fetched if it is not there yet.",
    note = "It has one GPU, unless -g or -ng says otherwise: a number, all (as many as your limits give one container) or device=0,1, which is that many; which ones, DS01 chooses. AIME's own command gives all GPUs to everybody.",
    note = "/workspace is ~/workspace/<name>, unless -w names another folder; AIME's own command has ~/workspace there.",
    error_code(3, "the catalogue has no such framework or version that works here"),
    error_code(4, "you have a container of that name"),
    error_code(5, "a limit of yours would be passed"),
    error_code(6, "no device is free"),
    error_code(
        7,
        "a folder is not for you to mount, or the name is of another user's container"
    ),
    error_code(8, "the engine, the driver or the ledger cannot be reached")
)]
struct Args {
    /// name of the container, unique among yours; the framework; its version, or the beginning of one
    #[argh(positional, arg_name = "name framework [version]")]
    words: Vec<String>,

    /// folder to mount at /workspace
    #[argh(option, short = 'w', arg_name = "path")]
    workspace: Option<PathBuf>,

    /// folder to mount at /data
    #[argh(option, short = 'd', arg_name = "path")]
    data: Option<PathBuf>,

    /// GPUs to give it: a number, all, or device=0,1 (default 1)
    #[argh(option, short = 'g', arg_name = "gpus", from_str_fn(gpu_wish))]
    gpus: Option<GpuWish>,

    /// the same: -ng=2
    #[argh(option, short = 'n', arg_name = "count", from_str_fn(gpu_wish))]
    num_gpus: Option<GpuWish>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[
        concepts::CONTAINER,
        concepts::IMAGE,
        concepts::WORKSPACE,
        concepts::GPU,
    ];
    const SEE_ALSO: &'static [&'static str] =
        &["container-create", "mlc-open", "mlc-list", "mlc-remove"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "/etc/ds01/ml_images.repo",
        "the catalogue: framework, version, architecture and image, a line each",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let mut words = args.words.iter().map(String::as_str);
    let name = words.next();
    let framework = words.next();
    let version = words.next();
    if let Some(odd) = words.next() {
        let message = format!("unexpected argument {odd:?}");
        let hint = "a name, a framework and a version are all there is: see mlc-create --help";
        return Err(Failure::new(Kind::Usage, message).with_hint(hint));
    }
    let name: ContainerArg = name.ok_or_else(|| missing("name"))?.parse()?;
    let host = open(ui)?;
    let name = own(&host, ui, name)?;
    let wish = match framework {
        Some(framework) => format!("{framework}:{}", version.unwrap_or("latest")),
        None => choose(&host, ui)?,
    };
    let gpus = match args.gpus.or(args.num_gpus).unwrap_or(GpuWish::Count(1)) {
        GpuWish::All => most(&host, ui)?,
        wish => wish.count(0),
    };
    ui.explain(
        "your limits are read, and a device is chosen that nobody holds: the smallest that is free",
    );
    let create = Create {
        name,
        image: None,
        project: None,
        workspace: args.workspace,
        data: args.data,
        gpus: GpuRequest::any(gpus),
        dry_run: false,
        interface: Interface::Atomic,
        wait: None,
    };
    let made = create_of(&host, ui, &create, &wish.parse()?, patience(None, false)?).map_err(
        |mut failure| {
            // What container-create would say, in the options of this one.
            let elsewhere = format!(
                "name an image: container-create {} --image=<image>",
                create.name
            );
            let hint = failure.hint.take();
            failure.hint = hint.map(|hint| {
                hint.replace("name an image with --image=<image>", &elsewhere)
                    .replace("--gpu=", "-g=")
            });
            failure
        },
    )?;
    ui.line(format_args!(
        "{} ready. Open the container with: mlc-open {}",
        bracketed(&made.name),
        made.name
    ))
}

fn missing(argument: &str) -> Failure {
    Failure::new(Kind::Usage, format!("missing argument <{argument}>"))
        .with_hint("as in mlc-create my-container Pytorch 2.8.0: see mlc-create --help")
}

/// The framework and version that are chosen from the catalogue.
fn choose(host: &Host, ui: &mut Ui) -> Result<String, Failure> {
    if !ui.interactive() {
        return Err(missing("framework"));
    }
    let Offered {
        entries, hardware, ..
    } = ask(host, ui, &Catalogue {})?;
    let fits = |entry: &&Entry| {
        let wish = format!("{}:{}", entry.framework, entry.version).parse();
        wish.is_ok_and(|wish| catalogue::choose(&entries, &wish, &hardware).is_ok())
    };
    let row = |entry: &Entry| [entry.framework.clone(), entry.version.clone()];
    let mut rows: Vec<_> = entries.iter().filter(fits).map(row).collect();
    rows.dedup();
    if rows.is_empty() {
        let message = "this host's catalogue has no image that works here";
        let hint = "choose an image with image-list --all, for container-create --image=<image>";
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let chosen = ui.choose("Which framework?", &rows)?;
    Ok(rows.swap_remove(chosen).join(":"))
}

/// As many devices as one container of the caller's may have.
fn most(host: &Host, ui: &mut Ui) -> Result<u32, Failure> {
    let limits = ask(host, ui, &MyLimits::default())?.limits;
    let there = ask(host, ui, &Gpus {})?.devices;
    let devices = there.iter().map(|status| &status.device);
    Ok(GpuWish::All.count(admit::most(&limits, devices)))
}
