//! A line on the terminal that says what goes on, until something else is said.

use std::io::{self, IsTerminal, Write};

use console::Term;

use crate::{
    live::is_drawn,
    printable,
    table::cut,
    ui::{Ui, width},
};

/// Back to the start of the line, which is cleared. Source: ECMA-48, CR and EL.
const CLEAR: &str = "\r\x1b[K";

/// Tells whoever waits at the terminal of stderr something in the middle of a step: in place of what
/// [`Ui::progress`] has shown. A view says itself that nothing comes.
pub fn meanwhile(text: &str) {
    if is_drawn() {
        return;
    }
    // If that fails there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{CLEAR}{}", printable(text));
}

impl Ui {
    /// Whether a line of what goes on can be shown, and written over.
    pub fn shows_progress(&self) -> bool {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        io::stderr().is_terminal() && !dumb
    }

    /// Shows what goes on, in place of what was shown last; nothing off a terminal.
    ///
    /// To be followed by [`Ui::progress_ends`] before anything else is written.
    pub fn progress(&mut self, text: &str) {
        if self.shows_progress() {
            // A line that wrapped could not be cleared.
            let room = width(&Term::stderr()).saturating_sub(1);
            self.show(&format!("{CLEAR}{}", cut(&printable(text), room)));
        }
    }

    /// Takes away what [`Ui::progress`] has shown.
    pub fn progress_ends(&mut self) {
        if self.shows_progress() {
            self.show(CLEAR);
        }
    }
}
