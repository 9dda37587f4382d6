//! A new project: asked for, decided, made.

use ds01_cli::{Interruptions, Ui};
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
    project::{DOCKERFILE, Draft, TOPICS, Topic},
    recipe::{Recipe, Source, image_name},
    sources::{FOR_POETRY, PYPROJECT, REQUIREMENTS, Settings, is_requirement, with_requirements},
};
use ds01_host::{
    Host,
    new_project::{Made, Place, has_lfs, make},
};

use crate::base::{Base, Begun, FRAMEWORK, begin};

/// What was asked for; the rest is asked on a terminal, or has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Init {
    /// The name.
    pub name: Option<ContainerName>,
    /// What it is about.
    pub topic: Option<Topic>,
    /// What its image begins from.
    pub image: Option<String>,
    /// Nothing is asked.
    pub quick: bool,
    /// Only the folder, a README and `pyproject.toml`.
    pub blank: bool,
    /// No git repository.
    pub no_git: bool,
    /// A description for editors too.
    pub devcontainer: bool,
    /// What is missing is added to a folder that has files, unasked.
    pub force: bool,
}

/// Makes a project's folder as the caller. What is there already is never changed.
///
/// # Errors
///
/// Status 2 for what cannot be, 4 for a folder that has files unless that is agreed to, 130 on
/// Ctrl-C: then nothing was made.
pub fn init(host: &Host, ui: &mut Ui, asked: Init) -> Result<ContainerName, Failure> {
    let asks = ui.interactive() && !asked.quick;
    if let Some(image) = &asked.image {
        image_name(image)?;
    }
    let name = match &asked.name {
        Some(name) => name.clone(),
        None if asks => ask_name(host, ui)?,
        None => return Err(no_name(ui)),
    };
    let (folder, place) = host.place(&name)?;
    let (settings, sources) = match &place {
        Place::Free => (Settings::default(), Vec::new()),
        Place::Used(project) => {
            agree(ui, &asked, &name, asks)?;
            project.sources()?
        }
    };
    let has = |file: &str| folder.join(file).exists();
    // Packages that are listed somewhere are the project's own choice.
    let is_chosen = asked.blank || !sources.is_empty() || has(REQUIREMENTS);
    let topic = match asked.topic {
        Some(topic) => topic,
        None if asks && !is_chosen => ask_topic(ui)?,
        None => Topic::default(),
    };
    let packages = match is_chosen {
        true => Vec::new(),
        false if asks => ask_packages(ui, topic)?,
        false => topic.packages(),
    };
    let image = asked.image.clone().map(Base::Image);
    let begun = begin(host, ui, image.as_ref(), &settings, asks && !asked.blank);
    let (base, framework) = match begun {
        Ok(Begun { image, framework }) => (Ok(image), framework),
        // The folder is made all the same; a Dockerfile can follow.
        Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Unreachable) => {
            let framework = settings.framework.clone().unwrap_or(FRAMEWORK.into());
            (Err(failure), framework)
        }
        Err(failure) => return Err(failure),
    };
    sources.iter().for_each(|source| tell_left_out(ui, source));
    let is_repository = has(".git");
    let git = !asked.no_git && !asked.blank && !is_repository;
    let git = git && (!asks || ui.offer("Keep its code in a git repository?")?);
    let recipe = base.as_ref().ok().map(|base| Recipe {
        base: base.clone(),
        choice: match has(PYPROJECT) {
            true => settings.choice(base),
            // It is made, and names the image.
            false => Settings {
                base_image: Some(base.clone()),
                ..Settings::default()
            }
            .choice(base),
        },
        apt: match settings == Settings::default() {
            true => topic.apt(),
            false => settings.apt.clone(),
        },
        sources: with_requirements(sources),
    });
    let draft = Draft {
        name: name.clone(),
        topic,
        framework,
        packages,
        recipe,
        blank: asked.blank,
        lfs: git && has_lfs(),
        devcontainer: asked.devcontainer.then_some(host.caller().uid),
    };
    let files = draft.files()?;
    ui.explain(format_args!(
        "the folder {} is made, with {} files",
        folder.display(),
        files.len()
    ));
    let interruptions = Interruptions::held()?;
    let made = make(&folder, &files, git, &mut || interruptions.check())?;
    drop(interruptions);
    ui.line(format_args!("{name} in {}", folder.display()))?;
    let missing = base.err().filter(|_| !has(DOCKERFILE));
    tell(ui, &draft, &made, missing.as_ref());
    Ok(name)
}

