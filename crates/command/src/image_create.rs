//! The image of a project: its Dockerfile is made if it has none, and built.

use std::{fs, path::PathBuf};

use ds01_cli::Ui;
use ds01_core::{
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName},
    project::{DOCKERFILE, DOCKERIGNORE, NO_REQUIREMENTS, Topic, USUALLY_IGNORED},
    recipe::Recipe,
    requirements::{merged, portable},
    sources::{self, REQUIREMENTS, Texts, with_requirements},
};
use ds01_host::{
    Host,
    projects::{Project, read},
    text_file::{TextFile, replace_all},
};

use crate::{
    How,
    anew::tell_next,
    base::{Base, begin},
    build,
    init::{ask_packages, ask_topic, tell_left_out},
    launch::no_project,
    own,
};

/// What was asked for; the rest is what the project says, or asked on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCreate {
    /// The project.
    pub name: Option<ContainerArg>,
    /// What a new Dockerfile begins from.
    pub base: Option<Base>,
    /// What the project is about.
    pub topic: Option<Topic>,
    /// Packages of pip's, as it takes them.
    pub packages: Vec<String>,
    /// Packages of Debian's.
    pub apt: Vec<String>,
    /// A file that lists more for pip.
    pub requirements: Option<PathBuf>,
    /// Whether to build it.
    pub build: bool,
    /// A Dockerfile that is there is written anew, unasked.
    pub force: bool,
    /// How it is built.
    pub how: How,
}

impl ImageCreate {
    /// Whether a new Dockerfile is asked for.
    fn describes(&self) -> bool {
        self.base.is_some()
            || self.topic.is_some()
            || self.requirements.is_some()
            || !self.packages.is_empty()
            || !self.apt.is_empty()
    }
}

/// Makes a project's Dockerfile if it has none, and builds its image.
///
/// # Errors
///
/// Status 3 without the project, or an image to begin from; 4 for a Dockerfile that is there, unless
/// it is agreed to write it anew; those of the build.
pub fn image_create(host: &Host, ui: &mut Ui, asked: &ImageCreate) -> Result<(), Failure> {
    let name = match &asked.name {
        Some(named) => own(host, ui, named.clone())?,
        None => choose(host, ui, "Build the image of which project?")?,
    };
    let (project, is_new) = match host.project(&name)? {
        Some(project) => (project, false),
        None if asked.describes() => (host.new_project(&name)?, true),
        None => return Err(no_project(host, &format!("{} ", ui.name()), &name)?),
    };
    let exists = project.dockerfile()?.is_some();
    let writes = !exists || asked.describes();
    if writes {
        let asks = ui.interactive();
        if exists && !asked.force {
            agree(ui, &project, asks)?;
        }
        let written = write(host, ui, &project, asked, asks && !asked.describes());
        if is_new && written.is_err() {
            project.remove_if_empty();
        }
        written?;
        if asks && asked.build && !ui.offer("Build it now?")? {
            ui.note(format_args!("build it with image-create {name}"));
            return Ok(());
        }
    }
    if !asked.build {
        return ui.line(project.folder.join(DOCKERFILE).display());
    }
    let image = build(host, ui, &project, &asked.how, &again(asked, &name))?;
    ui.line(image)?;
    tell_next(host, ui, &name)
}

/// The command that builds it once more.
fn again(asked: &ImageCreate, name: &ContainerName) -> String {
    let no_cache = if asked.how.no_cache {
        " --no-cache"
    } else {
        ""
    };
    let arguments = asked.how.arguments.iter();
    let arguments: String = arguments
        .map(|(name, value)| format!(" --build-arg {name}={value}"))
        .collect();
    format!("image-create {name}{no_cache}{arguments}")
}

/// The project that is chosen from all in whose folders there is something.
pub(crate) fn choose(host: &Host, ui: &mut Ui, prompt: &str) -> Result<ContainerName, Failure> {
    ui.may_ask("project")?;
    let mut projects = host.projects()?;
    let is_something =
        |name: &ContainerName| -> Option<bool> { Some(!host.project(name).ok()??.is_empty()) };
    projects.retain(|name| is_something(name) == Some(true));
    if projects.is_empty() {
        let message = "you have no project in ~/workspace";
        return Err(Failure::new(Kind::NotFound, message).with_hint("make the first: project-init"));
    }
    let rows = projects.iter().map(|name| {
        let image = match host.image_of(name)? {
            Some(_) => "has an image",
            None => "no image yet",
        };
        Ok([name.to_string(), image.into()])
    });
    let rows: Vec<_> = rows.collect::<Result<_, Failure>>()?;
    Ok(projects.swap_remove(ui.choose(prompt, &rows)?))
}

