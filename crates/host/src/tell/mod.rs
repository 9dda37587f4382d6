//! Tells somebody what their own command does not: a warning, a turn in the line.
//!
//! Four ways: their terminals, a file in the workspace, the next login, and a command of the
//! admin's, as for mail. What is the user's own is touched by a process that is the user, which is
//! killed if it hangs.

mod command;
pub(crate) mod login;
mod terminals;
mod workspace;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::{event::Event, printable::printable, time::Timestamp};
use nix::unistd::geteuid;

pub use command::ByCommand;

use crate::{
    Site,
    child_task::{self, ChildTask, end_with_parent},
    clock,
    users::{Person, become_person},
};

/// What terminals and workspace may take: the server of somebody's files may have gone.
const LIMIT: Duration = Duration::from_secs(5);

/// Notices that are told at the same time: each takes processes and descriptors.
const AT_ONCE: usize = 32;

/// Characters of a notice that are told.
const LONGEST: usize = 1000;

/// Bytes that a file of notices has at most: then the older half goes.
const MOST: u64 = 16 * 1024;

/// Something that a user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One line: what happened or will happen, when, and what to type.
    pub text: String,
    /// Where on the host the `/workspace` of the container is that it is about.
    pub workspace: Option<PathBuf>,
}

/// A way that was begun.
type Way = io::Result<ChildTask<Result<(), String>>>;

/// A notice that is being told.
struct Telling<'a> {
    person: &'a Person,
    text: String,
    /// Those that have not ended.
    ways: Vec<(&'static str, ChildTask<Result<(), String>>)>,
    /// Those that failed, and why.
    failed: Vec<(&'static str, String)>,
}

/// Tells one notice, as [`tell_all`].
pub fn tell(site: &Site, person: &Person, notice: &Notice) {
    tell_all(site, &[(person.clone(), notice.clone())], |_| {});
}

/// Tells all of them at the same time, each in every way there is, and returns when all have ended:
/// after 5 s at the latest, or what `ds01.toml` gives the admin's command, for every 32 of them. `told`
/// gets the number of each as soon as that has ended.
///
/// A way that fails keeps no other from being tried, and is an event. Having no terminal is no
/// failure. Who is not root can tell only themselves in their own, and others at their next login.
///
/// Only for a process with one thread, which must not hold the ledger's lock.
pub fn tell_all(site: &Site, notices: &[(Person, Notice)], mut told: impl FnMut(usize)) {
    for (number, some) in notices.chunks(AT_ONCE).enumerate() {
        tell_some(site, some, |one| told(number * AT_ONCE + one));
    }
}

fn tell_some(site: &Site, notices: &[(Person, Notice)], mut told: impl FnMut(usize)) {
    let (now, patience) = (clock::now(), Instant::now() + login::PATIENCE);
    let all = notices.iter();
    let all: Vec<_> = all
        .map(|(person, notice)| Telling::begin(site, person, notice, now))
        .collect();
    let mut left = Vec::new();
    for (number, (mut one, line)) in all.into_iter().enumerate() {
        let kept = login::keep(&site.config().paths.state, one.person.uid, &line, patience);
        let failed = kept.err().map(|error| ("login", error.to_string()));
        one.failed.extend(failed);
        left.push((number, one));
    }
    loop {
        left.retain_mut(|(number, one)| {
            let goes_on = !one.has_ended();
            if !goes_on {
                one.log(site, now);
                told(*number);
            }
            goes_on
        });
        if left.is_empty() {
            return;
        }
        let ways = left.iter().flat_map(|(_, one)| &one.ways);
        child_task::wait(&ways.map(|(_, way)| way).collect::<Vec<_>>());
    }
}

impl<'a> Telling<'a> {
    /// Begins, with the line that is to be kept of it.
    fn begin(site: &Site, person: &'a Person, notice: &Notice, now: Timestamp) -> (Self, String) {
        let text: String = printable(&notice.text).chars().take(LONGEST).collect();
        let line = format!("{now} {text}\n");
        let begun = [
            ("command", site.config().tell.begin(person, &text)),
            (
                "terminals and workspace",
                in_their_own(person, notice.workspace.as_deref(), &text, &line),
            ),
        ];
        let mut telling = Self {
            person,
            text,
            ways: Vec::new(),
            failed: Vec::new(),
        };
        for (way, begun) in begun {
            match begun {
                Some(Ok(begun)) => telling.ways.push((way, begun)),
                Some(Err(error)) => telling.failed.push((way, error.to_string())),
                None => {}
            }
        }
        (telling, line)
    }

    /// Whether all its ways have ended.
    fn has_ended(&mut self) -> bool {
        self.ways.retain_mut(|(way, telling)| {
            let Some(ended) = telling.ended() else {
                return true;
            };
            let ended = ended.map_err(|error| error.to_string()).flatten();
            self.failed.extend(ended.err().map(|reason| (*way, reason)));
            false
        });
        self.ways.is_empty()
    }

    /// Logs the ways that failed.
    fn log(&mut self, site: &Site, now: Timestamp) {
        for (way, reason) in self.failed.drain(..) {
            let event = Event::new(now, "alert.failed").of(&*self.person.login);
            let event = event.with("way", way).with("reason", reason);
            site.log(event.with("text", &self.text));
        }
    }
}

/// Begins to tell them on their terminals and in the workspace; `None` if this process may not.
fn in_their_own(person: &Person, workspace: Option<&Path>, text: &str, line: &str) -> Option<Way> {
    let may_act = geteuid().is_root();
    if !may_act && geteuid().as_raw() != person.uid {
        return None;
    }
    Some(ChildTask::begin(LIMIT, || {
        if may_act {
            become_person(person).map_err(|failure| failure.message)?;
            end_with_parent();
        }
        terminals::write(text);
        workspace.map_or(Ok(()), |folder| workspace::note(folder, line))
    }))
}

/// Adds a line to a file of notices, which begins with `head`.
fn append(file: &File, head: &str, line: &str) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length == 0 {
        return file.write_all_at([head, line].concat().as_bytes(), 0);
    }
    if length + line.len() as u64 <= MOST {
        return file.write_all_at(line.as_bytes(), length);
    }
    let mut newer = vec![0; MOST as usize / 2];
    file.read_exact_at(&mut newer, length - MOST / 2)?;
    let cut = newer.iter().position(|byte| *byte == b'\n');
    let newer = &newer[cut.map_or(newer.len(), |end| end + 1)..];
    file.set_len(0)?;
    file.write_all_at(&[head.as_bytes(), newer, line.as_bytes()].concat(), 0)
}

#[cfg(test)]
mod tests;
