//! What of a Dockerfile is ours: lists of packages in instructions as [`crate::recipe`] writes
//! them, and a block between two comments in a Dockerfile that somebody else wrote.

use std::ops::Range;

use super::{
    Unedited,
    place::{self, user_at},
};
use crate::{
    dockerfile::Stages,
    recipe::{APT, PIP, apt_run, as_in, pip_run},
    sources::{ENVIRONMENT, PYPROJECT},
};

const BEGIN: &str = "# >>> packages of image-update, which writes what is between these lines >>>";
const END: &str = "# <<< packages of image-update <<<";

/// pip beside Debian's own packages, whatever the Dockerfile says of that.
const PIP_ANYWHERE: [&str; 5] = ["env", "PIP_BREAK_SYSTEM_PACKAGES=1", PIP[0], PIP[1], PIP[2]];

/// A list of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Debian's packages, in an instruction of a Dockerfile that we wrote.
    Apt,
    /// What another file has, given to pip.
    Of(&'static str),
    /// Debian's packages in the block.
    BlockApt,
    /// pip's in the block.
    BlockPip,
}

/// The lists of a Dockerfile, by the lines where they stand.
#[derive(Debug, Default)]
pub(super) struct Own {
    apt: Option<Found>,
    environment: Option<Found>,
    pyproject: Option<Found>,
    block: Option<Block>,
}

#[derive(Debug)]
struct Found {
    lines: Range<usize>,
    list: Vec<String>,
}

#[derive(Debug, Default)]
struct Block {
    lines: Range<usize>,
    apt: Vec<String>,
    pip: Vec<String>,
}

impl Own {
    /// Reads a Dockerfile.
    pub(super) fn of(text: &str) -> Result<Self, Unedited> {
        let lines = lines(text);
        let mut own = Self::default();
        let mut at = 0;
        while at < lines.len() {
            if said(lines[at]) == BEGIN {
                let block = Block::read(&lines, at)?;
                let line = at + 1;
                at = block.lines.end;
                if own.block.replace(block).is_some() {
                    return Err(Unedited::Block { line });
                }
            } else if let Some(found) = apt(&lines, at) {
                at = found.lines.end;
                own.apt.get_or_insert(found);
            } else if let Some(found) = pip(&lines, at, &PIP) {
                let above = at.checked_sub(1).map_or("", |above| said(lines[above]));
                at = found.lines.end;
                if above == as_in(ENVIRONMENT) {
                    own.environment.get_or_insert(found);
                } else if above == as_in(PYPROJECT) {
                    own.pyproject.get_or_insert(found);
                }
            } else {
                at += 1;
            }
        }
        Ok(own)
    }

    /// A list; `None` if there is no such.
    pub(super) fn list(&self, which: Which) -> Option<&[String]> {
        let block = self.block.as_ref();
        match which {
            Which::BlockApt => block.map(|block| &*block.apt),
            Which::BlockPip => block.map(|block| &*block.pip),
            which => self.found(which).map(|found| &*found.list),
        }
    }

    /// The Dockerfile, which is `text`, as it is without the block.
    pub(super) fn without_block(&self, text: &str) -> String {
        match &self.block {
            Some(block) => gone(text, &block.lines, false),
            None => text.into(),
        }
    }

    fn found(&self, which: Which) -> Option<&Found> {
        match which {
            Which::Apt => self.apt.as_ref(),
            Which::Of(ENVIRONMENT) => self.environment.as_ref(),
            Which::Of(PYPROJECT) => self.pyproject.as_ref(),
            _ => None,
        }
    }

    /// The line, from 1, of the first instruction that gives packages to pip.
    pub(super) fn first_pip(&self) -> Option<usize> {
        let found = [&self.environment, &self.pyproject].into_iter().flatten();
        found.map(|found| found.lines.start + 1).min()
    }

    /// The Dockerfile, which is `text`, with another list. Without packages there is no instruction.
    pub(super) fn with(
        self,
        text: &str,
        which: Which,
        list: Vec<String>,
    ) -> Result<String, Unedited> {
        let (mut apt, mut pip) = match &self.block {
            Some(block) => (block.apt.clone(), block.pip.clone()),
            None => Default::default(),
        };
        match which {
            Which::BlockApt => apt = list,
            Which::BlockPip => pip = list,
            which => {
                let Some(found) = self.found(which) else {
                    return Ok(text.into());
                };
                let written = match which {
                    Which::Apt => apt_run(&list)?,
                    _ => pip_run(&PIP, &list),
                };
                return Ok(match list.is_empty() {
                    true => gone(text, &found.lines, which != Which::Apt),
                    false => put(text, &found.lines, &written),
                });
            }
        }
        self.with_block(text, &apt, &pip)
    }

