//! What a Dockerfile does, as far as it matters whose images it takes from.
//!
//! The engine would let a build begin from anybody's image: who may see which is checked before.
//! No reader is quite like the builder's, and its own differs from release to release. So the
//! builder is never given what was read, but what is [written](Dockerfile::write) from that: an
//! instruction a line, none continued. What could still be read in two ways is refused. Source: the
//! Dockerfile reference, "Parser directives", "Environment replacement", "FROM", "COPY --from",
//! "ONBUILD".

mod stage;
mod variables;
mod weight;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use crate::failure::{Kind, UserError};
pub(crate) use stage::{Said, Stages};
use variables::{argument, expanded};
pub use weight::{HEAVIEST, weight, weight_of_changes};

/// What is not an image after `FROM`.
const SCRATCH: &str = "scratch";

/// Bytes of one instruction: the builder of release 20.10 reads no longer lines.
const LONGEST: usize = 60_000;

/// Why nobody can tell what a Dockerfile does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The name of an image that is made up in ways that nobody needs.
    #[error("cannot tell which image is meant by {0:?} in the Dockerfile")]
    Image(String),
    /// An instruction that builders read in several ways.
    #[error("line {line} of the Dockerfile cannot be told for certain: {why}")]
    Instruction {
        /// Where it begins, from 1.
        line: usize,
        /// What is odd about it.
        why: &'static str,
    },
}

impl UserError for Unclear {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Image(_) => "name the image itself, or with ${VARIABLE} of an ARG before it",
                Self::Instruction { .. } => {
                    "write it plainly, without quotes or escapes in its options"
                }
            }
            .into(),
        )
    }
}

/// A Dockerfile that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    escape: char,
    instructions: Vec<Instruction>,
    platforms: Vec<String>,
}

/// An instruction, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    /// Where it began, from 1.
    line: usize,
    text: String,
    takes: Vec<Take>,
}

/// An image that an instruction takes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Take {
    /// Where it is named in the text.
    place: Range<usize>,
    /// Its name, without variables.
    image: String,
}

impl Dockerfile {
    /// The images that it takes from, in order, without stages of its own.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let takes = self.instructions.iter().flat_map(|one| &one.takes);
        takes.map(|take| take.image.as_str())
    }

    /// The platforms that it names for its images, in order.
    pub fn platforms(&self) -> &[String] {
        &self.platforms
    }

    /// It as the builder is to have it: without comments, an instruction a line, each where it
    /// began. An image that is in `pins` is named by what stands there.
    pub fn write(&self, pins: &BTreeMap<String, String>) -> String {
        let mut out = String::new();
        let mut line = 1;
        if self.escape != '\\' {
            out = format!("# escape={}\n", self.escape);
            line = 2;
        }
        for instruction in &self.instructions {
            while line < instruction.line {
                out.push('\n');
                line += 1;
            }
            let mut text = instruction.text.clone();
            for take in instruction.takes.iter().rev() {
                if let Some(pin) = pins.get(&take.image) {
                    text.replace_range(take.place.clone(), pin);
                }
            }
            out.push_str(&text);
            out.push('\n');
            line += 1;
        }
        out
    }
}

/// The images named by `FROM` and `--from` in `text`, in order, without the names of stages.
/// `arguments` are the values of `--build-arg`.
///
/// # Errors
///
/// As [`read`].
pub fn images(
    text: &str,
    arguments: &BTreeMap<String, Option<String>>,
) -> Result<Vec<String>, Unclear> {
    Ok(read(text, arguments)?.images().map(str::to_owned).collect())
}

/// Reads a Dockerfile. `arguments` are the values of `--build-arg`.
///
/// # Errors
///
/// [`Unclear`] for what one builder could read otherwise than another.
pub fn read(
    text: &str,
    arguments: &BTreeMap<String, Option<String>>,
) -> Result<Dockerfile, Unclear> {
    let (escape, mut instructions) = instructions(text);
    let (mut stages, mut platforms) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for instruction in &mut instructions {
        let odd = |why| Unclear::Instruction {
            line: instruction.line,
            why,
        };
        let text = instruction.text.as_str();
        if text.len() > LONGEST {
            return Err(odd("it is longer than 60,000 bytes"));
        }
        if text.ends_with(escape) {
            return Err(odd("it ends in a character that continues it"));
        }
        if text.split_whitespace().any(is_heredoc) {
            return Err(odd("the builder here has no heredocs"));
        }
        let (mut word, mut rest) = split(text);
        while word.eq_ignore_ascii_case("ONBUILD") {
            (word, rest) = split(rest);
        }
        // Go knows letters beyond ASCII whose small form is within.
        if !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(odd("it does not begin with a word"));
        }
        // Where a part of the text stands in it.
        let place = |part: &str| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        };
        let takes = match word.to_ascii_uppercase().as_str() {
            // Before the first FROM they can be used in each FROM; later ones change nothing there.
            "ARG" if stages.is_empty() => {
                argument(rest, arguments, &mut known)?;
                continue;
            }
            "FROM" => {
                let (flags, rest) = flags(rest).ok_or_else(|| odd("an option of FROM"))?;
                for flag in &flags {
                    let named = flag.strip_prefix("--platform=");
                    let named = named.ok_or_else(|| odd("an option of FROM"))?;
                    platforms.push(expanded(named, &known)?);
                }
                let mut words = rest.split_whitespace();
                let name = words.next().unwrap_or_default();
                let image = expanded(name, &known)?;
                if !image.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Unclear::Image(image));
                }
                let is_stage = stages.contains(&image.to_ascii_lowercase());
                let named = words
                    .next()
                    .is_some_and(|word| word.eq_ignore_ascii_case("as"));
                let stage = words.next().filter(|_| named).unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if !stage.chars().all(plain) {
                    return Err(odd("no stage can have this name"));
                }
                stages.push(stage.to_ascii_lowercase());
                match is_stage || image == SCRATCH || image.is_empty() {
                    true => Vec::new(),
                    false => vec![Take {
                        place: place(name),
                        image,
                    }],
                }
            }
            "COPY" | "ADD" => {
                let (flags, _) = flags(rest).ok_or_else(|| odd("an option of COPY or ADD"))?;
                let mut takes = Vec::new();
                for from in flags.iter().filter_map(|flag| flag.strip_prefix("--from=")) {
                    let is_stage = stages.contains(&from.to_ascii_lowercase());
                    if from.contains('$') {
                        return Err(Unclear::Image(from.into()));
                    }
                    if !is_stage && from.parse::<u32>().is_err() {
                        takes.push(Take {
                            place: place(from),
                            image: from.into(),
                        });
                    }
                }
                takes
            }
            _ => continue,
        };
        instruction.takes = takes;
    }
    Ok(Dockerfile {
        escape,
        instructions,
        platforms,
    })
}