/// Lets the owner of a folder that has files agree to more of them.
fn agree(ui: &mut Ui, asked: &Init, name: &ContainerName, asks: bool) -> Result<(), Failure> {
    if asked.force {
        return Ok(());
    }
    if !asks {
        let message = format!("project {name} exists: ~/workspace/{name} has files already");
        let hint = format!(
            "work on it with project-launch {name}; {} {name} --force adds the files that it lacks",
            ui.name()
        );
        return Err(Failure::new(Kind::State, message).with_hint(hint));
    }
    let question = format!(
        "~/workspace/{name} has files already, which stay as they are. Add those that it lacks?"
    );
    match ui.confirm(&question)? {
        true => Ok(()),
        false => Err(Failure::new(Kind::Failed, "nothing was made")),
    }
}

fn no_name(ui: &Ui) -> Failure {
    Failure::new(Kind::Usage, "missing argument <name>").with_hint(format!(
        "where nothing is asked it must be given: see {} --help",
        ui.name()
    ))
}

fn ask_name(host: &Host, ui: &mut Ui) -> Result<ContainerName, Failure> {
    let taken = host.projects()?;
    let free = |name: &String| taken.iter().all(|project| project.as_ref() != name);
    let more = (2..).map(|number| format!("my-project-{number}"));
    let mut names = ["my-project".to_string()].into_iter().chain(more);
    let default = names.find(free).unwrap_or_default();
    ui.input("Name of the project", &default, |text| Ok(text.parse()?))
}

pub(crate) fn ask_topic(ui: &mut Ui) -> Result<Topic, Failure> {
    let row = |topic: Topic| {
        [
            topic.word.to_string(),
            topic.about.to_string(),
            topic.packages().join(" "),
        ]
    };
    Ok(TOPICS[ui.choose("What is it about?", &TOPICS.map(row))?])
}

pub(crate) fn ask_packages(ui: &mut Ui, topic: Topic) -> Result<Vec<String>, Failure> {
    let usual = topic.packages();
    let default = match usual.is_empty() {
        true => "none".into(),
        false => usual.join(" "),
    };
    let read = |text: &str| match text {
        "none" => Ok(Vec::new()),
        text => text.split_whitespace().map(package).collect(),
    };
    ui.input("Python packages, with blanks between", &default, read)
}

fn package(word: &str) -> Result<String, Failure> {
    match is_requirement(word) {
        true => Ok(word.into()),
        false => Err(
            Failure::new(Kind::Usage, format!("{word:?} is no package")).with_hint(
                "as pip has them: numpy>=1.26; others can be added to requirements.txt later",
            ),
        ),
    }
}

pub(crate) fn tell_left_out(ui: &mut Ui, source: &Source) {
    let (poetry, others): (Vec<_>, Vec<_>) = source
        .left_out
        .iter()
        .partition(|left_out| left_out.ends_with(FOR_POETRY));
    for left_out in others {
        ui.warn(format_args!(
            "{} lists {left_out}, which pip is not told to install",
            source.file
        ));
    }
    if !poetry.is_empty() {
        let names: Vec<_> = poetry
            .iter()
            .map(|one| one.trim_end_matches(FOR_POETRY))
            .collect();
        ui.warn(format_args!(
            "{} lists {} for poetry alone, which the image is built without: move them to dependencies \
             of [project], or write requirements.txt with poetry export",
            source.file,
            names.join(", ")
        ));
    }
}

fn tell(ui: &mut Ui, draft: &Draft, made: &Made, missing: Option<&Failure>) {
    let name = &draft.name;
    if !made.kept.is_empty() {
        ui.note(format_args!("kept as they were: {}", made.kept.join(", ")));
    }
    if let Some(why) = &made.no_git {
        ui.warn(format_args!("there is no git repository: {why}"));
    }
    if draft.blank {
        let image = draft.image();
        ui.note(format_args!(
            "next: container-deploy {name} --image={image}"
        ));
    } else if let Some(why) = missing {
        ui.warn(format_args!("there is no Dockerfile yet: {}", why.message));
        ui.note(format_args!(
            "next: image-create {name} --image=<image>, with one of image-list --all"
        ));
    } else {
        ui.note(format_args!("next: project-launch {name} --open"));
    }
}