    fn with_block(&self, text: &str, apt: &[String], pip: &[String]) -> Result<String, Unedited> {
        let stages = Stages::of(text);
        let empty = apt.is_empty() && pip.is_empty();
        let begins = stages.last().first().map_or(0, |said| said.line);
        let place = match &self.block {
            Some(block) if empty => return Ok(gone(text, &block.lines, false)),
            // A stage was added: what is in another would not reach the image.
            Some(block) if block.lines.start < begins => {
                let text = gone(text, &block.lines, false);
                return Self::of(&text)?.with_block(&text, apt, pip);
            }
            Some(block) => block.lines.clone(),
            None => {
                let at = place::of_block(&stages, &lines(text), pip.is_empty(), self.first_pip())?;
                at..at
            }
        };
        let user = user_at(&stages, place.start + 1);
        let mut block = format!("{BEGIN}\n");
        if user.is_some() {
            block += "USER root\n";
        }
        if !apt.is_empty() {
            block += &apt_run(apt)?;
        }
        if !pip.is_empty() {
            block += &pip_run(&PIP_ANYWHERE, pip);
        }
        if let Some(user) = user {
            block += &format!("USER {user}\n");
        }
        block += &format!("{END}\n");
        if self.block.is_none() {
            let all = lines(text);
            match place.start == all.len() {
                true if all.last().is_some_and(|last| !last.trim().is_empty()) => {
                    block.insert(0, '\n');
                }
                true => {}
                false => block.push('\n'),
            }
        }
        Ok(put(text, &place, &block))
    }
}

impl Block {
    fn read(lines: &[&str], begin: usize) -> Result<Self, Unedited> {
        let mut block = Self::default();
        let mut at = begin + 1;
        loop {
            let wrong = |at: usize| Unedited::Block { line: at + 1 };
            let line = lines.get(at).map(|line| said(line));
            let line = line.ok_or_else(|| wrong(begin))?;
            if line == END {
                block.lines = begin..at + 1;
                return Ok(block);
            } else if let Some(found) = apt(lines, at) {
                at = found.lines.end;
                block.apt = found.list;
            } else if let Some(found) = pip(lines, at, &PIP_ANYWHERE) {
                at = found.lines.end;
                block.pip = found.list;
            } else if line.starts_with("USER ") {
                at += 1;
            } else {
                return Err(wrong(at));
            }
        }
    }
}

/// The packages of Debian's that an instruction at a line installs, if we wrote it.
fn apt(lines: &[&str], at: usize) -> Option<Found> {
    let plain = |at: usize| lines.get(at).map(|line| said(line).replace('`', "\\"));
    if plain(at)? != APT[0] || plain(at + 1)? != APT[1] {
        return None;
    }
    let mut list = Vec::new();
    let mut end = at + 2;
    loop {
        let line = plain(end)?;
        end += 1;
        if line == APT[2] {
            let lines = at..end;
            return Some(Found { lines, list });
        }
        let package = line.strip_prefix("        ")?.strip_suffix(" \\")?;
        list.push(package.into());
    }
}

/// What an instruction at a line gives to pip, if we wrote it.
fn pip(lines: &[&str], at: usize, words: &[&str]) -> Option<Found> {
    let mut json = lines.get(at)?.strip_prefix("RUN ")?.trim_end().to_string();
    let mut end = at + 1;
    while let Some(begun) = json.strip_suffix(['\\', '`']) {
        json = begun.to_string() + lines.get(end)?.trim_end();
        end += 1;
    }
    let all: Vec<String> = serde_json::from_str(&json).ok()?;
    let list = all.strip_prefix(
        words
            .iter()
            .map(|word| word.to_string())
            .collect::<Vec<_>>()
            .as_slice(),
    )?;
    Some(Found {
        lines: at..end,
        list: list.to_vec(),
    })
}

/// Lines with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn said(line: &str) -> &str {
    line.trim_start_matches('\u{feff}').trim_end()
}

/// A text with other lines in the place of some, in the line ends and with the character that
/// continues a line as it has them.
fn put(text: &str, place: &Range<usize>, written: &str) -> String {
    let all = lines(text);
    let mut written = match Stages::of(text).escape {
        '\\' => written.to_string(),
        escape => written.replace(" \\\n", &format!(" {escape}\n")),
    };
    let mut before = all[..place.start].concat();
    if !before.is_empty() && !before.ends_with('\n') {
        before.push('\n');
    }
    if text.contains("\r\n") {
        written = written.replace('\n', "\r\n");
        if before.ends_with('\n') && !before.ends_with("\r\n") && place.start == all.len() {
            before.insert(before.len() - 1, '\r');
        }
    }
    before + &written + &all[place.end..].concat()
}

/// A text without lines of ours, and a blank one that parted them from others. With `above`, the
/// line before them is ours too.
fn gone(text: &str, place: &Range<usize>, above: bool) -> String {
    let all = lines(text);
    let (mut start, mut end) = (place.start - usize::from(above), place.end);
    let blank = |at: usize| all.get(at).is_some_and(|line| line.trim().is_empty());
    if end < all.len() && blank(end) && !above {
        end += 1;
    } else if start > 0 && blank(start - 1) {
        start -= 1;
    }
    all[..start].concat() + &all[end..].concat()
}
