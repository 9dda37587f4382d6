//! `container-deploy`: its documentation is that of `Args`, which `container-deploy --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    deploy, gpus, name_and_image, open, opens, own, patience, project, shell, with_gpu,
};
use ds01_core::{
    failure::Failure, gpu_request::GpuRequest, image::container_name, label::Interface,
    name::ContainerName, time::Patience,
};
use ds01_host::ops::Create;

/// Create a container with a GPU from your quota, start it, and open a shell in it.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --image=pytorch --background",
    example = "{command_name} --image=ds01-alice/thesis:experiment-42",
    note = "If it does not start, or ends at once, it is removed again, and its devices are free.",
    note = "The image is the one you name; else that of the project, ds01-<uid>/<project>:latest; else the host's default.",
    note = "pytorch, tensorflow:2.20, jax and pytorch-cpu, where no image is called so, are looked up in the host's catalogue: the newest image that its GPUs and driver support, which is fetched if it is not there yet.",
    note = "With --open the exit status is the shell's own; from a pipe, the shell reads its commands from there.",
    note = "If no device is free it waits in line for 3 minutes, or as long as --wait says: by priority, then by who has used less lately, then by who came first. Ctrl-C leaves the line.",
    error_code(3, "no such image"),
    error_code(4, "you have a container of that name"),
    error_code(5, "a limit of yours would be passed"),
    error_code(6, "no device is free, after waiting"),
    error_code(
        7,
        "a folder is not for you to mount, or the name is of another user's container"
    ),
    error_code(8, "the engine, the driver or the ledger cannot be reached")
)]
struct Args {
    /// name of the container (default with --image: the image's); and the image, unless --image names it
    #[argh(positional, arg_name = "name [image]")]
    words: Vec<String>,

    /// open a shell in it (the default on a terminal)
    #[argh(switch)]
    open: bool,

    /// open no shell (the default elsewhere)
    #[argh(switch)]
    background: bool,

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
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[
        concepts::CONTAINER,
        concepts::IMAGE,
        concepts::WORKSPACE,
        concepts::GPU,
    ];
    const SEE_ALSO: &'static [&'static str] = &[
        "project-launch",
        "container-retire",
        "container-create",
        "container-start",
        "container-attach",
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

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let opens = opens(ui, args.open, args.background)?;
    let gpus = gpus(args.gpu, args.cpu_only)?;
    let patience = patience(args.wait, args.no_wait)?;
    let (name, image) = name_and_image(ui, args.words, args.image)?;
    let host = open(ui)?;
    let name = match (name, &image) {
        (None, Some(image)) => container_name(image)?,
        (name, _) => {
            let from_other = image.is_some() || args.project.is_some();
            let prompt = "Deploy a container for which project?";
            let name = project(&host, ui, name, from_other, prompt)?;
            own(&host, ui, name)?
        }
    };
    let create = Create {
        name,
        image,
        project: args.project,
        workspace: args.workspace,
        data: args.data,
        gpus,
        dry_run: false,
        interface: Interface::Orchestration,
        wait: None,
    };
    let made = deploy(&host, ui, &create, patience)?;
    let runs = format!("runs {}", with_gpu(&made.devices));
    shell(&host, ui, &made.name, &runs, opens)
}
