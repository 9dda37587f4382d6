//! Where the output of a command goes: results to stdout, the rest to stderr.

use std::{
    env,
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write},
};

use console::Term;
use ds01_core::{
    failure::{Failure, Kind},
    printable::{acts, printable, without_codes},
};
use nix::unistd::Uid;
use owo_colors::OwoColorize;
use serde::Serialize;

use crate::{ExitStatus, Format, table::layout, text::Look};

/// Bytes gathered before they are written to a pipe or file.
const BUFFER: usize = 16 * 1024;

/// Columns of a terminal that does not tell.
const WIDTH: usize = 80;

/// The terminal, pipes or files that a command talks to.
///
/// Everything but JSON passes through [`printable`]: no text from elsewhere reaches the terminal raw.
pub struct Ui {
    name: String,
    out: Box<dyn Write>,
    pub(crate) buffer: Vec<u8>,
    closed: bool,
    /// A failure to write stdout that no call could return.
    lost: Option<Failure>,
    guided: bool,
    /// What is printed is gathered for a view that shows it all at once.
    pub(crate) captured: bool,
    pub(crate) stdout_is_terminal: bool,
    interactive: bool,
}

impl Ui {
    /// The standard streams of this process, which the user knows as `name`.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            out: Box::new(io::stdout()),
            buffer: Vec::new(),
            closed: false,
            lost: None,
            guided: false,
            captured: false,
            stdout_is_terminal: io::stdout().is_terminal(),
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// The command as it was called, for hints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether questions can be asked: stdin and stderr are terminals.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Whether every step is to be explained (`--guided`).
    pub fn guided(&self) -> bool {
        self.guided
    }

    pub(crate) fn set_guided(&mut self, guided: bool) {
        self.guided = guided;
    }

