//! Packages of an image are added, changed and taken out where its project lists them.
//!
//! Which file that is, its Dockerfile says: what that gives to pip of `requirements.txt`,
//! `pyproject.toml` or `environment.yml` is changed there. A Dockerfile that takes from none of them
//! gets a block of ours. All else stays to the byte.

mod anew;
mod draft;
mod environment;
mod listing;
mod own;
mod place;
mod pyproject;
mod wanted;

use std::fmt;

use crate::{
    failure::{Kind, UserError},
    project::DOCKERFILE,
    recipe::Unfit,
    sources::{ENVIRONMENT, PYPROJECT, REQUIREMENTS, Texts, Wrong},
};
pub use anew::{Lack, Renewal, renew};
use draft::Draft;
pub use wanted::{NoPackage, Wanted, apt, wanted};

/// The files that say what an image has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The Dockerfile's text.
    pub dockerfile: String,
    /// The others.
    pub texts: Texts,
}

impl Files {
    /// Those that are different: `first`, and others.
    fn written(&self, before: &Self, first: &'static str) -> Vec<&'static str> {
        let (new, old) = (&self.texts, &before.texts);
        let all = [
            (REQUIREMENTS, new.requirements != old.requirements),
            (ENVIRONMENT, new.environment != old.environment),
            (PYPROJECT, new.pyproject != old.pyproject),
            (DOCKERFILE, self.dockerfile != before.dockerfile),
        ];
        let others = all.into_iter().filter(|(file, is)| *is && *file != first);
        [first]
            .into_iter()
            .chain(others.map(|(file, _)| file))
            .collect()
    }
}

/// What is to be different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Packages for pip.
    pub add: Vec<Wanted>,
    /// Lines of another `requirements.txt`.
    pub import: Vec<String>,
    /// Packages of Debian's.
    pub apt: Vec<String>,
    /// Names of packages that go, of either kind.
    pub remove: Vec<String>,
}

impl Change {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A package that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As it is written, on one line.
    pub text: String,
    /// Its names, as PEP 503 normalises them: conda may know it by another than pip.
    names: Vec<String>,
    /// In which file.
    pub file: &'static str,
    /// It is a package of Debian's, for apt.
    pub is_apt: bool,
}

impl Listed {
    /// A name that it can be asked for by.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.text)
    }
}

/// What was done about a package, and the files that are different for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was listed nowhere, and is now.
    Added(String, Vec<&'static str>),
    /// A file had it, and the Dockerfile repeats it now.
    Repeated(String, &'static str),
    /// It stands where another requirement stood.
    Changed(String, String, Vec<&'static str>),
    /// It was listed already.
    Known(String, String, &'static str),
    /// It was taken out.
    Removed(String, Vec<&'static str>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(text, files) => write!(f, "{text} added to {}", files.join(" and ")),
            Self::Repeated(text, file) => write!(f, "{text} of {file} added to {DOCKERFILE}"),
            Self::Changed(text, old, files) => {
                write!(f, "{text} in {}, in place of {old}", files.join(" and "))
            }
            Self::Known(text, old, file) => write!(f, "{text} is in {file} already: {old}"),
            Self::Removed(text, files) => write!(f, "{text} removed from {}", files.join(" and ")),
        }
    }
}

/// Packages that are told of at once, at most.
const MOST: usize = 20;

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unedited {
    /// No list has the package.
    #[error("no list of this project has the package {name}")]
    NotListed {
        /// What was to go.
        name: String,
        /// What is listed.
        listed: Vec<String>,
        /// Where it may stand, that is for people to change.
        elsewhere: Vec<String>,
    },
    /// A list is written in a way that cannot be kept.
    #[error("{list} of {file} is written in a way that cannot be changed without loss")]
    ByHand {
        /// The file.
        file: &'static str,
        /// The list in it.
        list: String,
    },
    /// The block is not as it was written.
    #[error("line {line} of the Dockerfile is not as image-update writes its block of packages")]
    Block {
        /// Where, from 1.
        line: usize,
    },
    /// An instruction is not over.
    #[error("the last line of the Dockerfile is continued by nothing: nothing can be added to it")]
    Open,
    /// A line is for pip's own kind of file, and the image has none.
    #[error(
        "the line {0:?} can stand in requirements.txt alone, which the Dockerfile does not install"
    )]
    Line(String),
    /// A file cannot be read.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// A name of Debian's that is none.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl UserError for Unedited {
    fn kind(&self) -> Kind {
        match self {
            Self::NotListed { .. } => Kind::NotFound,
            Self::ByHand { .. } | Self::Block { .. } | Self::Open | Self::Line(_) => Kind::State,
            Self::Wrong(wrong) => wrong.kind(),
            Self::Unfit(unfit) => unfit.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotListed { elsewhere, .. } if !elsewhere.is_empty() => {
                format!("change it yourself in {}", elsewhere.join(", "))
            }
            Self::NotListed { listed, .. } if listed.is_empty() => "they have none".into(),
            Self::NotListed { listed, .. } => {
                let more = match listed.len().saturating_sub(MOST) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let listed = &listed[..listed.len().min(MOST)];
                format!("they have {}{more}", listed.join(", "))
            }
            Self::ByHand { file, .. } => format!(
                "change it in {file} yourself, and in the Dockerfile if that repeats it, then \
                 image-update --rebuild"
            ),
            Self::Block { .. } => {
                "with image-update --edit, mend it or take the block out with both its comments"
                    .into()
            }
            Self::Open => "end it, with image-update --edit".into(),
            Self::Line(_) => {
                "with image-update --edit, add: COPY requirements.txt ./ and RUN pip install -r \
                 requirements.txt"
                    .into()
            }
            Self::Wrong(wrong) => wrong.hint()?,
            Self::Unfit(unfit) => unfit.hint()?,
        })
    }
}

/// Everything that an image's files list, in the order in which it is installed.
///
/// # Errors
///
/// [`Unedited`] for a file that cannot be read.
pub fn listed(files: &Files) -> Result<Vec<Listed>, Unedited> {
    Draft::of(files)?.listed()
}

/// The files after a change, and what was done.
///
/// # Errors
///
/// [`Unedited`]: then nothing is different.
pub fn edit(files: &Files, change: &Change) -> Result<(Files, Vec<Step>), Unedited> {
    let mut draft = Draft::of(files)?;
    for name in &change.remove {
        draft.remove(name)?;
    }
    for name in &change.apt {
        draft.add_apt(name)?;
    }
    for line in &change.import {
        draft.import(line)?;
    }
    for wanted in &change.add {
        draft.add(wanted)?;
    }
    Ok((draft.files, draft.steps))
}

#[cfg(test)]
mod tests;
