//! An image from a project's Dockerfile.
//!
//! Not an [`crate::Operation`]: the folder is read by the user's own process, and sent to whoever
//! answers Docker's own calls for them.

use std::{collections::BTreeMap, path::PathBuf, sync::atomic::Ordering};

use ds01_core::{
    dockerfile::{self, arguments},
    dockerignore::Ignore,
    failure::{Failure, Kind},
    project::{DOCKERFILE, DOCKERIGNORE},
};

use crate::{
    Host,
    context::{Context, Unsent},
    engine::{Heard, Image, Order, Unmade},
    ops::on_top,
    projects::read,
};

/// An image to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The folder with its Dockerfile.
    pub folder: PathBuf,
    /// Its name in the engine, with a tag. An image that had it keeps it if the build fails.
    pub image: String,
    /// The values of `ARG`s.
    pub arguments: BTreeMap<String, String>,
    /// Every step is taken anew.
    pub no_cache: bool,
    /// The Dockerfile's text.
    dockerfile: String,
    ignore: Ignore,
}

impl Build {
    /// Reads what says how the image is built.
    ///
    /// # Errors
    ///
    /// Status 3 without a Dockerfile; if it or `.dockerignore` cannot be read, or that is wrong.
    pub fn read(folder: PathBuf, image: String) -> Result<Self, Failure> {
        let path = folder.join(DOCKERFILE);
        let dockerfile = read(&path)?.ok_or_else(|| {
            let message = format!("there is no {}", path.display());
            Failure::new(Kind::NotFound, message)
        })?;
        let ignore = read(&folder.join(DOCKERIGNORE))?.unwrap_or_default();
        Ok(Self {
            ignore: Ignore::parse(&ignore)?,
            folder,
            image,
            arguments: BTreeMap::new(),
            no_cache: false,
            dockerfile,
        })
    }

    /// Whether its Dockerfile has an `ARG` of this name.
    pub fn takes(&self, argument: &str) -> bool {
        arguments(&self.dockerfile).contains(argument)
    }
}

