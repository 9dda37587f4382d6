//! A user's first steps on a host, each of which can be skipped, and done again.

use ds01_cli::Ui;
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
};
use ds01_host::{Host, ops::MyLimits, ssh, system, users};

use crate::{Init, ask, init, limits};

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
    let status = ask(host, ui, &MyLimits {})?;
    ui.line("1. What you may use (check-limits)")?;
    ui.table(limits::HEADINGS, &limits::rows(&status))?;

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
    editor(ui, &person.login, project.as_ref())
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

/// The project that an editor can open.
fn project(
    host: &Host,
    ui: &mut Ui,
    wanted: Option<Option<ContainerName>>,
) -> Result<Option<ContainerName>, Failure> {
    let mut projects = host.projects()?;
    let has = |name: &ContainerName| projects.contains(name);
    let asked = match wanted {
        Some(Some(name)) if !has(&name) => Init {
            name: Some(name),
            quick: true,
            ..Init::default()
        },
        Some(Some(name)) => {
            ui.line(format_args!("There is one already: {name}"))?;
            return Ok(Some(name));
        }
        None if projects.is_empty() && ui.offer("You have none. Make one?")? => Init::default(),
        _ if projects.is_empty() => {
            ui.line("Skipped.")?;
            return Ok(None);
        }
        _ => {
            let names: Vec<_> = projects.iter().map(AsRef::as_ref).collect();
            ui.line(format_args!("There are some already: {}", names.join(", ")))?;
            return Ok(Some(projects.swap_remove(0)));
        }
    };
    init(host, ui, asked).map(Some)
}

fn editor(ui: &mut Ui, login: &str, project: Option<&ContainerName>) -> Result<(), Failure> {
    let name = system::name();
    let project = project.map_or("<project>", AsRef::as_ref);
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
        "To edit inside a container, describe it, and let the editor reach the engine through DS01:",
        "",
        &format!("    project-init {project} --devcontainer --force"),
        "    in the settings of the host: \"dev.containers.dockerPath\": \"ds01-docker\"",
        "    F1, Dev Containers: Reopen in Container",
        "",
        &format!("Begin to work: project-launch {project} --open"),
    ] {
        ui.line(line)?;
    }
    Ok(())
}
