//! On a terminal of its own, with somebody who types.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    libc, pty,
    sys::termios::{self, LocalFlags},
};

use crate::sample;

/// How long a prompt may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a terminal of its own, and the person before it.
struct Session {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    terminal: OwnedFd,
}

impl Session {
    fn start(mut command: Command) -> Self {
        let size = pty::Winsize {
            ws_row: 24,
            ws_col: 40,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = pty::openpty(Some(&size), None).unwrap();
        let slave = || Stdio::from(pair.slave.try_clone().unwrap());
        command.stdin(slave()).stdout(slave()).stderr(slave());
        // SAFETY: only calls that are safe after fork: the terminal is made the child's own, for Ctrl-C.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let (screen, keyboard) = (
            File::from(pair.master.try_clone().unwrap()),
            File::from(pair.master),
        );
        Self {
            child,
            keyboard,
            screen: watched(screen),
            seen: String::new(),
            terminal: pair.slave,
        }
    }

    /// Waits until `text` was shown after all that was waited for before.
    fn see(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let Ok(bytes) = self.screen.recv_timeout(PATIENCE) else {
                panic!("no {text:?} in {:?}", self.seen)
            };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    /// Waits until the command does: a menu is shown a moment before its keys are read.
    fn waits(&self) {
        let deadline = Instant::now() + PATIENCE;
        let stat = format!("/proc/{}/stat", self.child.id());
        while !fs::read_to_string(&stat).unwrap().contains(") S ") {
            assert!(Instant::now() < deadline, "it never waits for a key");
            thread::yield_now();
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// How the command ended, once it has left the terminal as it found it: lines, echo and signals.
    fn end(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let modes = termios::tcgetattr(self.terminal.as_fd())
            .unwrap()
            .local_flags;
        let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        assert!(modes.contains(cooked), "{modes:?}");
        status
    }
}

fn watched(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[test]
fn a_terminal_gets_bold_headings_and_columns_cut_to_its_width() {
    let mut session = Session::start(sample(&["x", "--image=i"]));
    session.see("\x1b[1mNAME    STATUS        IMAGE\x1b[0m\r\n");
    session.see("名前    exited\\u{9b}  a/very/long/name/…\r\n");
    assert_eq!(session.end().code(), Some(0));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = sample(&["x"]);
        command.env(name, value);
        let mut session = Session::start(command);
        session.see("sample: warning: no image was named\r\nNAME ");
        assert_eq!(session.end().code(), Some(0));
    }
}

#[test]
fn only_yes_confirms() {
    for (typed, status) in [
        ("y\r", 0),
        ("YES\r", 0),
        ("\r", 1),
        ("no\r", 1),
        ("yep\r", 1),
        ("\x04", 1),
    ] {
        let mut session = Session::start(sample(&["x", "--ask", "--image=i"]));
        session.see("Create x with 1 GPU? [y/N] ");
        session.press(typed);
        session.see(if status == 0 {
            "NAME"
        } else {
            "\r\nsample: nothing was created"
        });
        assert_eq!(session.end().code(), Some(status), "{typed:?}");
    }
}

#[test]
fn a_container_is_chosen_with_the_arrow_keys() {
    let mut session = Session::start(sample(&[]));
    session.see("Which container");
    session.see("1) thesis  running");
    session.press("\x1b[B");
    session.see("2) 名前");
    session.press("\r");
    session.see("\x1b[?25h");
    session.see("名前\r\n");
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn a_container_is_chosen_by_its_number_or_part_of_its_name() {
    for typed in ["2", "前"] {
        let mut session = Session::start(sample(&[]));
        session.see("Which container");
        session.press(typed);
        session.press("\r");
        session.see("\x1b[?25h");
        session.see("名前\r\n");
        assert_eq!(session.end().code(), Some(0));
    }
}

#[test]
fn a_question_can_be_left_with_the_terminal_as_it_was() {
    for (args, shown) in [(&[][..], "1) thesis"), (&["x", "--ask"], "[y/N] ")] {
        let mut session = Session::start(sample(args));
        session.see(shown);
        session.waits();
        session.press("\x03");
        if args.is_empty() {
            session.see("\x1b[?25h");
        }
        session.see("sample: interrupted\r\n");
        assert_eq!(session.end().code(), Some(130), "{args:?}");
    }
    let mut session = Session::start(sample(&[]));
    session.see("1) thesis");
    session.waits();
    session.press("\x1b");
    session.see("sample: nothing was chosen\r\n");
    assert_eq!(session.end().code(), Some(1));
}

#[test]
fn a_terminal_without_a_cursor_gets_numbers() {
    let mut command = sample(&[]);
    command.env("TERM", "dumb");
    let mut session = Session::start(command);
    session.see("Which container\r\n  1) thesis");
    session.see("Choice [1-2]: ");
    session.press("7\r");
    session.see("Choice [1-2]: ");
    session.press("2\r");
    session.see("名前\r\n");
    assert_eq!(session.end().code(), Some(0));
}
