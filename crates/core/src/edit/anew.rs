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
    dockerfile::{Said, Stages},
    name::ContainerName,
    project::DOCKERFILE,
    recipe::{Choice, Recipe, Source},
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
    /// What the files say by now, if the Dockerfile is to begin from an image that follows from it:
    /// the one of now was chosen when they said something else, and nobody has put another there.
    pub other_base: Option<Settings>,
    /// What [`PYPROJECT`] says of the image to begin from, where people chose another.
    pub ignored_base: Option<String>,
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
            || file == PYPROJECT && self.other_base.is_some()
            || self.copied.iter().any(is)
            || self.renewed.iter().any(|(one, _)| is(one))
    }
}

/// What building a project takes in. `base` is the image to begin from, where
/// [`Renewal::other_base`] asks for one.
///
/// # Errors
///
/// [`Unedited`] for a file that the Dockerfile repeats and that cannot be read.
pub fn renew(files: &Files, name: &ContainerName, base: Option<&str>) -> Result<Renewal, Unedited> {
    let text = &files.dockerfile;
    let stages = Stages::of(text);
    let Ok(own) = Own::of(text) else {
        return Ok(Renewal::default());
    };
    let repeats = |file| own.list(Which::Of(file)).is_some();
    let ours = Begins::of_ours(text, &own, name);
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
        Some(begins) => {
            let apt = apt_of(&own, &settings);
            let now = settings.base();
            let (image, choice) = match (base, begins.kept()) {
                (Some(image), _) => (image, settings.choice(image)),
                (None, kept) => {
                    match kept.is_some_and(|then| now.is_some_and(|now| now != then.said)) {
                        true => renewal.other_base = Some(settings.clone()),
                        false => renewal.ignored_base = ignored_base(&stages, text, &settings),
                    }
                    (begins.image, begins.choice.clone())
                }
            };
            let recipe = Recipe {
                base: image.into(),
                choice,
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
                    new.extend(base.and(settings.base()));
                    new.extend(apt.iter().filter(|one| !has_apt(&own, one)).cloned());
                }
                if !new.is_empty() || lack.options {
                    renewal.renewed.push((lack.file, new));
                }
            }
            renewal.dockerfile = Some(anew);
        }
        None => {
            renewal.ignored_base = ignored_base(&stages, text, &settings);
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

/// What a Dockerfile begins from.
struct Begins<'a> {
    image: &'a str,
    /// What was chosen, and while [`PYPROJECT`] said what.
    choice: Option<Choice>,
}

impl<'a> Begins<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut line = lines.next()?;
        let choice = Choice::of(line);
        if choice.is_some() {
            line = lines.next()?;
        }
        let image = line.strip_prefix("FROM ")?;
        Some(Self { image, choice })
    }

    /// That of one that nobody edited: it is what [`Recipe::dockerfile`] writes of what it has, but
    /// for the block of Debian's packages, and for another image to begin from.
    fn of_ours(text: &'a str, own: &Own, name: &ContainerName) -> Option<Self> {
        if own.list(Which::BlockPip).is_some_and(|pip| !pip.is_empty()) {
            return None;
        }
        let begins = Self::of(text)?;
        let text = own.without_block(text);
        let sources = [ENVIRONMENT, PYPROJECT, REQUIREMENTS].into_iter();
        let sources = sources.filter_map(|file| {
            let list = own.list(Which::Of(file));
            Source::of(&text, file, list.map(<[_]>::to_vec))
        });
        let recipe = Recipe {
            base: begins.image.into(),
            choice: begins.choice.clone(),
            apt: own.list(Which::Apt).unwrap_or_default().to_vec(),
            sources: sources.collect(),
        };
        let has_requirements = recipe.sources.last()?.file == REQUIREMENTS;
        (has_requirements && recipe.dockerfile(name).ok()? == text).then_some(begins)
    }

    /// The choice, if it begins from that image still.
    fn kept(&self) -> Option<&Choice> {
        self.choice.as_ref().filter(|then| then.image == self.image)
    }
}

/// What the settings say of the image to begin from, if a Dockerfile names another and was not made
/// when they said the same.
fn ignored_base(stages: &Stages, text: &str, settings: &Settings) -> Option<String> {
    let said = settings.base()?;
    let untagged = |image: &str| image.strip_suffix(":latest").unwrap_or(image).to_string();
    let named = settings.base_image.as_deref().map(untagged);
    let mut froms = stages.said.iter().filter(|one| one.word == "FROM");
    // What a variable stands for is not known here.
    let follows = |from: &Said| {
        let mut words = from.rest.split_whitespace();
        words.any(|word| word.contains('$') || named.as_ref() == Some(&untagged(word)))
    };
    let differs = match text.lines().find_map(Choice::of) {
        Some(then) => then.said != said,
        // Nor which image a framework stands for.
        None => named.is_some(),
    };
    // One without any begins from nothing: the build says what is wrong with it.
    let begins = stages.said.iter().any(|one| one.word == "FROM");
    (differs && begins && !froms.any(follows)).then_some(said)
}

#[cfg(test)]
mod tests;