/// What happens while an image is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many bytes of the folder are sent; called every moment at least.
    Sent(u64),
    /// A step begins: `Step 2/5 : RUN make`.
    Step(&'a str),
    /// A line that a step prints.
    Line(&'a str),
    /// What goes on, such as an image that is fetched; there will be more of it.
    Doing(&'a str),
}

impl Host {
    /// Builds an image as the caller. `watch` is told what happens; its failure ends the build.
    ///
    /// # Errors
    ///
    /// That of `watch`; which line of the Dockerfile failed, and why.
    pub fn build(
        &self,
        build: &Build,
        watch: &mut dyn FnMut(Progress<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let engine = self.engine();
        let before = engine.image(&build.image)?;
        let context = Context::begin(build.folder.clone(), build.ignore.clone())?;
        let (sent, ended) = (context.sent.clone(), context.ended.clone());
        let mut lines = Lines::default();
        let order = Order {
            image: &build.image,
            arguments: &build.arguments,
            no_cache: build.no_cache,
        };
        let built = engine.build(&order, context, &mut |heard| match heard {
            Heard::Nothing => watch(Progress::Sent(sent.load(Ordering::Relaxed))),
            Heard::Doing(text) => watch(Progress::Doing(&text)),
            Heard::Output(text) => lines.take(&text, watch),
        });
        match built {
            Ok(()) => {
                if let Some(before) = before {
                    self.let_go(build, &before);
                }
                Ok(())
            }
            Err(unmade) => {
                // A folder that could not be read comes first: the engine only saw it end.
                if let Some(Err(Unsent::Unread(unread))) = ended.get() {
                    return Err(unread.clone());
                }
                Err(match unmade {
                    Unmade::Failure(failure) => unknown(&failure, build).unwrap_or(failure),
                    Unmade::Said(words) => failed(&words, build, lines.step),
                })
            }
        }
    }
}

impl Host {
    /// Takes the caller's account from an image that has lost its name to another: with it goes what
    /// nothing else needs. A container or another name keeps it; that, and any failure, is left to
    /// whoever cleans up.
    fn let_go(&self, build: &Build, before: &Image) {
        let engine = self.engine();
        if let Ok(Some(now)) = engine.image(&build.image)
            && now.id != before.id
        {
            let (repo, tag) = on_top(before, self.caller().uid);
            let _ = engine.remove_image(&format!("{repo}:{tag}"));
        }
    }
}

/// The failure of a Dockerfile that begins from an image which the caller does not have, with the
/// line; `None` if it is another.
fn unknown(failure: &Failure, build: &Build) -> Option<Failure> {
    let said = [&failure.message].into_iter().chain(&failure.causes);
    let mut name = said.filter_map(|said| said.split("No such image: ").nth(1));
    let name = name.next()?.trim();
    let mut lines = build.dockerfile.lines().zip(1..);
    let place = match lines.find(|(line, _)| line.contains(name)) {
        Some((words, line)) => format!("line {line} of the Dockerfile: {}", words.trim()),
        None => "the Dockerfile".into(),
    };
    let message = format!("the build failed at {place}: you have no image {name}");
    Some(Failure::new(Kind::Failed, message).with_hint(format!(
        "see the images with image-list --all, and change {}",
        build.folder.join(DOCKERFILE).display()
    )))
}

/// The failure of a step, with its line.
fn failed(words: &str, build: &Build, step: usize) -> Failure {
    let path = build.folder.join(DOCKERFILE);
    let place = match dockerfile::step(&build.dockerfile, step) {
        Some((line, words)) => format!("line {line} of {}: {words}", path.display()),
        None => path.display().to_string(),
    };
    let mut failure = Failure::new(Kind::Failed, format!("the build failed at {place}"));
    // One line: the engine's longer answers have several.
    let words: Vec<_> = words.split_whitespace().collect();
    failure.causes.push(words.join(" "));
    failure
}

/// Lines of what comes in pieces.
#[derive(Default)]
struct Lines {
    rest: String,
    /// The number of the last step that began.
    step: usize,
}

impl Lines {
    fn take(
        &mut self,
        text: &str,
        watch: &mut dyn FnMut(Progress<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // The builder colours what goes to standard error.
        self.rest += &text.replace("\x1b[91m", "").replace("\x1b[0m", "");
        while let Some(end) = self.rest.find('\n') {
            let line: String = self.rest.drain(..=end).collect();
            let line = line.trim_end();
            // What was written over is not shown.
            let line = line.rsplit('\r').next().unwrap_or(line);
            match step_number(line) {
                Some(number) => {
                    self.step = number;
                    watch(Progress::Step(line))?;
                }
                None if is_of_ids(line) => {}
                None => watch(Progress::Line(line))?,
            }
        }
        Ok(())
    }
}

/// Whether a line tells the ids of images and containers on the way, which are nobody's.
fn is_of_ids(line: &str) -> bool {
    let before = [
        " ---> Running in ",
        " ---> ",
        "Removing intermediate container ",
    ];
    let id = before.iter().find_map(|before| line.strip_prefix(before));
    let digit = |c: char| c.is_ascii_hexdigit();
    id.is_some_and(|id| id.len() == 12 && id.chars().all(digit))
}

/// The 2 of `Step 2/5 : RUN make`.
fn step_number(line: &str) -> Option<usize> {
    let (number, rest) = line.strip_prefix("Step ")?.split_once('/')?;
    rest.split_once(" : ")?.0.parse::<usize>().ok()?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut seen = Vec::new();
        let mut lines = Lines::default();
        for piece in [
            "Step 1/2 : FROM x",
            "\n",
            "\x1b[91ma\x1b[0mb\r\nc 1%\rc 2%\n",
            " ---> Using cache\n ---> 0123456789ab\n ---> Running in 0123456789ab\n",
            "Removing intermediate container 0123456789ab\n",
            "Step 9/x : \n\nSt",
            "ep 2/2 : RUN y\nrest",
        ] {
            let heard = lines.take(piece, &mut |progress| {
                seen.push(format!("{progress:?}"));
                Ok(())
            });
            heard.unwrap();
        }
        let expected = [
            "Step(\"Step 1/2 : FROM x\")",
            "Line(\"ab\")",
            "Line(\"c 2%\")",
            "Line(\" ---> Using cache\")",
            "Line(\"Step 9/x :\")",
            "Line(\"\")",
            "Step(\"Step 2/2 : RUN y\")",
        ];
        assert_eq!(seen, expected);
        assert_eq!(lines.step, 2);
    }
}
