//! The image of a project with other packages: they are changed where the project lists them, and
//! the image is built again.

use std::path::{Path, PathBuf};

use ds01_cli::Ui;
use ds01_core::{
    edit::{Change, Step, apt, edit, listed, wanted},
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName},
    project::DOCKERFILE,
    requirements::portable,
};
use ds01_host::{
    Host, editor,
    projects::{Project, read},
};

use crate::{
    How, anew, build,
    image_create::choose,
    launch::no_project,
    own,
    refresh::{files, renewed, save, tell},
    with_gpu,
};

/// What was asked for; with nothing, a menu asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageUpdate {
    /// The project.
    pub name: Option<ContainerArg>,
    /// The packages that are to be different.
    pub change: Change,
    /// A file that lists more for pip.
    pub requirements: Option<PathBuf>,
    /// The Dockerfile is opened in an editor.
    pub edit: bool,
    /// It is built, whether or not anything is different.
    pub rebuild: bool,
    /// How it is built.
    pub how: How,
}

impl ImageUpdate {
    /// Whether packages are to be different.
    fn changes(&self) -> bool {
        !self.change.is_nothing() || self.requirements.is_some()
    }

    /// Whether no menu is needed.
    fn says(&self) -> bool {
        self.changes() || self.edit || self.rebuild || self.how != How::default()
    }
}

