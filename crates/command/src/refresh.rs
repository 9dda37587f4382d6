//! A project's Dockerfile as it is to be built: with what the project's other files list by now.

use ds01_cli::Ui;
use ds01_core::{
    edit::{Files, Lack, Renewal, renew},
    failure::{Failure, Kind},
    name::ContainerName,
    project::DOCKERFILE,
    sources::{ENVIRONMENT, PYPROJECT, REQUIREMENTS, Texts},
};
use ds01_host::{
    Host,
    engine::Image,
    projects::Project,
    text_file::{TextFile, replace_all},
};

use crate::base::now_named;

pub(crate) fn files(project: &Project) -> Result<Files, Failure> {
    Ok(Files {
        dockerfile: project.dockerfile()?.unwrap_or_default(),
        texts: project.texts()?,
    })
}

/// Writes the Dockerfile anew, if it repeats what other files say no more and nobody has edited it.
/// Whoever did is told what it lacks.
///
/// # Errors
///
/// If a file cannot be read or written; status 3 for a framework that the host has no image of.
pub(crate) fn refresh(host: &Host, ui: &mut Ui, project: &Project) -> Result<(), Failure> {
    if project.dockerfile()?.is_none() {
        return Ok(());
    }
    let before = files(project)?;
    let (after, renewal) = renewed(host, ui, project, &before)?;
    save(project, before, &after)?;
    tell(ui, &renewal);
    for lacking in lacking(&project.name, &renewal, |_| true) {
        ui.warn(lacking);
    }
    Ok(())
}

/// Files with the Dockerfile that is to be built.
pub(crate) fn renewed(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    files: &Files,
) -> Result<(Files, Renewal), Failure> {
    let mut renewal = renew(files, &project.name, None)?;
    if let Some(settings) = &renewal.other_base {
        let image = now_named(host, ui, settings)?;
        renewal = renew(files, &project.name, Some(&image))?;
    }
    let mut after = files.clone();
    if let Some(dockerfile) = &renewal.dockerfile {
        after.dockerfile.clone_from(dockerfile);
    }
    Ok((after, renewal))
}

/// Says what is different in the Dockerfile.
pub(crate) fn tell(ui: &mut Ui, renewal: &Renewal) {
    let told: Vec<_> = renewal
        .renewed
        .iter()
        .filter(|(_, new)| !new.is_empty())
        .collect();
    for (file, new) in &told {
        let new = new.join(", ");
        ui.note(format_args!(
            "Dockerfile written anew, with {new} of {file}"
        ));
    }
    if told.is_empty() && renewal.dockerfile.is_some() {
        ui.note("Dockerfile written anew, as the project's files ask for it");
    }
}

/// Says which files of a project its image does not know as they are now. The project's container,
/// which is there or about to be, is in the way of another image.
pub(crate) fn tell_stale(ui: &mut Ui, project: &Project, image: &Image) {
    let newer = project.newer_than(image);
    if newer.is_empty() {
        return;
    }
    // What is wrong with a file, the build says.
    let renewal = files(project).and_then(|files| Ok(renew(&files, &project.name, None)?));
    let takes_in = |file: &&str| renewal.as_ref().is_ok_and(|renewal| renewal.takes_in(file));
    let name = &project.name;
    let taken: Vec<_> = newer.iter().copied().filter(takes_in).collect();
    let (are, them) = match taken.len() {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    if !taken.is_empty() {
        ui.note(format_args!(
            "{} {are} newer than the image; a rebuild takes {them} in: container-retire {name} && project-launch {name} --rebuild",
            taken.join(", ")
        ));
    }
    match renewal {
        Ok(renewal) => {
            for lacking in lacking(name, &renewal, |file| newer.contains(&file)) {
                ui.note(lacking);
            }
        }
        Err(failure) => ui.warn(format_args!(
            "no rebuild before this is mended: {}",
            failure.message
        )),
    }
}

/// What a Dockerfile that somebody edited lacks of other files, and what takes it in.
fn lacking(name: &ContainerName, renewal: &Renewal, of: impl Fn(&str) -> bool) -> Vec<String> {
    let lacks = renewal.lacks.iter().filter(|lack| of(lack.file));
    let base = renewal.ignored_base.iter().filter(|_| of(PYPROJECT));
    let base = base.map(|said| {
        format!(
            "the Dockerfile begins from another image than {PYPROJECT} says, which has {said}: name the same in both, here with image-update {name} --edit"
        )
    });
    lacks
        .map(|lack| lacking_of(name, lack))
        .chain(base)
        .collect()
}

/// What it lacks of one.
fn lacking_of(name: &ContainerName, lack: &Lack) -> String {
    let Lack {
        file,
        add,
        remove,
        options,
    } = lack;
    let mut said = Vec::new();
    let mut command = format!("image-update {name}");
    if !add.is_empty() {
        said.push(format!("lacks {} of {file}", add.join(", ")));
        let (single, more): (Vec<_>, Vec<_>) = add.iter().partition(|one| !one.contains(' '));
        let single = single
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let lists = [single.as_str()]
            .into_iter()
            .filter(|list| !list.is_empty());
        for list in lists.chain(more.into_iter().map(String::as_str)) {
            command += &format!(" --add={}", quoted(list));
        }
    }
    if !remove.is_empty() {
        let names = remove.join(" ");
        said.push(format!("has {}, which {file} does not", remove.join(", ")));
        command += &format!(" --remove={}", quoted(&names));
    }
    if *options {
        said.push(format!("has other options for pip than {file}"));
        command += " --edit";
    }
    format!(
        "the Dockerfile was edited, and {}: {command}",
        said.join(", and ")
    )
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Puts all files in place, or none.
pub(crate) fn save(project: &Project, before: Files, after: &Files) -> Result<(), Failure> {
    let Texts {
        pyproject,
        requirements,
        environment,
    } = before.texts;
    let new = &after.texts;
    let all = [
        (PYPROJECT, pyproject, new.pyproject.as_deref()),
        (REQUIREMENTS, requirements, new.requirements.as_deref()),
        (ENVIRONMENT, environment, new.environment.as_deref()),
        (
            DOCKERFILE,
            Some(before.dockerfile),
            Some(&*after.dockerfile),
        ),
    ];
    let mut changes = Vec::new();
    for (name, old, new) in all {
        let Some(new) = new.filter(|new| old.as_deref() != Some(new)) else {
            continue;
        };
        let file = TextFile::of(&project.folder, name)?;
        if file.exists().then(|| file.text()) != old.as_deref() {
            let message = format!("somebody has just changed {name}");
            return Err(Failure::new(Kind::State, message).with_hint("try again"));
        }
        changes.push((file, new));
    }
    let changes: Vec<_> = changes.iter().map(|(file, new)| (file, *new)).collect();
    replace_all(&changes)
}
