//! Where a Dockerfile takes packages from, and where in it something can be added.

use super::Unedited;
use crate::{
    dockerfile::{Said, Stages},
    requirements::required,
    sources::REQUIREMENTS,
};

/// Where somebody's own instructions take packages from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Takes {
    /// `requirements.txt` is given to pip.
    pub(super) requirements: bool,
    /// The folder is, and so what its `pyproject.toml` depends on.
    pub(super) folder: bool,
}

impl Takes {
    pub(super) fn of(stages: &Stages) -> Self {
        let said = &stages.said;
        Self {
            requirements: copies(stages, REQUIREMENTS) && said.iter().any(gives_requirements),
            folder: said.iter().any(gives_folder),
        }
    }
}

/// The words of an instruction, in either of its forms.
fn words(said: &Said) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_whitespace() || "\"',;&|".contains(c);
    said.rest.split(part).filter(|word| !word.is_empty())
}

/// Whether a file is copied, maybe among others.
pub(super) fn copies(stages: &Stages, file: &str) -> bool {
    stages.said.iter().any(|said| is_copied(said, file))
}

/// Whether this copies a file, maybe among others.
fn is_copied(said: &Said, file: &str) -> bool {
    let from_folder = ["COPY", "ADD"].contains(&&*said.word) && !said.rest.contains("--from=");
    let is = |word: &str| {
        let word = word.trim_matches(['[', ']']).trim_start_matches("./");
        word.is_empty() || [".", file].contains(&word) || word.contains('*')
    };
    from_folder && words(said).any(is)
}

/// Whether this gives `requirements.txt` to pip.
fn gives_requirements(said: &Said) -> bool {
    let all: Vec<_> = words(said)
        .map(|word| word.trim_matches(['[', ']']))
        .collect();
    let values = (0..all.len()).filter_map(|at| match all[at] {
        "-r" | "--requirement" => all.get(at + 1).copied(),
        word => {
            let long = word.strip_prefix("--requirement=");
            long.or_else(|| word.strip_prefix("-r"))
        }
    });
    let mut names = values.map(|value| value.rsplit('/').next().unwrap_or(value));
    said.word == "RUN" && names.any(|name| name == REQUIREMENTS)
}

/// Whether this lets pip install the folder.
fn gives_folder(said: &Said) -> bool {
    let has = |word: &str| words(said).any(|one| one.trim_matches(['[', ']']) == word);
    let folder = words(said).any(|word| word == "." || word.starts_with(".["));
    said.word == "RUN" && has("pip") && has("install") && folder
}

/// The line, from 1, of an instruction of somebody's that names a package.
pub(super) fn naming(stages: &Stages, name: &str) -> Option<usize> {
    let is = |word: &str| required(word.trim_matches(['[', ']'])).is_some_and(|one| one == name);
    let found = stages
        .said
        .iter()
        .find(|said| said.word == "RUN" && words(said).any(is));
    found.map(|said| said.line)
}

/// The line, from 0, before which a block goes: with packages of Debian's alone, before whatever
/// gives packages to pip in the last stage, which may need them; else the end.
pub(super) fn of_block(
    stages: &Stages,
    lines: &[&str],
    is_apt_alone: bool,
    own_pip: Option<usize>,
) -> Result<usize, Unedited> {
    let last = stages.last();
    let begins = last.first().map_or(0, |said| said.line);
    let theirs = last
        .iter()
        .find(|said| gives_requirements(said))
        .map(|said| said.line);
    let ours = own_pip.filter(|line| *line > begins);
    let pip = theirs
        .into_iter()
        .chain(ours)
        .min()
        .filter(|_| is_apt_alone);
    let Some(line) = pip else {
        return match stages.is_open {
            true => Err(Unedited::Open),
            false => Ok(lines.len()),
        };
    };
    // What is copied for it, and what is said about it, stays with it.
    let mut at = line - 1;
    while at > begins {
        let above = lines[at - 1].trim();
        let copies = |said: &Said| said.line == at && ["COPY", "ADD"].contains(&&*said.word);
        if !above.starts_with('#') && !last.iter().any(copies) {
            break;
        }
        at -= 1;
    }
    Ok(at)
}

/// The user as whom an instruction would run at a line, from 1, unless that is root or whoever the
/// base image says.
pub(super) fn user_at(stages: &Stages, line: usize) -> Option<&str> {
    let mut before = stages
        .said
        .iter()
        .take_while(|said| said.line < line)
        .count();
    loop {
        let from = stages.said[..before]
            .iter()
            .rposition(|said| said.word == "FROM")?;
        let stage = &stages.said[from..before];
        if let Some(user) = stage.iter().rfind(|said| said.word == "USER") {
            return Some(&*user.rest)
                .filter(|user| !["root", "0", "root:root", "0:0"].contains(user));
        }
        // It may begin from another stage.
        let base = stage[0]
            .rest
            .split_whitespace()
            .find(|word| !word.starts_with("--"))?;
        let is_base = |said: &Said| {
            let name = said.rest.split_whitespace().last();
            said.word == "FROM" && name.is_some_and(|name| name.eq_ignore_ascii_case(base))
        };
        let other = stages.said[..from].iter().rposition(is_base)?;
        let next = |said: &Said| said.word == "FROM";
        let end = stages.said[other + 1..].iter().position(next)?;
        before = other + 1 + end;
    }
}
