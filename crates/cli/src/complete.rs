//! What a shell offers in place of the word at the cursor: `<command> --complete <word>...`.
//!
//! The last word is the one at the cursor, and may be empty. A candidate is printed a line, with
//! a tab before what it means; `scripts/completion` has what the shells make of it.

use argh_shared::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::{
    page::{COMMON, own_flags},
    printable,
};

/// Stands alone where the shell itself is to complete the name of a file.
const FILES: &str = ":files\n";

/// Something that can stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// What it means, in few words.
    pub about: String,
}

/// Where a command looks up the names that can stand for an argument, such as `container`, or after a
/// word, such as `leave`.
pub type Names = fn(argument: &str) -> Vec<Candidate>;

/// For commands that act on nothing that has a name.
pub fn no_names(_: &str) -> Vec<Candidate> {
    Vec::new()
}

/// What is to be completed.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// The name of an option.
    Option,
    /// A value for the argument of this name, after `before` in the same word.
    Value { argument: &'a str, before: &'a str },
    /// Nothing fits here.
    Nothing,
}

/// The lines to print for `words`.
pub(crate) fn candidates(
    info: &CommandInfoWithArgs<'static>,
    words: &[String],
    names: &dyn Fn(&str) -> Vec<Candidate>,
) -> String {
    let Some((current, passed)) = words.split_last() else {
        return String::new();
    };
    let (before, candidates) = match wanted(info, passed, current) {
        Wanted::Nothing => return String::new(),
        Wanted::Option => ("", options(info, passed)),
        Wanted::Value { argument, before } => match argument {
            "path" => return FILES.into(),
            "count" | "seconds" | "duration" => return String::new(),
            choices if choices.contains('|') => {
                let choice = |word: &str| Candidate {
                    word: word.into(),
                    about: String::new(),
                };
                (before, choices.split('|').map(choice).collect())
            }
            argument => (before, names(argument)),
        },
    };
    let lines = candidates.iter().filter_map(|Candidate { word, about }| {
        let whole = format!("{before}{word}");
        let fits = whole.starts_with(current.as_str()) && !passed.contains(&whole);
        fits.then(|| format!("{}\t{}\n", printable(&whole), printable(about)))
    });
    lines.collect()
}

/// Reads the line up to the cursor as [`crate::shim::read`] reads a whole one.
fn wanted<'a>(
    info: &CommandInfoWithArgs<'static>,
    passed: &'a [String],
    current: &'a str,
) -> Wanted<'a> {
    let (mut given, mut only_positionals) = (Vec::new(), false);
    let mut value_of = None;
    for word in passed {
        if value_of.take().is_some() {
            continue;
        }
        if only_positionals || word == "-" || !word.starts_with('-') {
            given.push(word.as_str());
        } else if word == "--" {
            only_positionals = true;
        } else if !word.contains('=') {
            value_of = flags(info).find_map(|flag| {
                let short = flag.short.is_some_and(|short| *word == format!("-{short}"));
                value(flag).filter(|_| short || flag.long == word)
            });
        }
    }
    if let Some(argument) = value_of {
        return Wanted::Value {
            argument,
            before: "",
        };
    }
    if !only_positionals && current.starts_with('-') {
        let Some(equals) = current.find('=') else {
            return Wanted::Option;
        };
        let flag = flags(info).find(|flag| flag.long == &current[..equals]);
        return match flag.and_then(value) {
            Some(argument) => Wanted::Value {
                argument,
                before: &current[..=equals],
            },
            None => Wanted::Nothing,
        };
    }
    positional(info, &given).map_or(Wanted::Nothing, |argument| Wanted::Value {
        argument,
        before: "",
    })
}

/// The name of the positional after `given` others. argh has no optional ones but the last, so
/// some commands take several in one, as `name [image]`. What follows one of several words, as in
/// `join|leave [name|ticket]`, depends on that, and has its name.
fn positional<'a>(info: &CommandInfoWithArgs<'static>, given: &[&'a str]) -> Option<&'a str> {
    let last = info.positionals.len().checked_sub(1)?;
    let positional = &info.positionals[given.len().min(last)];
    let words: Vec<&str> = positional.name.split(' ').collect();
    let repeats = positional.optionality == Optionality::Repeating && words.len() == 1;
    let word = match given.len().checked_sub(last) {
        Some(beyond) if !repeats => words.get(beyond)?,
        _ => words.first()?,
    };
    let first = given
        .get(last)
        .filter(|_| !repeats && words[0].contains('|'));
    match first {
        Some(first) => words[0].split('|').find(|word| word == first),
        None => Some(word.trim_matches(['[', ']'])),
    }
}

/// The options that can still be given; `=` at the end asks for a value.
fn options(info: &CommandInfoWithArgs<'static>, passed: &[String]) -> Vec<Candidate> {
    let open = |flag: &&FlagInfo<'_>| {
        let same = |word: &String| word.split('=').next() == Some(flag.long);
        !flag.hidden && (flag.optionality == Optionality::Repeating || !passed.iter().any(same))
    };
    let candidate = |flag: &'static FlagInfo<'static>| Candidate {
        word: match value(flag) {
            Some(_) => format!("{}=", flag.long),
            None => flag.long.into(),
        },
        about: flag.description.into(),
    };
    flags(info).filter(open).map(candidate).collect()
}

