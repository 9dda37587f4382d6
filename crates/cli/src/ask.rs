//! Questions to a person at a terminal.

use std::{
    cell::Cell,
    io::{self, BufRead, ErrorKind},
    os::fd::AsFd,
};

use console::Term;
use ds01_core::failure::{Failure, Kind};
use inquire::{InquireError, Select, list_option::ListOption, ui::RenderConfig};
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal},
        termios::{self, SetArg},
    },
};

use crate::{
    interrupt::{Insistent, Interruptible},
    printable, table,
    ui::{Ui, cells, is_dumb, styled, width},
};

/// A menu that is moved through with the arrow keys needs this many lines: the question, an item,
/// the help, and one to spare.
const LINES: u16 = 4;

/// Ctrl-D, as a menu reads it; the latter where it was typed before the menu took the terminal.
const END: [char; 2] = ['\x04', '\0'];

impl Ui {
    /// Refuses to go on without `argument` (as in the usage) where it cannot be asked for.
    ///
    /// To be called before anything is looked up, so that a script learns it at once.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] unless this is [interactive](Ui::interactive).
    pub fn may_ask(&self, argument: &str) -> Result<(), Failure> {
        if self.interactive() {
            return Ok(());
        }
        Err(
            Failure::new(Kind::Usage, format!("missing argument <{argument}>")).with_hint(format!(
                "without a terminal it must be given: see {} --help",
                self.name()
            )),
        )
    }

    /// Refuses to go on without `--force` where nobody can be asked.
    ///
    /// To be called for `--all` before anything is looked up, so that a script learns it at once.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] unless this is [interactive](Ui::interactive).
    pub fn may_confirm(&self) -> Result<(), Failure> {
        if self.interactive() {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Usage,
            "this needs a confirmation, and there is no terminal to ask on",
        )
        .with_hint("--force answers yes"))
    }

    /// Asks a question that `--force` would have answered with yes; anything but yes is no.
    ///
    /// One named target is acted on unasked where nobody can be asked, many are not:
    ///
    /// ```ignore
    /// if !args.force && (args.all || ui.interactive()) && !ui.confirm("Stop all of them?")? {
    ///     return Err(Failure::new(Kind::Failed, "nothing was stopped"));
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] where nobody can be asked, [`Kind::Interrupted`] on Ctrl-C.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        self.may_confirm()?;
        let answer = self.answer(&format!("{} [y/N] ", printable(question)))?;
        Ok(answer.is_some_and(|answer| is_yes(&answer)))
    }

    /// Offers something that most will want: Enter is yes, the end of input no.
    ///
    /// # Errors
    ///
    /// As [`Ui::confirm`].
    pub fn offer(&mut self, question: &str) -> Result<bool, Failure> {
        self.may_confirm()?;
        let answer = self.answer(&format!("{} [Y/n] ", printable(question)))?;
        Ok(answer.is_some_and(|answer| answer.is_empty() || is_yes(&answer)))
    }

    /// Asks for a text until `read` understands it; Enter alone stands for `default`, which is
    /// shown.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] where nobody can be asked, [`Kind::Failed`] at the end of input,
    /// [`Kind::Interrupted`] on Ctrl-C.
    pub fn input<T>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.interactive() {
            let message = "there is no terminal to answer on";
            return Err(Failure::new(Kind::Usage, message));
        }
        let shown = printable(default);
        let prompt = format!("{} [{shown}]: ", printable(question));
        loop {
            let answer = self.answer(&prompt)?.ok_or_else(nothing_chosen)?;
            let answer = if answer.is_empty() { default } else { &answer };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(failure) => self.failure(&failure),
            }
        }
    }

    /// Lets another program have the terminal: while `run` waits for it, Ctrl-C is that program's.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn lend<T>(&mut self, run: impl FnOnce() -> T) -> Result<T, Failure> {
        self.flush()?;
        let _guard = Interruptible::new()?;
        Ok(run())
    }

    /// Lets the user choose one of `rows`, whose cells are the facts to choose by; gives its index.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is nothing to choose from, [`Kind::Usage`] where nobody can be
    /// asked, [`Kind::Failed`] if nothing was chosen, [`Kind::Interrupted`] on Ctrl-C.
    pub fn choose<const N: usize>(
        &mut self,
        prompt: &str,
        rows: &[[String; N]],
    ) -> Result<usize, Failure> {
        self.choose_of(prompt, rows, None)
    }

    /// The same where the last row stands for all that is not listed: whatever is typed, it stays.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::choose`].
    pub fn choose_or_last<const N: usize>(
        &mut self,
        prompt: &str,
        rows: &[[String; N]],
    ) -> Result<usize, Failure> {
        self.choose_of(prompt, rows, rows.len().checked_sub(1))
    }

    fn choose_of<const N: usize>(
        &mut self,
        prompt: &str,
        rows: &[[String; N]],
        stays: Option<usize>,
    ) -> Result<usize, Failure> {
        if rows.is_empty() {
            return Err(Failure::new(
                Kind::NotFound,
                "there is nothing to choose from",
            ));
        }
        if !self.interactive() {
            return Err(Failure::new(
                Kind::Usage,
                "there is no terminal to choose on",
            ));
        }
        let terminal = Term::stderr();
        let prompt = printable(prompt);
        let rows: Vec<_> = rows.iter().map(cells).collect();
        // Two columns for the mark, and one so that the line never wraps; a number goes before each.
        let digits = rows.len().to_string().len();
        let mut items = table::items(&rows, width(&terminal).saturating_sub(digits + 5));
        for (index, item) in items.iter_mut().enumerate() {
            *item = format!("{:digits$}) {item}", index + 1);
        }
        if is_dumb() || terminal.size().0 < LINES {
            return self.choose_by_number(&prompt, &items);
        }
        self.show("");
        let reading = Insistent::new()?;
        // The menu takes Ctrl-D for text: where that is looked at, the next read is ended.
        let ended = Cell::new(false);
        let scorer = |typed: &str, _: &String, item: &str, index: usize| {
            if typed.contains(END) && !ended.replace(true) {
                reading.end();
            }
            let last = (stays == Some(index)).then_some(-1);
            score(typed.trim_matches(END), item).or(last)
        };
        let modes = termios::tcgetattr(io::stdin()).map_err(|errno| failed(&errno.into()))?;
        // What was chosen stays on the line of the question, which has no room for all of it.
        let name =
            |chosen: ListOption<&String>| rows[chosen.index].first().cloned().unwrap_or_default();
        let menu = Select::new(&prompt, items)
            .with_formatter(&name)
            .with_help_message(
                "arrows and Enter, a number, or a name that is listed; Ctrl-C leaves",
            )
            .with_page_size(usize::from(terminal.size().0 - LINES).clamp(1, 15))
            .with_render_config(match styled(true) {
                true => RenderConfig::default_colored(),
                false => RenderConfig::empty(),
            })
            .with_scorer(&scorer);
        let chosen = menu.raw_prompt();
        // Enter may be there already when the end is seen.
        if chosen.is_ok() && ended.get() {
            return Err(nothing_chosen());
        }
        chosen.map(|chosen| chosen.index).map_err(|error| {
            // The menu gives back the cursor and the modes only if it ends well.
            let _ = terminal.show_cursor();
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &modes);
            match error {
                InquireError::OperationCanceled => nothing_chosen(),
                InquireError::IO(_) if ended.get() => nothing_chosen(),
                InquireError::OperationInterrupted => {
                    Failure::new(Kind::Interrupted, "interrupted")
                }
                InquireError::IO(error) => failed(&error),
                other => failed(&io::Error::other(other)),
            }
        })
    }

    /// The same on a terminal that cannot move its cursor.
    fn choose_by_number(&mut self, prompt: &str, items: &[String]) -> Result<usize, Failure> {
        let list = items.iter().map(|item| format!("  {item}\n"));
        self.show(&format!("{prompt}\n{}", list.collect::<String>()));
        loop {
            let answer = self.answer(&format!("Choice [1-{}]: ", items.len()))?;
            let answer = answer.unwrap_or_default();
            match answer.parse::<usize>() {
                Ok(number) if (1..=items.len()).contains(&number) => return Ok(number - 1),
                _ if answer.is_empty() => return Err(nothing_chosen()),
                _ => {}
            }
        }
    }

    /// What is typed after `prompt`, without blanks around it; `None` at the end of input.
    fn answer(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
        let _guard = Interruptible::new()?;
        self.line_after(prompt).map_err(|errno| {
            self.show("\n");
            failed(&errno.into())
        })?;
        // One read, because a line is what a terminal gives, and because a longer read would go on
        // after Ctrl-C.
        let mut stdin = io::stdin().lock();
        let line = stdin
            .fill_buf()
            .map(|line| (String::from_utf8_lossy(line).into_owned(), line.len()));
        let (line, length) = line.map_err(|error| {
            self.show("\n");
            failed(&error)
        })?;
        stdin.consume(length);
        if length == 0 {
            self.show("\n");
        }
        Ok((length > 0).then(|| line.trim().to_owned()))
    }

    /// Shows `prompt` and waits for a line, or its end. Ctrl-C is let through only while this waits: it
    /// is never lost on the way there.
    fn line_after(&mut self, prompt: &str) -> nix::Result<()> {
        let mut interrupt = SigSet::empty();
        interrupt.add(Signal::SIGINT);
        let before = interrupt.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        self.show(prompt);
        let stdin = io::stdin();
        let mut line = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let waited = ppoll(&mut line, None, Some(before));
        before.thread_set_mask()?;
        waited.map(drop)
    }
}

