//! A Dockerfile repeats what `pyproject.toml` and `environment.yml` list. One that was written by us,
//! and edited by nobody, is written anew when they list something else; of any other, it is found
//! out what it lacks.

use super::{
    Files, Unedited,
    listing::apt_key,
    own::{Own, Which},
    place,
};
use crate::{
    dockerfile::Stages,
    name::ContainerName,
    project::DOCKERFILE,
    recipe::{Recipe, Source},
    requirements::required,
    sources::{self, ENVIRONMENT, PYPROJECT, REQUIREMENTS, Settings, with_requirements},
};

/// What building takes in of the files beside the Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// The Dockerfile to be built, if it is another than the one that is there.
    pub dockerfile: Option<String>,
    /// Files of which it has something else than before, and what.
    pub renewed: Vec<(&'static str, Vec<String>)>,
    /// What a Dockerfile that people edited does not have.
    pub lacks: Vec<Lack>,
    /// Files that it copies: they are as they are then.
    copied: Vec<&'static str>,
}

/// In what a Dockerfile differs from a file that it repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The file.
    pub file: &'static str,
    /// Requirements of it that the Dockerfile lacks.
    pub add: Vec<String>,
    /// Names of packages that the Dockerfile has alone.
    pub remove: Vec<String>,
    /// The file has options of pip's that the Dockerfile lacks, or the other way round.
    pub options: bool,
}

impl Renewal {
    /// Whether a build takes in what has changed in a file.
    pub fn takes_in(&self, file: &str) -> bool {
        let is = |one: &&str| *one == file;
        file == DOCKERFILE
            || self.copied.iter().any(is)
            || self.renewed.iter().any(|(one, _)| is(one))
    }
}

/// What building a project takes in.
///
/// # Errors
///
/// [`Unedited`] for a file that the Dockerfile repeats and that cannot be read.
pub fn renew(files: &Files, name: &ContainerName) -> Result<Renewal, Unedited> {
    let text = &files.dockerfile;
    let stages = Stages::of(text);
    let Ok(own) = Own::of(text) else {
        return Ok(Renewal::default());
    };
    let repeats = |file| own.list(Which::Of(file)).is_some();
    let ours = base_of_ours(text, &own, name);
    let mut renewal = Renewal {
        copied: [REQUIREMENTS, PYPROJECT, ENVIRONMENT]
            .into_iter()
            .filter(|file| *file == REQUIREMENTS || ours.is_none() && !repeats(file))
            .filter(|file| place::copies(&stages, file))
            .collect(),
        ..Renewal::default()
    };
    let read = sources::read(&files.texts);
    let (settings, sources) = match (read, &ours) {
        (Ok(read), _) => read,
        (Err(_), None) if !repeats(PYPROJECT) && !repeats(ENVIRONMENT) => return Ok(renewal),
        (Err(wrong), _) => return Err(wrong.into()),
    };
    let lacks: Vec<_> = [ENVIRONMENT, PYPROJECT]
        .into_iter()
        .filter(|file| !renewal.copied.contains(file))
        .map(|file| lack(&own, &sources, file))
        .collect();
    // What the Dockerfile has alone, somebody may have written there.
    let alone = |lack: &Lack| !lack.remove.is_empty();
    match ours.filter(|_| !lacks.iter().any(alone)) {
        Some(base) => {
            let apt = apt_of(&own, &settings);
            let recipe = Recipe {
                base: base.into(),
                apt: apt.clone(),
                sources: with_requirements(sources),
            };
            let anew = recipe.dockerfile(name)?;
            if anew == *text {
                return Ok(renewal);
            }
            for lack in lacks {
                let mut new = lack.add;
                if lack.file == PYPROJECT {
                    new.extend(apt.iter().filter(|one| !has_apt(&own, one)).cloned());
                }
                if !new.is_empty() || lack.options {
                    renewal.renewed.push((lack.file, new));
                }
            }
            renewal.dockerfile = Some(anew);
        }
        None => {
            renewal.lacks = lacks;
            let differs = |lack: &Lack| !lack.add.is_empty() || alone(lack) || lack.options;
            renewal.lacks.retain(differs);
        }
    }
    Ok(renewal)
}

fn lack(own: &Own, sources: &[Source], file: &'static str) -> Lack {
    let there = own.list(Which::Of(file)).unwrap_or_default();
    let source = sources.iter().find(|source| source.file == file);
    let arguments = source.and_then(|source| source.arguments.as_deref());
    let arguments = arguments.unwrap_or_default();
    let has_name = |list: &[String], item: &str| {
        let name = required(item);
        list.iter().any(|one| required(one) == name)
    };
    let options = |list: &[String]| -> Vec<String> {
        let options = list.iter().filter(|one| required(one).is_none());
        options.cloned().collect()
    };
    let block = own.list(Which::BlockPip).unwrap_or_default();
    let add = arguments.iter().filter(|item| {
        let elsewhere = there.is_empty() && has_name(block, item);
        required(item).is_some() && !there.contains(item) && !elsewhere
    });
    let remove = there.iter().filter(|item| !has_name(arguments, item));
    Lack {
        file,
        add: add.cloned().collect(),
        remove: remove.filter_map(|item| required(item)).collect(),
        options: options(there) != options(arguments),
    }
}

fn has_apt(own: &Own, name: &str) -> bool {
    let mut lists = [Which::Apt, Which::BlockApt].into_iter();
    lists.any(|which| {
        let list = own.list(which).unwrap_or_default();
        list.iter().any(|one| apt_key(one) == apt_key(name))
    })
}

/// Debian's packages of a Dockerfile of ours, and those that only `[tool.ds01]` has.
fn apt_of(own: &Own, settings: &Settings) -> Vec<String> {
    let lists = [Which::Apt, Which::BlockApt].map(|which| own.list(which).unwrap_or_default());
    let mut all = lists.concat();
    let missing = settings.apt.iter().filter(|one| !has_apt(own, one));
    all.extend(missing.cloned());
    all
}

/// The image that a Dockerfile begins from which nobody edited: it is what
/// [`Recipe::dockerfile`] writes of what it has, but for the block of Debian's packages.
fn base_of_ours<'a>(text: &'a str, own: &Own, name: &ContainerName) -> Option<&'a str> {
    if own.list(Which::BlockPip).is_some_and(|pip| !pip.is_empty()) {
        return None;
    }
    let base = text.lines().nth(1)?.strip_prefix("FROM ")?;
    let text = own.without_block(text);
    let sources = [ENVIRONMENT, PYPROJECT, REQUIREMENTS].into_iter();
    let sources = sources.filter_map(|file| {
        let list = own.list(Which::Of(file));
        Source::of(&text, file, list.map(<[_]>::to_vec))
    });
    let recipe = Recipe {
        base: base.into(),
        apt: own.list(Which::Apt).unwrap_or_default().to_vec(),
        sources: sources.collect(),
    };
    let has_requirements = recipe.sources.last()?.file == REQUIREMENTS;
    (has_requirements && recipe.dockerfile(name).ok()? == text).then_some(base)
}

#[cfg(test)]
mod tests;
