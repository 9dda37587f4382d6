//! Menus of projects: those with which something can be done, and what to choose them by.

use ds01_cli::{Ui, human};
use ds01_core::{
    dockerfile,
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host, clock,
    engine::Image,
    ops::{Catalogue, List, Listed},
    projects::Project,
};

use crate::ask;

/// A project in a menu, with what one chooses it by.
pub(crate) struct ProjectChoice {
    pub(crate) name: ContainerName,
    /// The text that its image can be built from.
    dockerfile: Option<String>,
    image: Option<Image>,
    /// Whether any file says what its image has.
    pub(crate) has_files: bool,
}

impl ProjectChoice {
    /// Whether it has an image, or what one is built from.
    pub(crate) fn can_launch(&self) -> bool {
        self.image.is_some() || self.dockerfile.is_some()
    }

    /// What it begins from, and its image's age.
    fn facts(&self) -> [String; 2] {
        let bases = self.dockerfile.as_ref();
        let bases = bases.map(|text| dockerfile::images(text, &Default::default()));
        let base = bases.and_then(|bases| bases.ok()?.into_iter().next());
        let image = match self.image.as_ref().map(|image| image.built) {
            Some(built) => {
                let age = built.map(|built| human::duration(clock::now().since(built)));
                format!("image {} old", age.unwrap_or_default())
            }
            None if self.dockerfile.is_some() => "no image yet".into(),
            None => "no Dockerfile".into(),
        };
        [base.unwrap_or_default(), image]
    }
}

/// All folders of `~/workspace` that a container can be made for.
///
/// # Errors
///
/// If they, or the images, cannot be looked at.
pub(crate) fn projects(host: &Host) -> Result<Vec<ProjectChoice>, Failure> {
    let seen = |name: ContainerName| {
        // One that cannot be read is none to build from.
        let project = host.project(&name)?;
        let has_files = project.as_ref().is_some_and(Project::has_files);
        let dockerfile = project.and_then(|project| project.dockerfile().ok()?);
        let image = host.image_of(&name)?;
        Ok(ProjectChoice {
            name,
            dockerfile,
            image,
            has_files,
        })
    };
    host.projects()?.into_iter().map(seen).collect()
}

fn containers(host: &Host, ui: &mut Ui) -> Result<Vec<Listed>, Failure> {
    let all = List {
        stopped: true,
        all_users: false,
    };
    ask(host, ui, &all)
}

/// Whether a container without an image of its own is made from this host's default.
fn has_default(host: &Host, ui: &mut Ui) -> Result<bool, Failure> {
    Ok(ask(host, ui, &Catalogue {})?.default_image.is_some())
}

/// The container to be made, that was named; without a name, that of a project which is chosen from
/// those that have none yet. With `from_other` its image is not the project's own.
///
/// # Errors
///
/// Status 2 without a terminal, 3 if there is no such project.
pub fn project(
    host: &Host,
    ui: &mut Ui,
    named: Option<ContainerArg>,
    from_other: bool,
    prompt: &str,
) -> Result<ContainerArg, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    ui.may_ask("name")?;
    let used = containers(host, ui)?;
    let mut projects = projects(host)?;
    projects.retain(|one| used.iter().all(|container| container.name != one.name));
    if projects.is_empty() {
        let message = "you have no project without a container in ~/workspace";
        let hint = format!("name the new one: {} <name> --image=<image>", ui.name());
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let needs_none = from_other || has_default(host, ui)?;
    if !needs_none {
        projects.retain(|one| one.image.is_some());
    }
    if projects.is_empty() {
        let message = "no project of yours without a container has an image";
        let hint = format!(
            "build one with image-create, or name an image: {} <name> --image=<image>",
            ui.name()
        );
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let row = |one: &ProjectChoice| {
        let [base, image] = one.facts();
        [one.name.to_string(), base, image]
    };
    // Whose image is not its project's own needs none.
    let other = needs_none.then(|| ["another name", "", ""].map(String::from));
    let rows: Vec<_> = projects.iter().map(row).chain(other).collect();
    let chosen = match needs_none {
        true => ui.choose_or_last(prompt, &rows)?,
        false => ui.choose(prompt, &rows)?,
    };
    match projects.get(chosen) {
        Some(project) => Ok(project.name.clone().into()),
        None => ui.input("Name of the container", "test", |text| Ok(text.parse()?)),
    }
}

/// A project to launch, that is chosen: one with a container, an image, or a Dockerfile.
///
/// # Errors
///
/// Status 2 without a terminal, 3 if there is no such project.
pub(crate) fn to_launch(host: &Host, ui: &mut Ui) -> Result<ContainerName, Failure> {
    ui.may_ask("project")?;
    let mut projects = projects(host)?;
    if projects.is_empty() {
        let message = "you have no project in ~/workspace";
        return Err(Failure::new(Kind::NotFound, message).with_hint("make the first: project-init"));
    }
    let containers = containers(host, ui)?;
    let of = |one: &ProjectChoice| containers.iter().find(|found| found.name == one.name);
    if !has_default(host, ui)? {
        projects.retain(|one| one.can_launch() || of(one).is_some());
    }
    if projects.is_empty() {
        let message = "no folder in ~/workspace has an image, or a Dockerfile to build one from";
        let hint = "make one with image-create, or a new project with project-init";
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let row = |one: &ProjectChoice| {
        let [base, image] = one.facts();
        let state = of(one).map_or("no container".into(), |found| found.state.to_string());
        [one.name.to_string(), base, image, state]
    };
    let rows: Vec<_> = projects.iter().map(row).collect();
    Ok(projects
        .swap_remove(ui.choose("Launch which project?", &rows)?)
        .name)
}