/// How well what was typed means `item`: as its number, as the beginning of its text or of its
/// number, as part of its text; or not at all. Digits are a number and nothing else, so that none
/// chooses by chance.
fn score(typed: &str, item: &str) -> Option<i64> {
    let (number, text) = item.split_once(") ")?;
    let (number, text, typed) = (
        number.trim_start(),
        text.to_lowercase(),
        typed.to_lowercase(),
    );
    if typed.is_empty() {
        Some(0)
    } else if number == typed {
        Some(3)
    } else if number.starts_with(&typed) {
        Some(1)
    } else if typed.bytes().all(|byte| byte.is_ascii_digit()) {
        None
    } else if text.starts_with(&typed) {
        Some(2)
    } else {
        text.contains(&typed).then_some(0)
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.to_lowercase().as_str())
}

fn nothing_chosen() -> Failure {
    Failure::new(Kind::Failed, "nothing was chosen")
}

/// Why a question has no answer.
pub(crate) fn failed(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::Interrupted {
        return Failure::new(Kind::Interrupted, "interrupted");
    }
    let mut failure = Failure::new(Kind::Failed, "cannot read the answer");
    failure.causes.push(error.to_string());
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_is_narrowed_by_number_or_name() {
        let (first, twelfth) = (" 1) thesis-2", "12) 2024");
        for (typed, scores) in [
            ("", [Some(0), Some(0)]),
            ("1", [Some(3), Some(1)]),
            ("12", [None, Some(3)]),
            ("2", [None, None]),
            ("-2", [Some(0), None]),
            ("SIS", [Some(0), None]),
            ("The", [Some(2), None]),
            ("x", [None, None]),
        ] {
            assert_eq!(
                [score(typed, first), score(typed, twelfth)],
                scores,
                "{typed}"
            );
        }
    }
}
