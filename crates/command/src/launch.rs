//! A project is worked on: its image is built if need be, its container made or started.

use std::time::Duration;

use ds01_cli::{ExitStatus, Ui, nearest};
use ds01_core::{
    failure::{Failure, Kind},
    label::Interface,
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host,
    ops::{Admit, Create, Created, Listed, Start},
    projects::Project,
};

use crate::{
    How, anew, ask, build, deploy,
    deploy::{existing, stays_up, with_slots},
    menu, own,
    refresh::tell_stale,
    shell, with_gpu,
};

/// Makes a project's container run, and with `open` opens a shell in it. A new one waits in line for
/// its devices as long as `patience` says. There is never a second
/// one.
///
/// # Errors
///
/// Those of its steps; status 3 without the project, or an image and a Dockerfile.
pub fn launch(
    host: &Host,
    ui: &mut Ui,
    named: Option<ContainerArg>,
    open: bool,
    rebuild: bool,
    patience: Option<Duration>,
) -> Result<ExitStatus, Failure> {
    let name = match named {
        Some(named) => own(host, ui, named)?,
        None => menu::to_launch(host, ui)?,
    };
    let Some(project) = host.project(&name)? else {
        return Err(no_project(host, &format!("{} ", ui.name()), &name)?);
    };
    if let Some(found) = existing(host, ui, &name)? {
        return again(host, ui, &project, &found, open, rebuild);
    }
    let mut default_image = false;
    // Before anything is built: it may be wrong.
    let gpus = project.settings()?.gpus.unwrap_or_default();
    match host.image_of(&name)? {
        Some(image) if !rebuild => tell_stale(ui, &project, &image),
        found if project.dockerfile()?.is_none() => {
            default_image = found.is_none() && !rebuild;
            if !default_image {
                return Err(no_dockerfile(&name, found.is_some()));
            }
        }
        found => {
            let question =
                format!("Project {name} has no image yet. Build it from its Dockerfile?");
            if !rebuild && ui.interactive() && !ui.offer(&question)? {
                return Err(Failure::new(Kind::Failed, "nothing was built"));
            }
            let again = match found {
                Some(_) => {
                    format!("project-launch {name} --rebuild; the image of before is still there")
                }
                None => format!("project-launch {name}"),
            };
            // Before it takes minutes: a limit stays.
            ask(host, ui, &Admit { gpus: gpus.clone() })
                .map_err(|failure| in_pyproject(&name, failure))?;
            build(host, ui, &project, &How::default(), &again)?;
        }
    }
    let create = Create {
        name: name.clone(),
        image: None,
        project: None,
        workspace: None,
        data: None,
        gpus,
        dry_run: false,
        interface: Interface::Orchestration,
        wait: None,
    };
    let made = deploy(host, ui, &create, patience).map_err(|failure| match failure.kind {
        Kind::NotFound if default_image => no_dockerfile(&name, false),
        _ => in_pyproject(&name, failure),
    })?;
    if default_image {
        let image = &made.image;
        ui.note(format_args!(
            "project {name} has no Dockerfile: {image} is what this host has for such"
        ));
    }
    let runs = format!("runs {}", with_gpu(&made.devices));
    shell(host, ui, &name, &runs, open)
}

/// The same with a container that exists.
fn again(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    found: &Listed,
    open: bool,
    rebuild: bool,
) -> Result<ExitStatus, Failure> {
    let name = &found.name;
    if rebuild {
        if let Some(made) = rebuilt(host, ui, project, found)? {
            let runs = format!("runs {}", with_gpu(&made.devices));
            return shell(host, ui, name, &runs, open);
        }
    } else if let Some(image) = host.image_of(name)? {
        tell_stale(ui, project, &image);
    }
    ui.explain("the container exists: it is started, as docker start does, unless it runs");
    let short = ContainerArg::from(name.clone());
    let already = match ask(
        host,
        ui,
        &Start {
            name: short.clone(),
        },
    )?
    .already
    {
        true => "runs already",
        false => {
            stays_up(host, ui, &short)?;
            "runs"
        }
    };
    let runs = format!("{already} {}", with_slots(&found.slots));
    shell(host, ui, name, &runs, open)
}

/// The project's image is built again although it has a container, which is then made anew if the
/// user agrees: the container that was made. Where nobody can be asked nothing is built.
///
/// # Errors
///
/// Status 4 where nobody can be asked; those of the build and of what follows.
fn rebuilt(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    found: &Listed,
) -> Result<Option<Created>, Failure> {
    let name = &project.name;
    if !ui.interactive() {
        let message = format!(
            "container {name} exists, {}: a new image would not reach it",
            found.state
        );
        let hint =
            format!("retire it first: container-retire {name} && project-launch {name} --rebuild");
        return Err(Failure::new(Kind::State, message).with_hint(hint));
    }
    if project.dockerfile()?.is_none() {
        return Err(no_dockerfile(name, true));
    }
    let again = format!("project-launch {name} --rebuild; the container is as it was");
    build(host, ui, project, &How::default(), &again)?;
    anew::offer(host, ui, project)
}

/// Status 3.
fn no_dockerfile(name: &ContainerName, image: bool) -> Failure {
    let message = match image {
        true => format!("project {name} has no Dockerfile to build its image from"),
        false => format!("project {name} has no image, and no Dockerfile to build one from"),
    };
    let hint = match image {
        true => format!("leave --rebuild out, or make one with image-create {name}"),
        false => format!(
            "make one with image-create {name}, or choose from image-list --all: container-deploy {name} --image=<image>"
        ),
    };
    Failure::new(Kind::NotFound, message).with_hint(hint)
}

/// Status 3, with the project that may be meant, to be typed after `command`.
pub(crate) fn no_project(
    host: &Host,
    command: &str,
    name: &ContainerName,
) -> Result<Failure, Failure> {
    let projects = host.projects()?;
    let meant = nearest(name.as_ref(), projects.iter().map(AsRef::as_ref));
    let hint = match (meant, host.in_capitals(name)?) {
        (_, Some(folder)) => {
            let lower = folder.with_file_name(name.as_ref());
            let (folder, lower) = (folder.display(), lower.display());
            format!("a project's folder has no capitals: mv {folder} {lower}")
        }
        (Some(meant), None) => format!("did you mean {meant}? {command}{meant}"),
        (None, None) => format!(
            "make it first: project-init {name}; or do without: container-deploy {name} --image=<image>"
        ),
    };
    let message = format!("you have no project {name}: there is no folder ~/workspace/{name}");
    Ok(Failure::new(Kind::NotFound, message).with_hint(hint))
}

/// A failure whose hint names where the number of GPUs stands: this command has no option for it.
fn in_pyproject(name: &ContainerName, mut failure: Failure) -> Failure {
    failure.hint = failure.hint.map(|hint| match hint.split_once("--gpu=") {
        Some((_, gpus)) => {
            // As TOML writes it.
            let quote = if gpus.contains(':') { "\"" } else { "" };
            format!(
                "ask for fewer: gpus = {quote}{gpus}{quote} in [tool.ds01] of ~/workspace/{name}/pyproject.toml"
            )
        }
        None => hint,
    });
    failure
}