    /// Whether nobody reads stdout any more, as in `container-list --watch | head`.
    ///
    /// What is printed from then on is dropped. Only a command that would go on printing for ever
    /// needs to ask.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Prints a line of the result.
    ///
    /// # Errors
    ///
    /// [`Kind::Failed`] if stdout cannot be written, as on a full disk; a closed pipe is no error.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        self.text(&format!("{}\n", printable(&line.to_string())))
    }

    /// Prints rows of a result under headings, in columns. On a terminal they are cut to its width.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn table<const N: usize>(
        &mut self,
        headings: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), Failure> {
        let width = self.columns_to_fill();
        let headings = headings.map(str::to_owned);
        let lines = layout(
            &[std::slice::from_ref(&headings), rows]
                .concat()
                .iter()
                .map(cells)
                .collect::<Vec<_>>(),
            width,
        );
        let look = self.look();
        let mut lines = lines.into_iter();
        let heading = lines.next().map(|line| look.heading(&line));
        let text: String = heading
            .into_iter()
            .chain(lines)
            .map(|line| line + "\n")
            .collect();
        self.text(&text)
    }

    /// Whether results are shown on a terminal.
    pub fn shows(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Prints rows of a result for scripts: a line a row, cells separated by tabs.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn simple<const N: usize>(&mut self, rows: &[[String; N]]) -> Result<(), Failure> {
        let text: String = rows
            .iter()
            .map(|row| cells(row).join("\t") + "\n")
            .collect();
        self.text(&text)
    }

    /// Prints a result as JSON, in ASCII where a terminal would act on a character.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`], and [`Kind::Failed`] if `value` has no form in JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(value).map_err(unwritable)?;
        self.text(&ascii(&json))
    }

    /// The same in one line, for results that come one by one.
    ///
    /// # Errors
    ///
    /// As [`Ui::json`].
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(unwritable)?;
        self.text(&ascii(&json))
    }

    /// Prints a list in the form that `--format` asks for: `rows` for people and the shell, `value` as JSON.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`] and [`Ui::json`].
    pub fn list<const N: usize>(
        &mut self,
        format: Format,
        headings: [&str; N],
        rows: &[[String; N]],
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        match format {
            Format::Table => self.table(headings, rows),
            Format::Simple => self.simple(rows),
            Format::Json => self.json(value),
        }
    }

    /// Tells the user something that is not part of the result.
    pub fn note(&mut self, note: impl Display) {
        self.tell("", &note.to_string());
    }

    /// Warns: the work went on, but the user should know.
    pub fn warn(&mut self, warning: impl Display) {
        let word = "warning:";
        let word = if styled(io::stderr().is_terminal()) {
            word.yellow().to_string()
        } else {
            word.to_owned()
        };
        self.tell(&format!("{}: {word} ", self.name), &warning.to_string());
    }

    /// Says under `--guided` what is about to happen and why; nothing otherwise.
    pub fn explain(&mut self, explanation: impl Display) {
        if self.guided {
            self.tell("guide: ", &explanation.to_string());
        }
    }

    /// Prints a failure: what came to light before, what happened and why, then what to do next.
    pub fn failure(&mut self, failure: &Failure) {
        failure.notices.iter().for_each(|notice| self.warn(notice));
        self.tell(&format!("{}: ", self.name), &failure.one_line());
        if let Some(hint) = &failure.hint {
            self.tell("hint: ", for_reader(hint, Uid::effective().is_root()));
        }
    }

    /// Does `act` to every target, though some fail, and prints each failure.
    ///
    /// The status is that of the first failure. An interruption ends it at once.
    pub fn each<T>(
        &mut self,
        targets: impl IntoIterator<Item = T>,
        mut act: impl FnMut(T, &mut Self) -> Result<(), Failure>,
    ) -> ExitStatus {
        let mut status = ExitStatus(0);
        for target in targets {
            if let Err(failure) = act(target, self) {
                self.failure(&failure);
                if failure.kind == Kind::Interrupted {
                    return ExitStatus(failure.kind.status());
                }
                if status == ExitStatus(0) {
                    status = ExitStatus(failure.kind.status());
                }
            }
        }
        status
    }

    /// Shows now what was printed until now; for results that come bit by bit.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        if self.captured {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)
    }

    /// Writes to stdout at once.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => {
                let mut failure = Failure::new(Kind::Failed, "cannot write to standard output");
                let reason = error.to_string().to_lowercase();
                failure.causes.push(without_codes(&reason).into_owned());
                return Err(failure);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Prints text of our own, line ends and headings included.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.stdout_is_terminal || self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// The columns that tables are cut to: none but a terminal's.
    pub(crate) fn columns_to_fill(&self) -> Option<usize> {
        self.stdout_is_terminal.then(|| width(&Term::stdout()))
    }

    /// How pages look on this stdout.
    pub(crate) fn look(&self) -> Look {
        Look {
            width: width(&Term::stdout()),
            bold: styled(self.stdout_is_terminal),
        }
    }

    /// Says that the command line is wrong, as GNU tools do.
    pub(crate) fn misused(&mut self, mistake: &str) {
        self.tell(&format!("{}: ", self.name), mistake);
        self.tell(
            "",
            &format!("Try '{} --help' for more information.", self.name),
        );
    }

    /// The last of the command: shows what is still to be shown, and the failure, if it was one.
    ///
    /// A result that could not be written is a failure too, but hides no other status.
    pub(crate) fn end(&mut self, result: Result<u8, Failure>) -> u8 {
        let flushed = self.flush();
        let written = self.lost.take().map_or(flushed, Err);
        let (failure, status) = match (result, written) {
            (Ok(status), Ok(())) => return status,
            (Ok(0), Err(failure)) | (Err(failure), _) => (failure, None),
            (Ok(status), Err(failure)) => (failure, Some(status)),
        };
        self.failure(&failure);
        status.unwrap_or(failure.kind.status())
    }

    /// Writes a line to stderr, after what stdout was given before it. `prefix` is our own.
    fn tell(&mut self, prefix: &str, text: &str) {
        self.show(&format!("{prefix}{}\n", without_codes(&printable(text))));
    }

    /// Writes to stderr. If that fails there is nobody left to tell.
    pub(crate) fn show(&mut self, text: &str) {
        if self.captured {
            self.buffer.extend_from_slice(text.as_bytes());
            return;
        }
        if let Err(failure) = self.flush() {
            self.lost = Some(failure);
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// A hint for whoever reads it: root has nobody to ask.
fn for_reader(hint: &str, is_root: bool) -> &str {
    let asks = ["ask an admin to ", "ask an admin: "];
    let own = asks.iter().find_map(|ask| hint.strip_prefix(ask));
    own.filter(|_| is_root).unwrap_or(hint)
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot be written as JSON: {error}"))
}

/// JSON and the end of its last line, in ASCII where a terminal would act on a character.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // Outside strings JSON has no such characters but its own line ends.
        if c != '\n' && acts(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}

/// The cells of a row, fit to be shown.
pub(crate) fn cells<const N: usize>(row: &[String; N]) -> Vec<String> {
    row.iter()
        .map(|cell| printable(cell).into_owned())
        .collect()
}

/// Columns to fill on `terminal`: what `COLUMNS` says, else what it has itself.
pub(crate) fn width(terminal: &Term) -> usize {
    let told = env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let own = || terminal.size_checked().map(|(_, columns)| columns.into());
    told.filter(|columns| *columns > 0)
        .or_else(own)
        .unwrap_or(WIDTH)
}

/// Whether text on a stream may be coloured or bold.
///
/// Source: no-color.org, "when present and not an empty string".
pub(crate) fn styled(is_terminal: bool) -> bool {
    let plain = |name, plain: fn(&str) -> bool| env::var(name).is_ok_and(|value| plain(&value));
    is_terminal && !plain("NO_COLOR", |value| !value.is_empty()) && !is_dumb()
}

/// Whether the terminal cannot move its cursor.
pub(crate) fn is_dumb() -> bool {
    env::var("TERM").is_ok_and(|term| term == "dumb")
}