fn flags(
    info: &CommandInfoWithArgs<'static>,
) -> impl Iterator<Item = &'static FlagInfo<'static>> + use<> {
    own_flags(info).chain(&COMMON)
}

/// The name of the value that an option takes.
fn value(flag: &FlagInfo<'static>) -> Option<&'static str> {
    match flag.kind {
        FlagInfoKind::Option { arg_name } => Some(arg_name),
        FlagInfoKind::Switch => None,
    }
}

#[cfg(test)]
mod tests {
    use argh::{ArgsInfo, FromArgs};

    use super::*;

    /// Does something to containers.
    #[derive(FromArgs, ArgsInfo)]
    #[expect(dead_code, reason = "only its description is used")]
    struct Args {
        /// the containers
        #[argh(positional, arg_name = "container")]
        names: Vec<String>,
        /// the form
        #[argh(option, short = 'o', arg_name = "table|json")]
        format: Option<String>,
        /// the image
        #[argh(option, arg_name = "image")]
        image: Option<String>,
        /// a folder
        #[argh(option, arg_name = "path")]
        data: Option<String>,
        /// how many
        #[argh(option, arg_name = "count")]
        gpu: Option<u32>,
        /// all
        #[argh(switch, short = 'a')]
        all: bool,
    }

    /// Makes something.
    #[derive(FromArgs, ArgsInfo)]
    #[expect(dead_code, reason = "only its description is used")]
    struct Make {
        /// what
        #[argh(positional, arg_name = "container [image]")]
        words: Vec<String>,
    }

    /// Waits, or does not.
    #[derive(FromArgs, ArgsInfo)]
    #[expect(dead_code, reason = "only its description is used")]
    struct Wait {
        /// what
        #[argh(positional, arg_name = "join|leave|status [name|ticket]")]
        words: Vec<String>,
    }

    fn names(argument: &str) -> Vec<Candidate> {
        let words: &[&str] = match argument {
            "container" => &["thesis", "test"],
            "image" => &["pytorch:2.8"],
            "leave" => &["17"],
            _ => &[],
        };
        let candidate = |word: &&str| Candidate {
            word: word.to_string(),
            about: "it".into(),
        };
        words.iter().map(candidate).collect()
    }

    /// The candidates without what they mean.
    fn shown(line: &str) -> String {
        let words: Vec<_> = line.split(' ').map(String::from).collect();
        let lines = candidates(&Args::get_args_info(), &words, &names);
        let words: Vec<_> = lines.lines().filter_map(|l| l.split('\t').next()).collect();
        words.join(" ")
    }

    #[test]
    fn what_fits_the_place_is_offered() {
        for (line, expected) in [
            ("", "thesis test"),
            ("th", "thesis"),
            ("thesis ", "test"),
            ("--all t", "thesis test"),
            ("-o ", "table json"),
            ("-o j", "json"),
            ("--format json t", "thesis test"),
            ("--format=", "--format=table --format=json"),
            ("--format=j", "--format=json"),
            ("--image=py", "--image=pytorch:2.8"),
            ("--image pytorch:", "pytorch:2.8"),
            ("--data=/tm", ":files"),
            ("--data ", ":files"),
            ("--gpu ", ""),
            ("--all=", ""),
            ("--im", "--image="),
            ("--all --a", ""),
            ("--gui", "--guided"),
            ("-- --", ""),
            ("-- t", "thesis test"),
            ("- th", "thesis"),
        ] {
            assert_eq!(shown(line), expected, "{line:?}");
        }
    }

    #[test]
    fn positionals_that_argh_cannot_tell_apart_have_names_of_their_own() {
        let info = Make::get_args_info();
        let shown = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| word.to_string()).collect();
            candidates(&info, &words, &names)
        };
        assert_eq!(shown(&["the"]), "thesis\tit\n");
        assert_eq!(shown(&["thesis", ""]), "pytorch:2.8\tit\n");
        assert_eq!(shown(&["thesis", "pytorch:2.8", ""]), "");
    }

    #[test]
    fn what_follows_a_word_depends_on_it() {
        let info = Wait::get_args_info();
        let shown = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| word.to_string()).collect();
            candidates(&info, &words, &names)
        };
        assert_eq!(shown(&["l"]), "leave\t\n");
        assert_eq!(shown(&["leave", ""]), "17\tit\n");
        for words in [&["status", ""], &["container", ""]] {
            assert_eq!(shown(words), "", "{words:?}");
        }
        assert_eq!(shown(&["leave", "17", ""]), "");
    }

    #[test]
    fn a_candidate_says_what_it_is() {
        let info = Args::get_args_info();
        assert_eq!(
            candidates(&info, &["--al".into()], &no_names),
            "--all\tall\n"
        );
        assert_eq!(candidates(&info, &[], &no_names), "");
    }
}
