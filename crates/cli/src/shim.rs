//! The command line as GNU tools read it, rewritten into the one form that argh reads.
//!
//! argh knows `--gpu 2` but not `--gpu=2`, `-f2` or `-av`, refuses an option given twice, has no
//! options common to all commands, and stops at the first error even when help was asked for. So
//! the line is read here, with argh's own description of the options, and argh is handed
//! `--long value ... -- positionals`: it only converts the values.

use argh_shared::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::{
    nearest::nearest,
    page::{COMMON, own_flags},
};

/// A page that was asked for instead of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelpPage {
    Help,
    Info,
    Concepts,
    Version,
}

/// A command line that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// `--guided` was among the options.
    pub(crate) guided: bool,
    options: Vec<(&'static str, Option<String>)>,
    positionals: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// A page: the first one asked for, whatever else is on the line, mistakes included.
    Page(HelpPage),
    /// The command itself.
    Run(Line),
}

/// Reads `args`, the line without the command's name.
///
/// # Errors
///
/// The first mistake on the line, in one sentence.
pub(crate) fn read(
    args: Vec<String>,
    info: &CommandInfoWithArgs<'static>,
) -> Result<Invocation, String> {
    let mut reader = Reader {
        info,
        line: Line::default(),
        ask: None,
        mistake: None,
    };
    reader.read(args);
    if let Some(ask) = reader.ask {
        return Ok(Invocation::Page(ask));
    }
    match reader.mistake {
        Some(mistake) => Err(mistake),
        None => reader.line.checked(info).map(Invocation::Run),
    }
}

struct Reader<'a> {
    info: &'a CommandInfoWithArgs<'static>,
    line: Line,
    ask: Option<HelpPage>,
    mistake: Option<String>,
}

impl Reader<'_> {
    fn read(&mut self, args: Vec<String>) {
        // From this positional on everything belongs to another command, options too.
        let greedy = self
            .info
            .positionals
            .iter()
            .position(|p| p.optionality == Optionality::Greedy);
        let mut rest = args.into_iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                self.line.positionals.extend(rest);
                return;
            } else if arg.starts_with("--") {
                self.long(&arg, &mut rest);
            } else if arg.starts_with('-') && arg != "-" {
                self.cluster(&arg, &mut rest);
            } else {
                self.line.positionals.push(arg);
                if greedy.is_some_and(|greedy| self.line.positionals.len() > greedy) {
                    self.line.positionals.extend(rest);
                    return;
                }
            }
        }
    }

    /// `--name`, `--name=value` or `--name value`.
    fn long(&mut self, arg: &str, rest: &mut impl Iterator<Item = String>) {
        let (name, attached) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg, None),
        };
        match (self.find(|flag| flag.long == name), attached) {
            (None, _) => self.unrecognized(name),
            (Some(flag), attached) if takes_value(flag) => match attached.or_else(|| rest.next()) {
                Some(value) => self.value(flag, value),
                None => self.wrong(format!("option '{name}' requires an argument")),
            },
            (Some(flag), None) => self.switch(flag),
            (Some(_), Some(_)) => self.wrong(format!("option '{name}' doesn't allow an argument")),
        }
    }

    /// `-x`, `-xyz`, `-fvalue`, `-f value`, or as AIME's MLC writes it, `-f=value`.
    fn cluster(&mut self, arg: &str, rest: &mut impl Iterator<Item = String>) {
        let mut letters = arg[1..].chars();
        while let Some(letter) = letters.next() {
            match self.find(|flag| flag.short == Some(letter)) {
                Some(flag) if takes_value(flag) => {
                    let attached = Some(letters.as_str()).filter(|rest| !rest.is_empty());
                    let attached = attached.map(|value| value.strip_prefix('=').unwrap_or(value));
                    match attached.map(str::to_owned).or_else(|| rest.next()) {
                        Some(value) => self.value(flag, value),
                        None => self.wrong(format!("option '-{letter}' requires an argument")),
                    }
                    return;
                }
                Some(flag) => self.switch(flag),
                None => {
                    // One dash too few (`-gpu=2`) is likelier than many wrong letters.
                    let name = arg[1..].split('=').next().unwrap_or_default();
                    let meant = self.find(|flag| flag.long.strip_prefix("--") == Some(name));
                    let meant = meant.map_or_else(String::new, |flag| did_you_mean(flag.long));
                    return self.wrong(format!("unrecognized option '-{letter}'{meant}"));
                }
            }
        }
    }

    fn find(&self, fits: impl Fn(&FlagInfo<'_>) -> bool) -> Option<&'static FlagInfo<'static>> {
        own_flags(self.info).chain(&COMMON).find(|flag| fits(flag))
    }

    fn switch(&mut self, flag: &'static FlagInfo<'static>) {
        let ask = match flag.long {
            "--help" => HelpPage::Help,
            "--info" => HelpPage::Info,
            "--concepts" => HelpPage::Concepts,
            "--version" => HelpPage::Version,
            "--guided" => {
                self.line.guided = true;
                return;
            }
            _ => return self.line.options.push((flag.long, None)),
        };
        self.ask.get_or_insert(ask);
    }

    /// The last value given to an option counts, unless the option collects them.
    fn value(&mut self, flag: &'static FlagInfo<'static>, value: String) {
        if flag.optionality != Optionality::Repeating {
            self.line.options.retain(|(long, _)| *long != flag.long);
        }
        self.line.options.push((flag.long, Some(value)));
    }

    fn unrecognized(&mut self, name: &str) {
        let known = own_flags(self.info)
            .filter(|flag| !flag.hidden)
            .chain(&COMMON);
        let meant =
            nearest(name, known.map(|flag| flag.long)).map_or_else(String::new, did_you_mean);
        self.wrong(format!("unrecognized option '{name}'{meant}"));
    }

    fn wrong(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }
}

