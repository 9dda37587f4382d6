//! `container-create`: its documentation is that of `Args`, which `container-create --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{create_or_undo, gpus, name_and_image, open, own, patience, project, with_gpu};
use ds01_core::{
    failure::Failure, gpu_request::GpuRequest, label::Interface, name::ContainerName,
    time::Patience,
};
use ds01_host::ops::Create;

/// Create a container with GPUs from your quota. It is not started: container-start or container-run does that.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis --image=pytorch",
    example = "{command_name} training --gpu=2",
    example = "{command_name} training --gpu=full",
    example = "{command_name} editing --cpu-only",
    note = "The devices are yours from now on, whether the container runs or not: remove it when you are done.",
    note = "--gpu is a number, or a type and a number as Slurm writes them: full for whole GPUs, full:2 for two, or a MIG profile that gpu-status shows, 2g.10gb:1. Without a type the smallest devices that are free are given, and whole GPUs last.",
    note = "The image is the one you name; else that of the project, ds01-<uid>/<project>:latest; else the host's default.",
    note = "pytorch, tensorflow:2.20, jax and pytorch-cpu, where no image is called so, are looked up in the host's catalogue: the newest image that its GPUs and driver support, which is fetched if it is not there yet.",
    note = "If no device is free it waits in line for 3 minutes, or as long as --wait says: by priority, then by who has used less lately, then by who came first. Ctrl-C leaves the line.",
    error_code(3, "no such image"),
    error_code(4, "you have a container of that name"),
    error_code(5, "a limit of yours would be passed"),
    error_code(6, "no device is free, after waiting"),
    error_code(
        7,
        "a folder is not for you to mount, or the name is of another user's container"
    ),
    error_code(
        8,
        "the engine, the driver or the ledger cannot be reached; nothing was changed"
    )
)]
struct Args {
    /// name of the container, unique among yours; and the image, unless --image names it
    #[argh(positional, arg_name = "name [image]")]
    words: Vec<String>,

    /// image to make it from, or a framework of the catalogue
    #[argh(option, arg_name = "image")]
    image: Option<String>,

    /// project whose workspace is mounted (default: that of the container's name)
    #[argh(option, arg_name = "project")]
    project: Option<ContainerName>,

    /// folder to mount at /workspace, instead of the project's
    #[argh(option, short = 'w', arg_name = "path")]
    workspace: Option<PathBuf>,

    /// folder to mount at /data
    #[argh(option, short = 'd', arg_name = "path")]
    data: Option<PathBuf>,

    /// GPUs or MIG devices to give it (default 1); or whole GPUs, full:1; or MIG devices of a profile, 2g.10gb:1
    #[argh(option, arg_name = "[type:]count")]
    gpu: Option<GpuRequest>,

    /// give it no GPU
    #[argh(switch)]
    cpu_only: bool,

    /// how long to wait in line if no device is free: seconds, or 30m or 2h (default 180, 1d at most)
    #[argh(option, arg_name = "time")]
    wait: Option<Patience>,

    /// do not wait: fail at once if no device is free
    #[argh(switch)]
    no_wait: bool,

    /// accepted for old scripts: it never opens a terminal
    #[argh(switch)]
    #[expect(dead_code, reason = "accepted, without effect")]
    background: bool,

    /// say what would be made, and make nothing
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[
        concepts::CONTAINER,
        concepts::IMAGE,
        concepts::WORKSPACE,
        concepts::GPU,
    ];
    const SEE_ALSO: &'static [&'static str] = &[
        "container-start",
        "container-run",
        "container-remove",
        "check-limits",
        "gpu-status",
    ];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "~/workspace/<project>",
            "the folder that is /workspace inside; made if missing",
        ),
        (
            "/etc/ds01/ml_images.repo",
            "the catalogue: framework, version, architecture and image, a line each",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let gpus = gpus(args.gpu, args.cpu_only)?;
    let patience = patience(args.wait, args.no_wait)?;
    let (name, image) = name_and_image(ui, args.words, args.image)?;
    let host = open(ui)?;
    let from_other = image.is_some() || args.project.is_some();
    let prompt = "Make a container for which project?";
    let name = project(&host, ui, name, from_other, prompt)?;
    let name = own(&host, ui, name)?;
    ui.explain("your limits are read, and devices are chosen that nobody holds");
    let made = create_or_undo(
        &host,
        ui,
        &Create {
            name,
            image,
            project: args.project,
            workspace: args.workspace,
            data: args.data,
            gpus,
            dry_run: args.dry_run,
            interface: Interface::Atomic,
            wait: None,
        },
        patience,
    )?;
    ui.explain(format_args!(
        "as docker create does, with your limits, devices and {} mounted",
        made.workspace.display()
    ));
    let gpu = with_gpu(&made.devices);
    match args.dry_run {
        true => ui.line(format_args!("{} would be made {gpu}", made.name)),
        false => ui.line(format_args!("{} {gpu}", made.name)),
    }
}
