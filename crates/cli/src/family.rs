//! Commands in two words: `container list` is `container-list`.

use std::{
    convert::Infallible, env, ffi::OsString, io::ErrorKind, os::unix::process::CommandExt,
    process::Command,
};

use ds01_core::failure::{Failure, Kind};

use crate::{Ui, complete::Candidate, nearest};

/// Every command and what it does, a line each with a tab between; written by `make man` from the
/// commands themselves.
const INDEX: &str = include_str!("../../../man/commands.tsv");

/// A service of root's with the original's name, which is no work on a container.
const NO_MEMBER: &str = "container-owner-tracker";

/// Other words for those that the commands have.
const ALIASES: [(&str, &str); 4] = [
    ("ls", "list"),
    ("ps", "list"),
    ("rm", "remove"),
    ("rm", "delete"),
];

/// The second words of a family's commands, and what each does.
pub(crate) fn members(family: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    INDEX.lines().filter_map(move |line| {
        let (name, about) = line.split_once('\t')?;
        if name == NO_MEMBER {
            return None;
        }
        let word = name.strip_prefix(family)?.strip_prefix('-')?;
        Some((word, about))
    })
}

/// What can follow the family's name, for a shell to complete.
pub(crate) fn candidates(family: &str) -> Vec<Candidate> {
    let candidate = |(word, about): (&str, &str)| Candidate {
        word: word.into(),
        about: about.into(),
    };
    members(family).map(candidate).collect()
}

/// The command that `word` means, whole.
fn member(family: &str, word: &str) -> Option<String> {
    let known = |wanted: &str| members(family).any(|(word, _)| word == wanted);
    let meant = ALIASES.iter().filter(|(alias, _)| *alias == word);
    let mut meant = [word].into_iter().chain(meant.map(|(_, word)| *word));
    Some(format!("{family}-{}", meant.find(|word| known(word))?))
}

impl Ui {
    /// Becomes the command of `family` that the first of `words` means, with the others as its
    /// arguments; without a word, the one that is chosen from a menu.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] for a word that means none, and for no word without a terminal;
    /// [`Kind::Failed`] if the command is not installed beside this one.
    pub fn dispatch(&mut self, family: &str, words: Vec<String>) -> Result<Infallible, Failure> {
        // Said before the word, it is meant for what follows.
        let guided = self.guided().then_some("--guided".to_string());
        let mut words = words.into_iter();
        let word = match words.next() {
            Some(word) if word == "help" => {
                let command = words.next().and_then(|word| member(family, &word));
                let command = command.unwrap_or(family.to_owned());
                return become_it(&command, ["--help".into()].into_iter());
            }
            Some(word) => word,
            None => {
                self.may_ask("command")?;
                let rows: Vec<_> = members(family)
                    .map(|(word, about)| [word.to_owned(), about.to_owned()])
                    .collect();
                let [word, _] = rows[self.choose("What shall be done?", &rows)?].clone();
                word
            }
        };
        let Some(command) = member(family, &word) else {
            let begun = |(member, _): &(&str, &str)| word.len() > 1 && member.starts_with(&word);
            let begun = members(family).find(begun).map(|(member, _)| member);
            let meant = begun.or_else(|| nearest(&word, members(family).map(|(word, _)| word)));
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean '{meant}'?"));
            let message = format!("no command '{family} {word}'{meant}");
            let hint = format!("see what there is with {family} --help");
            return Err(Failure::new(Kind::Usage, message).with_hint(hint));
        };
        become_it(
            &command,
            guided.into_iter().chain(words).map(OsString::from),
        )
    }
}

/// Lets the command of `family` that `words` begin with complete the rest of them; nothing if
/// there is no such command.
pub(crate) fn complete(family: &str, words: &[String]) -> Result<String, Failure> {
    let Some((word, rest)) = words.split_first() else {
        return Ok(String::new());
    };
    let Some(command) = member(family, word) else {
        return Ok(String::new());
    };
    let rest = rest.iter().map(OsString::from);
    match become_it(&command, ["--complete".into()].into_iter().chain(rest))? {}
}

/// Becomes a command that is installed beside this one; no other of that name is run.
fn become_it(command: &str, args: impl Iterator<Item = OsString>) -> Result<Infallible, Failure> {
    let failed = |error: std::io::Error| {
        let failure = Failure::new(Kind::Failed, format!("cannot run {command}: {error}"));
        match error.kind() {
            ErrorKind::NotFound => failure.with_hint("ask an admin to install DS01 again"),
            _ => failure,
        }
    };
    let path = env::current_exe().map_err(failed)?.with_file_name(command);
    Err(failed(Command::new(path).arg0(command).args(args).exec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_its_alias_means_a_command_of_the_family() {
        for (family, word, command) in [
            ("container", "list", Some("container-list")),
            ("container", "ls", Some("container-list")),
            ("container", "ps", Some("container-list")),
            ("container", "rm", Some("container-remove")),
            ("gpu", "status", Some("gpu-status")),
            ("gpu", "ls", None),
            ("container", "owner-tracker", None),
            ("container", "", None),
            ("cont", "ainer-list", None),
            ("container", "../../bin/sh", None),
        ] {
            assert_eq!(member(family, word).as_deref(), command, "{family} {word}");
        }
    }

    #[test]
    fn every_line_of_the_index_says_what_its_command_does() {
        for line in INDEX.lines() {
            let (name, about) = line.split_once('\t').unwrap_or_default();
            assert!(!name.is_empty() && !about.is_empty(), "{line:?}");
        }
        assert!(members("container").count() >= 10);
    }
}
