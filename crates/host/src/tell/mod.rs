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
    time::Duration,
};

use ds01_core::{event::Event, printable::printable};
use nix::unistd::geteuid;

pub use command::ByCommand;

use crate::{
    Site,
    apart::{Apart, end_with_parent},
    clock,
    users::{Person, become_person},
};

/// What terminals and workspace may take: the server of somebody's files may have gone.
const LIMIT: Duration = Duration::from_secs(5);

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
type Way = io::Result<Apart<Result<(), String>>>;

/// Tells `person` in every way there is, and returns when all have ended: after 5 s at the latest,
/// or what `ds01.toml` gives the admin's command.
///
/// A way that fails keeps no other from being tried, and is an event. Having no terminal is no
/// failure. Who is not root can tell only themselves in their own, and others at their next login.
///
/// Only for a process with one thread, which must not hold the ledger's lock.
pub fn tell(site: &Site, person: &Person, notice: &Notice) {
    let now = clock::now();
    let text: String = printable(&notice.text).chars().take(LONGEST).collect();
    let line = format!("{now} {text}\n");
    let begun = [
        ("command", site.config().tell.begin(person, &text)),
        (
            "terminals and workspace",
            in_their_own(person, notice.workspace.as_deref(), &text, &line),
        ),
    ];
    let kept = login::keep(&site.config().paths.state, person.uid, &line);
    let kept = ("login", kept.map_err(|error| error.to_string()));
    let ended = begun.map(|(way, begun)| (way, begun.map_or(Ok(()), finish)));
    for (way, ended) in ended.into_iter().chain([kept]) {
        if let Err(reason) = ended {
            let event = Event::new(now, "alert.failed").of(&*person.login);
            let event = event.with("way", way).with("reason", reason);
            site.log(event.with("text", &text));
        }
    }
}

fn finish(begun: Way) -> Result<(), String> {
    let ended = begun.and_then(Apart::finish);
    ended.map_err(|error| error.to_string()).flatten()
}

/// Begins to tell them on their terminals and in the workspace; `None` if this process may not.
fn in_their_own(person: &Person, workspace: Option<&Path>, text: &str, line: &str) -> Option<Way> {
    let may_act = geteuid().is_root();
    if !may_act && geteuid().as_raw() != person.uid {
        return None;
    }
    Some(Apart::begin(LIMIT, || {
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