/// Changes what a project's image has, and builds it.
///
/// # Errors
///
/// Status 3 without the project, its Dockerfile or a package that is to go; 4 for a file that
/// cannot be changed without loss: then nothing is different. Those of the build, after which the
/// change stays.
pub fn image_update(host: &Host, ui: &mut Ui, asked: &ImageUpdate) -> Result<(), Failure> {
    may_begin(ui, asked)?;
    let name = match &asked.name {
        Some(named) => own(host, ui, named.clone())?,
        None => choose(host, ui, "Update the image of which project?")?,
    };
    let Some(project) = host.project(&name)? else {
        return Err(no_project(host, &format!("{} ", ui.name()), &name)?);
    };
    if project.dockerfile()?.is_none() {
        let message = format!("project {name} has no Dockerfile to change");
        let hint = format!("make one with image-create {name}");
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let done = match asked.says() {
        true => act(host, ui, &project, asked)?,
        false => menu(host, ui, &project)?.then(Vec::new),
    };
    let Some(steps) = done else {
        return Ok(());
    };
    let again = again(&name, asked, &steps);
    let image = build(host, ui, &project, &asked.how, &again)?;
    ui.line(image)?;
    if let Some(made) = anew::offer(host, ui, &project)? {
        ui.note(format_args!("{name} runs {}", with_gpu(&made.devices)));
    }
    Ok(())
}

/// Refuses what needs a terminal where there is none.
fn may_begin(ui: &Ui, asked: &ImageUpdate) -> Result<(), Failure> {
    if ui.interactive() {
        return Ok(());
    }
    if asked.name.is_none() {
        return ui.may_ask("project");
    }
    let message = match (asked.says(), asked.edit) {
        (true, false) => return Ok(()),
        (true, true) => "--edit opens an editor, and there is no terminal for it",
        (false, _) => "nothing was said to change, and there is no terminal to ask on",
    };
    let hint = "--add, --remove, --apt or --requirements changes packages; --rebuild takes in what you changed";
    Err(Failure::new(Kind::Usage, message).with_hint(hint))
}

/// Does what was said: what was done about packages, if there is something to build.
fn act(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    asked: &ImageUpdate,
) -> Result<Option<Vec<Step>>, Failure> {
    let mut change = asked.change.clone();
    if let Some(file) = &asked.requirements {
        change.import = lines_of(file)?;
    }
    let steps = match asked.changes() {
        true => apply(host, ui, project, &change)?,
        false => Vec::new(),
    };
    let edited = asked.edit && edit_by_hand(ui, project)?;
    let builds = edited || asked.changes() || asked.rebuild || asked.how != How::default();
    Ok(builds.then_some(steps))
}

/// The command that builds it once more, and what undoes a package that cannot be installed: of
/// those that were there before, none is to go.
fn again(name: &ContainerName, asked: &ImageUpdate, steps: &[Step]) -> String {
    let no_cache = if asked.how.no_cache {
        " --no-cache"
    } else {
        ""
    };
    let is_new = |text: &String| {
        let is = |step: &Step| matches!(step, Step::Added(added, _) if added == text);
        steps.iter().any(is)
    };
    let Change { add, apt, .. } = &asked.change;
    let add = add.iter().filter(|wanted| is_new(&wanted.text));
    let add = add.map(|wanted| wanted.name.clone());
    let apt = apt.iter().filter(|name| is_new(name)).cloned();
    let added: Vec<_> = add.chain(apt).collect();
    let undo = match added.is_empty() {
        true => String::new(),
        false => format!(
            "; or take out what was added: image-update {name} --remove '{}'",
            added.join(" ")
        ),
    };
    format!("image-update {name} --rebuild{no_cache}{undo}")
}

/// What the menu has.
const ITEMS: [[&str; 2]; 8] = [
    ["list", "the packages that it has"],
    ["add", "Python packages"],
    ["import", "Python packages that a file lists"],
    ["apt", "packages of Debian's"],
    ["remove", "a package"],
    ["edit", "the Dockerfile in your editor"],
    ["rebuild", "build the image, and leave"],
    ["leave", "build nothing"],
];

/// Does one thing after another, until the image is to be built, or not.
fn menu(host: &Host, ui: &mut Ui, project: &Project) -> Result<bool, Failure> {
    let name = &project.name;
    let prompt = format!("What about the image of {name}?");
    let rows = ITEMS.map(|row| row.map(String::from));
    let mut changed = false;
    loop {
        let item = ITEMS[ui.choose(&prompt, &rows)?][0];
        let done = match item {
            "rebuild" => return Ok(true),
            "leave" if changed => {
                ui.note(format_args!("build it with image-update {name} --rebuild"));
                return Ok(false);
            }
            "leave" => return Ok(false),
            item => one(host, ui, project, item),
        };
        match done {
            Ok(done) => changed |= done,
            Err(failure) if failure.kind == Kind::Interrupted => return Err(failure),
            // Something else may do.
            Err(failure) => ui.failure(&failure),
        }
    }
}

/// One thing of the menu; whether anything is different.
fn one(host: &Host, ui: &mut Ui, project: &Project, item: &str) -> Result<bool, Failure> {
    let mut change = Change::default();
    match item {
        "list" => {
            let listed = listed(&files(project)?)?;
            let kind = |is_apt| if is_apt { "Debian" } else { "Python" };
            let rows = listed
                .iter()
                .map(|one| [&*one.text, kind(one.is_apt), one.file]);
            let rows: Vec<_> = rows.map(|row| row.map(String::from)).collect();
            ui.table(["PACKAGE", "OF", "LISTED IN"], &rows)?;
        }
        "add" => {
            change.add = ask_for(ui, "Python packages, with blanks between", |text| {
                Ok(wanted(text)?)
            })?
        }
        "apt" => {
            change.apt = ask_for(ui, "Debian's packages, with blanks between", |text| {
                Ok(apt(text)?)
            })?
        }
        "import" => {
            change.import = ask_for(ui, "File that lists Python packages", |text| {
                lines_of(Path::new(text))
            })?;
        }
        "remove" => {
            let listed = listed(&files(project)?)?;
            let rows = listed.iter().map(|one| [one.text.clone(), one.file.into()]);
            let rows: Vec<_> = rows.collect();
            if rows.is_empty() {
                ui.note("its files list no packages");
            } else {
                let chosen = &listed[ui.choose("Remove which package?", &rows)?];
                change.remove = vec![chosen.name().into()];
            }
        }
        _ => return edit_by_hand(ui, project),
    }
    if change.is_nothing() {
        return Ok(false);
    }
    apply(host, ui, project, &change)?;
    Ok(true)
}

/// Asks for a list, which may be none.
fn ask_for<T: Default>(
    ui: &mut Ui,
    question: &str,
    read: impl Fn(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    ui.input(question, "none", |text| match text {
        "none" => Ok(T::default()),
        text => read(text),
    })
}

/// The lines of a file for pip.
fn lines_of(file: &Path) -> Result<Vec<String>, Failure> {
    let text = read(file)?.ok_or_else(|| {
        let message = format!("cannot read {}: there is no such file", file.display());
        Failure::new(Kind::NotFound, message)
    })?;
    Ok(portable(&text)?.into_iter().map(String::from).collect())
}

/// Changes packages where they are listed, in all files or none; what was done.
fn apply(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    change: &Change,
) -> Result<Vec<Step>, Failure> {
    let before = files(project)?;
    let done = renewed(host, ui, project, &before).and_then(|(now, renewal)| {
        let (after, steps) = edit(&now, change)?;
        Ok((after, renewal, steps))
    });
    let (after, renewal, steps) = done.map_err(|mut failure| {
        let own = format!("image-update {} --", project.name);
        let hint = failure.hint.take();
        failure.hint = hint.map(|hint| hint.replace("image-update --", &own));
        failure
    })?;
    save(project, before, &after)?;
    tell(ui, &renewal);
    steps.iter().for_each(|step| ui.note(step));
    Ok(steps)
}

/// Lets the user edit the Dockerfile; whether it is different.
fn edit_by_hand(ui: &mut Ui, project: &Project) -> Result<bool, Failure> {
    let path = project.folder.join(DOCKERFILE);
    let before = project.dockerfile()?;
    ui.lend(|| editor::edit(&path))??;
    let changed = project.dockerfile()? != before;
    if !changed {
        ui.note("the Dockerfile is as it was");
    }
    Ok(changed)
}