/// Lets the owner of a Dockerfile agree to another in its place.
fn agree(ui: &mut Ui, project: &Project, asks: bool) -> Result<(), Failure> {
    let name = &project.name;
    if !asks {
        let message = format!("project {name} has a Dockerfile, which this would write anew");
        let hint = format!(
            "build it as it is: image-create {name}; or add --force: the one of now is kept as Dockerfile.old"
        );
        return Err(Failure::new(Kind::State, message).with_hint(hint));
    }
    let question = format!(
        "~/workspace/{name}/Dockerfile is there. Write it anew? The one of now is kept as Dockerfile.old."
    );
    match ui.confirm(&question)? {
        true => Ok(()),
        false => Err(Failure::new(Kind::Failed, "nothing was changed")),
    }
}

/// Writes the Dockerfile, and what it needs beside it.
fn write(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    asked: &ImageCreate,
    asks: bool,
) -> Result<(), Failure> {
    let requirements = TextFile::of(&project.folder, REQUIREMENTS)?;
    let texts = project.texts()?;
    let (settings, listed) = sources::read(&texts)?;
    let topic = match asked.topic {
        None if asks && listed.is_empty() && !requirements.exists() => Some(ask_topic(ui)?),
        topic => topic,
    };
    let packages = match topic {
        Some(topic) if asks => ask_packages(ui, topic)?,
        Some(topic) => topic.packages(),
        None => Vec::new(),
    };
    let given = match &asked.requirements {
        Some(file) => lines_of(project, file)?,
        None => Vec::new(),
    };
    let lines = [packages, given, asked.packages.clone()].concat();
    let before = match requirements.exists() {
        true => requirements.text(),
        false => NO_REQUIREMENTS,
    };
    let listed = merged(before, lines.iter().map(String::as_str));
    let texts = Texts {
        requirements: Some(listed.clone()),
        ..texts
    };
    let (_, sources) = sources::read(&texts)?;
    sources.iter().for_each(|source| tell_left_out(ui, source));
    let mut apt = settings.apt.clone();
    apt.extend(topic.map_or(Vec::new(), Topic::apt));
    apt.extend(asked.apt.iter().cloned());
    let mut known = std::collections::BTreeSet::new();
    apt.retain(|package| known.insert(package.clone()));
    let base = begin(host, ui, asked.base.as_ref(), &settings, asks)?.image;
    let recipe = Recipe {
        choice: settings.choice(&base),
        base,
        apt,
        sources: with_requirements(sources),
    };
    let text = recipe.dockerfile(&project.name)?;
    save(ui, project, (&requirements, &listed), &text)?;
    ui.note(format_args!("Dockerfile made, from {}", recipe.base));
    Ok(())
}

/// What is asked for in another file, for `requirements.txt`. One in the folder is named there.
fn lines_of(project: &Project, file: &std::path::Path) -> Result<Vec<String>, Failure> {
    let unread = |why: &dyn std::fmt::Display| {
        Failure::new(
            Kind::NotFound,
            format!("cannot read {}: {why}", file.display()),
        )
    };
    let text = read(file)?.ok_or_else(|| unread(&"there is no such file"))?;
    let real = fs::canonicalize(file).map_err(|error| unread(&error))?;
    let folder = fs::canonicalize(&project.folder).map_err(|error| unread(&error))?;
    match real.strip_prefix(&folder) {
        Ok(inside) if inside == std::path::Path::new(REQUIREMENTS) => Ok(Vec::new()),
        Ok(inside) => Ok(vec![format!("-r {}", inside.display())]),
        Err(_) => {
            let lines = portable(&text)?;
            Ok(lines.into_iter().map(String::from).collect())
        }
    }
}

/// Puts all of it in place, or nothing.
fn save(
    ui: &mut Ui,
    project: &Project,
    (requirements, listed): (&TextFile, &str),
    text: &str,
) -> Result<(), Failure> {
    let ignore = TextFile::of(&project.folder, DOCKERIGNORE)?;
    let dockerfile = TextFile::of(&project.folder, DOCKERFILE)?;
    let mut changes = Vec::new();
    if !requirements.exists() || listed != requirements.text() {
        changes.push((requirements, listed));
    }
    if !ignore.exists() {
        changes.push((&ignore, USUALLY_IGNORED));
    }
    if dockerfile.exists() {
        let old = dockerfile.keep_old()?;
        ui.note(format_args!("the Dockerfile of before is {old}"));
    }
    changes.push((&dockerfile, text));
    replace_all(&changes)
}