impl Line {
    /// The line as argh reads it.
    pub(crate) fn for_argh(&self) -> Vec<&str> {
        let options = self
            .options
            .iter()
            .flat_map(|(long, value)| [Some(*long), value.as_deref()]);
        options
            .flatten()
            .chain(["--"])
            .chain(self.positionals.iter().map(String::as_str))
            .collect()
    }

    /// This line, if it has all that must be given and nothing beyond.
    fn checked(self, info: &CommandInfoWithArgs<'static>) -> Result<Self, String> {
        let given = self.positionals.len();
        let open = |optionality: &Optionality| {
            matches!(optionality, Optionality::Repeating | Optionality::Greedy)
        };
        if let Some(extra) = self.positionals.get(info.positionals.len())
            && !info
                .positionals
                .last()
                .is_some_and(|last| open(&last.optionality))
        {
            return Err(format!("unexpected argument '{extra}'"));
        }
        let mut required = info
            .positionals
            .iter()
            .filter(|p| p.optionality == Optionality::Required);
        if let Some(missing) = required.nth(given) {
            return Err(format!("missing argument <{}>", missing.name));
        }
        for flag in own_flags(info)
            .filter(|flag| flag.optionality == Optionality::Required && takes_value(flag))
        {
            if !self.options.iter().any(|(long, _)| *long == flag.long) {
                return Err(format!("missing option '{}'", flag.long));
            }
        }
        Ok(self)
    }

    /// What argh says against a value, in the words of this module.
    pub(crate) fn mistake(&self, argh: &str) -> String {
        for (long, value) in &self.options {
            let Some(value) = value else { continue };
            if let Some(reason) = argh.strip_prefix(&format!(
                "Error parsing option '{long}' with value '{value}': "
            )) {
                return format!("invalid value '{value}' for {long}: {}", plainly(reason));
            }
        }
        // Here argh names the field of the struct, which no user knows.
        let said = argh
            .strip_prefix("Error parsing positional argument '")
            .and_then(|rest| rest.split_once("' with value '"));
        if let Some((_, said)) = said {
            for value in &self.positionals {
                if let Some(reason) = said.strip_prefix(&format!("{value}': ")) {
                    return format!("invalid argument '{value}': {}", plainly(reason));
                }
            }
        }
        argh.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A reason without the words of a compiler.
fn plainly(reason: &str) -> &str {
    match reason.trim_end() {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "not a whole number"
        }
        "number too large to fit in target type" => "too large",
        reason => reason,
    }
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

fn did_you_mean(option: &str) -> String {
    format!("; did you mean '{option}'?")
}

#[cfg(test)]
#[path = "shim_tests.rs"]
mod tests;
