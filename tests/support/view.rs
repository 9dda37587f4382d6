//! A command that fills the terminal.

use ds01_testkit::{Pty, Termios, TestHost};

/// Takes the terminal: its other screen, without cursor and without wrapping lines.
pub(crate) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Gives it back.
pub(crate) const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A command of alice's on a terminal without colours, about to be shown; and the modes that the
/// terminal had before it began.
#[track_caller]
pub(crate) fn shown(host: &TestHost, command: &[&str]) -> (Pty, Termios) {
    let alice = host.as_user("alice").env("NO_COLOR", "1");
    let args = [&["-c", "read -r _ && exec \"$@\"", "sh"], command].concat();
    let mut pty = alice.pty("sh", &args);
    let before = pty.modes();
    pty.send("\r");
    (pty, before)
}
