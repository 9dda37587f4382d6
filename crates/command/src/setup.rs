//! A user's first steps on a host, each of which can be skipped, and done again.

use ds01_cli::Ui;
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
};
use ds01_host::{Host, ops::MyLimits, ssh, system, users};

use crate::{
    Init, ask, init, limits,
    menu::{self, ProjectChoice},
};

/// What was answered beforehand; the rest is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Whether to make an SSH key.
    pub key: Option<bool>,
    /// Which project to make, if any.
    pub project: Option<Option<ContainerName>>,
}

impl Setup {
    /// Refuses to go on where something is unanswered and nobody can be asked.
    ///
    /// # Errors
    ///
    /// Status 2.
    pub fn may_run(&self, ui: &Ui) -> Result<(), Failure> {
        if ui.interactive() || (self.key.is_some() && self.project.is_some()) {
            return Ok(());
        }
        let message = "this asks for what to set up, and there is no terminal to ask on";
        let hint = format!(
            "answer beforehand: {} --no-key --no-project, or --key --project=<name>",
            ui.name()
        );
        Err(Failure::new(Kind::Usage, message).with_hint(hint))
    }
}

/// Takes the steps one by one.
///
/// # Errors
///
/// Those of a step; what was done before stays.
pub fn setup(host: &Host, ui: &mut Ui, answers: Setup) -> Result<(), Failure> {
    let person = users::person(host.caller().uid)?;
    ui.explain("the limits of your group are read, and your containers are counted");
    let status = ask(host, ui, &MyLimits::default())?;
    ui.line("1. What you may use (check-limits)")?;
    let rows = limits::rows(&status);
    limits::keep(ui, &status, &rows);
    ui.table(limits::HEADINGS, &rows)?;

    ui.line("")?;
    ui.line("2. An SSH key, by which GitHub and other hosts know you")?;
    ui.explain(
        "a key has two halves: the private one stays in ~/.ssh, the public one is for others",
    );
    key(ui, &person, answers.key)?;

    ui.line("")?;
    ui.line("3. A project: a folder in ~/workspace, an image, a container")?;
    ui.explain("what project-init does");
    let project = project(host, ui, answers.project)?;

    ui.line("")?;
    ui.line("4. Your editor")?;
    editor(ui, &person.login, project)
}

fn key(ui: &mut Ui, person: &users::Person, wanted: Option<bool>) -> Result<(), Failure> {
    let found = ssh::keys(&person.home)?;
    if let Some(first) = found.first() {
        ui.line(format_args!("There is one already: {}", first.display()))?;
        return match found.iter().find_map(|key| ssh::public(key)) {
            Some(public) => ui.line(public),
            None => Ok(()),
        };
    }
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => ui.offer("You have none. Make one?")?,
    };
    if !wanted {
        return ui.line("Skipped.");
    }
    let comment = format!("{}@{}", person.login, system::name());
    let asks = ui.interactive();
    let key = ui.lend(|| ssh::make(&person.home, &comment, asks))??;
    ui.line(format_args!(
        "{} is the private half: it is for nobody else. The public half, to be given away:",
        key.display()
    ))?;
    match ssh::public(&key) {
        Some(public) => ui.line(public),
        None => Ok(()),
    }
}

/// The project that an editor can open, and whether it can be launched as it is.
fn project(
    host: &Host,
    ui: &mut Ui,
    wanted: Option<Option<ContainerName>>,
) -> Result<Option<(ContainerName, bool)>, Failure> {
    let mut projects = menu::projects(host)?;
    let wanted = match wanted {
        Some(Some(name)) => match projects.iter().find(|one| one.name == name) {
            Some(there) => {
                ui.line(format_args!("There is one already: {name}"))?;
                return Ok(Some((name, there.can_launch())));
            }
            None => Some(Init {
                name: Some(name),
                quick: true,
                ..Init::default()
            }),
        },
        Some(None) => None,
        None => Some(Init::default()),
    };
    // A folder that a container was given for lack of another is no project.
    projects.retain(|one| one.can_launch() || one.has_files);
    let asked = match wanted {
        Some(asked) if asked.name.is_some() => asked,
        _ if !projects.is_empty() => {
            let names: Vec<_> = projects.iter().map(|one| one.name.as_ref()).collect();
            ui.line(format_args!("There are some already: {}", names.join(", ")))?;
            let ready = projects.iter().position(ProjectChoice::can_launch);
            let best = projects.swap_remove(ready.unwrap_or(0));
            return Ok(Some((best.name, ready.is_some())));
        }
        Some(asked) if ui.offer("You have none. Make one?")? => asked,
        _ => {
            ui.line("Skipped.")?;
            return Ok(None);
        }
    };
    let name = init(host, ui, asked)?;
    let made = menu::projects(host)?
        .into_iter()
        .find(|one| one.name == name);
    Ok(Some((name, made.is_some_and(|one| one.can_launch()))))
}

fn editor(ui: &mut Ui, login: &str, project: Option<(ContainerName, bool)>) -> Result<(), Failure> {
    let name = system::name();
    let (project, ready) = match &project {
        Some((project, ready)) => (project.as_ref(), *ready),
        None => ("<project>", true),
    };
    let build = match ready {
        true => String::new(),
        false => format!("image-create {project} && "),
    };
    for line in [
        "On your own computer, into ~/.ssh/config:",
        "",
        &format!("    Host {name}"),
        "        HostName <this host's address>",
        &format!("        User {login}"),
        "",
        "In VS Code, with the extensions Remote - SSH and Dev Containers:",
        "",
        &format!("    F1, Remote-SSH: Connect to Host..., {name}"),
        &format!("    File, Open Folder..., ~/workspace/{project}"),
        "",
        "To edit inside a container, describe it, and let the editor reach the engine",
        "through DS01:",
        "",
        &format!("    project-init {project} --devcontainer --force"),
        "    in the settings of the host: \"dev.containers.dockerPath\": \"ds01-docker\"",
        "    F1, Dev Containers: Reopen in Container",
        "",
        &format!("Begin to work: {build}project-launch {project} --open"),
    ] {
        ui.line(line)?;
    }
    Ok(())
}
