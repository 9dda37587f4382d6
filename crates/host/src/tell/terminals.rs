//! The terminals of a user.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{libc, unistd::geteuid};

/// Where the kernel shows them, as numbers.
const TERMINALS: &str = "/dev/pts";

/// Writes to the terminals that belong to the user of this process and take messages: those that
/// their group may write to, which is what mesg(1) sets and write(1) and wall(1) go by.
///
/// Never waits: a terminal that is held up misses it. Whoever calls saw to it that nothing in
/// `text` drives a terminal.
pub(super) fn write(text: &str) {
    let uid = geteuid().as_raw();
    let line = format!("\r\nDS01: {text}\r\n");
    let all = fs::read_dir(TERMINALS).into_iter().flatten();
    let names = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        // What is somebody else's cannot even be opened by this user.
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(Path::new(TERMINALS).join(name));
        let Ok(mut terminal) = opened else { continue };
        let takes_messages = terminal.metadata().is_ok_and(|about| {
            about.file_type().is_char_device()
                && about.uid() == uid
                && about.mode() & libc::S_IWGRP != 0
        });
        if takes_messages {
            // One that has just been left is no failure.
            let _ = terminal.write(line.as_bytes());
        }
    }
}