/// Whether newer builders take the lines after a word for text, and not for instructions:
/// `<<EOF`, `3<<-EOF`.
fn is_heredoc(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = word.strip_prefix("<<");
    name.is_some_and(|name| !name.trim_start_matches('-').is_empty() && !name.contains('<'))
}

/// The options that `rest` begins with, and what follows. `None` if a builder could read others:
/// it takes quotes and escapes out of them.
fn flags(rest: &str) -> Option<(Vec<&str>, &str)> {
    let plain = |c: char| c.is_ascii_graphic() && !['"', '\'', '\\', '`'].contains(&c);
    let mut flags = Vec::new();
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if !flag.chars().all(plain) {
            return None;
        }
        flags.push(flag);
        rest = after.trim_start();
    }
    Some((flags, rest))
}

/// The names of all `ARG`s: a builder is given no value for another.
pub fn arguments(text: &str) -> BTreeSet<String> {
    let (_, instructions) = instructions(text);
    let words = instructions.iter().flat_map(|one| {
        let (word, rest) = split(&one.text);
        let is_argument = word.eq_ignore_ascii_case("ARG");
        rest.split_whitespace().filter(move |_| is_argument)
    });
    let name = |word: &str| word.split('=').next().unwrap_or(word).to_owned();
    words.map(name).collect()
}

/// The line at which the step of this number begins, from 1, and what stands there: the classic
/// builder counts instructions, and names no lines.
pub fn step(text: &str, number: usize) -> Option<(usize, &str)> {
    let text = text.trim_start_matches('\u{feff}');
    let escape = escape(text);
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut lines = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    let mut steps = std::iter::from_fn(|| {
        let first = lines.next()?;
        let mut line = first.1;
        while line.ends_with(escape) {
            line = lines.next().map_or("", |(_, line)| line);
        }
        Some(first)
    });
    let (line, found) = steps.nth(number.checked_sub(1)?)?;
    Some((line, found.strip_suffix(escape).unwrap_or(found).trim_end()))
}

/// The character before an end of line that does not count, and the instructions, each on one
/// line. A line that continues one keeps the blanks that it begins with.
fn instructions(text: &str) -> (char, Vec<Instruction>) {
    let text = text.trim_start_matches('\u{feff}');
    let escape = escape(text);
    let mut found: Vec<Instruction> = Vec::new();
    let mut continued = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            continue;
        }
        let text = text.trim_end();
        let (text, goes_on) = match text.strip_suffix(escape) {
            Some(start) => (start, true),
            None => (text, false),
        };
        match found.last_mut().filter(|_| continued) {
            Some(begun) => begun.text.push_str(text),
            None => found.push(Instruction {
                line,
                text: text.into(),
                takes: Vec::new(),
            }),
        }
        continued = goes_on;
    }
    for instruction in &mut found {
        instruction.text = instruction.text.trim().into();
    }
    found.retain(|instruction| !instruction.text.is_empty());
    (escape, found)
}

/// The character before an end of line that does not count: `# escape=` can change it, in the
/// comments at the top that look like it.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    let pairs = directives.map_while(|line| {
        let (key, value) = line.split_once('=')?;
        let key = key.trim();
        let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_word && !key.is_empty()).then_some((key, value.trim()))
    });
    let mut set = pairs.filter(|(key, _)| key.eq_ignore_ascii_case("escape"));
    match set.next() {
        Some((_, "`")) => '`',
        _ => '\\',
    }
}

fn split(line: &str) -> (&str, &str) {
    line.trim_start()
        .split_once(char::is_whitespace)
        .unwrap_or((line.trim(), ""))
}

#[cfg(test)]
mod tests;
