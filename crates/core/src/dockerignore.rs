//! What a `.dockerignore` leaves out of the folder that an image is built from.
//!
//! Source: the Dockerfile reference, ".dockerignore file", and moby/patternmatcher, which
//! decides where the reference is silent.

use crate::failure::{Kind, UserError};

/// The patterns of one file; of a file that does not exist, none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// It begins with `!`: what it matches is kept.
    keeps: bool,
    text: Vec<char>,
}

/// Bytes of a line at most: what every path is compared with. A path has no more.
const LINE: usize = 4096;

/// A line that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// Docker refuses it as well.
    #[error("line {line} of .dockerignore is no pattern: {text:?}")]
    Malformed {
        /// Its number.
        line: usize,
        /// What it says.
        text: String,
    },
    /// No path is so long.
    #[error("line {line} of .dockerignore has {bytes} bytes, and may have {LINE}")]
    Long {
        /// Its number.
        line: usize,
        /// How long it is.
        bytes: usize,
    },
}

impl UserError for InvalidPattern {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Malformed { .. } => {
                "close every '[', and put a backslash before a character that is meant as it is"
                    .into()
            }
            Self::Long { .. } => "write one pattern on each line".into(),
        })
    }
}

impl Ignore {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] for what Docker refuses as well, and for a line that is too long.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        let pattern = |(number, line): (usize, &str)| {
            let bytes = line.len();
            if bytes > LINE {
                let line = number;
                return Err(InvalidPattern::Long { line, bytes });
            }
            let invalid = || InvalidPattern::Malformed {
                line: number,
                text: line.into(),
            };
            let (keeps, path) = match line.trim().strip_prefix('!') {
                Some(path) => (true, path.trim()),
                None => (false, line.trim()),
            };
            let text: Vec<char> = clean(path).chars().collect();
            match path.is_empty() || !is_valid(&text) {
                true => Err(invalid()),
                false => Ok(Pattern { keeps, text }),
            }
        };
        lines.map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `path`, relative to the folder and with `/` between its parts, is left out: the last
    /// pattern that matches it, or a folder that it is in, decides.
    pub fn leaves_out(&self, path: &str) -> bool {
        let hit = |pattern: &&Pattern| matches(&pattern.text, path, true);
        self.0
            .iter()
            .rev()
            .find(hit)
            .is_some_and(|pattern| !pattern.keeps)
    }

    /// Whether something in `folder` may be kept although the folder is left out.
    pub fn may_keep_in(&self, folder: &str) -> bool {
        let keeping = self.0.iter().filter(|pattern| pattern.keeps);
        let mut texts = keeping.map(|pattern| pattern.text.iter().collect::<String>());
        let reaches = |text: String| {
            // Beyond a part that has `**` nothing can be told.
            let parts = text.split('/').zip(folder.split('/'));
            let mut known = parts.take_while(|(part, _)| !part.contains("**"));
            let fits =
                |part: &str, name: &str| matches(&part.chars().collect::<Vec<_>>(), name, false);
            known.all(|(part, name)| fits(part, name))
        };
        texts.any(reaches)
    }
}

/// A path without empty parts, `.` and `..`, as far as that can be.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether every class is closed and has something in it, and nothing is escaped at the end.
fn is_valid(mut pattern: &[char]) -> bool {
    loop {
        pattern = match pattern {
            [] => return true,
            ['\\'] => return false,
            ['\\', _, rest @ ..] => rest,
            ['[', rest @ ..] => match class(rest, ' ') {
                Some((_, rest)) => rest,
                None => return false,
            },
            [_, rest @ ..] => rest,
        };
    }
}

/// Whether the pattern matches the path, or with `or_folder` a folder that it is in.
///
/// All ways to match are followed at once, a character of the path after the other: going back
/// for each `*` would take a time that doubles with every one.
fn matches(pattern: &[char], path: &str, or_folder: bool) -> bool {
    let whole = pattern.len();
    let mut places = vec![false; whole + 1];
    arrive(pattern, &mut places, 0);
    for c in path.chars() {
        if or_folder && c == '/' && places[whole] {
            return true;
        }
        if !places.contains(&true) {
            return false;
        }
        places = step(pattern, &places, c);
    }
    places[whole]
}

/// The places in the pattern where the next of the path is looked for, after `c`.
fn step(pattern: &[char], places: &[bool], c: char) -> Vec<bool> {
    let mut next = vec![false; places.len()];
    let mut stay = Vec::new();
    for at in (0..pattern.len()).filter(|&at| places[at]) {
        let to = match &pattern[at..] {
            // Any number of folders, none too; at the end anything.
            ['*', '*', ..] => {
                stay.push(at);
                let after = after_folders(pattern, at);
                (c == '/' || after == pattern.len()).then_some(after)
            }
            ['*', ..] => (c != '/').then_some(at),
            ['?', ..] => (c != '/').then_some(at + 1),
            ['\\', escaped, ..] => (*escaped == c).then_some(at + 2),
            ['[', rest @ ..] => match class(rest, c) {
                Some((true, rest)) => Some(pattern.len() - rest.len()),
                _ => None,
            },
            plain => plain.starts_with(&[c]).then_some(at + 1),
        };
        if let Some(to) = to {
            arrive(pattern, &mut next, to);
        }
    }
    // At last: what follows begins with a folder, which is not behind every character.
    stay.into_iter().for_each(|at| next[at] = true);
    next
}

/// Comes to a place, and to those that follow it if its stars stand for nothing.
fn arrive(pattern: &[char], places: &mut [bool], mut at: usize) {
    while !places[at] {
        places[at] = true;
        match &pattern[at..] {
            ['*', '*', ..] => at = after_folders(pattern, at),
            ['*', ..] => at += 1,
            _ => return,
        }
    }
}

/// The place after `**` or `**/`.
fn after_folders(pattern: &[char], at: usize) -> usize {
    at + 2 + usize::from(pattern.get(at + 2) == Some(&'/'))
}

/// Whether `c` is in the class that begins after `[`, and what follows its `]`.
fn class(pattern: &[char], c: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut hit = false;
    let mut any = false;
    loop {
        let one = |rest: &'_ [char]| match *rest {
            ['\\', escaped, ..] => Some((escaped, 2)),
            ['-' | ']' | '\\', ..] | [] => None,
            [plain, ..] => Some((plain, 1)),
        };
        if let [']', after @ ..] = rest {
            return any.then_some((hit != negated, after));
        }
        let (low, length) = one(rest)?;
        rest = &rest[length..];
        let mut high = low;
        if let ['-', after @ ..] = rest {
            let (last, length) = one(after)?;
            (high, rest) = (last, &after[length..]);
        }
        hit |= (low..=high).contains(&c);
        any = true;
    }
}

#[cfg(test)]
mod tests;
