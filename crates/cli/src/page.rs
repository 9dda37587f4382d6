//! What there is to say about a command: the one source of its help, its reference and its manual page.

use argh_shared::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

use crate::{Command, family};

/// Options that every command has; the shim answers them, `Args` never holds them.
pub(crate) const COMMON: [FlagInfo<'static>; 5] = [
    common("--help", Some('h'), "show the short help, examples first"),
    common("--info", None, "show the full reference"),
    common("--concepts", None, "explain the ideas behind this command"),
    common("--guided", None, "explain each step while it is done"),
    common("--version", None, "show the version"),
];

const fn common(
    long: &'static str,
    short: Option<char>,
    description: &'static str,
) -> FlagInfo<'static> {
    let (kind, optionality) = (FlagInfoKind::Switch, Optionality::Optional);
    FlagInfo {
        kind,
        optionality,
        long,
        short,
        description,
        hidden: false,
    }
}

/// Exit statuses of every command; a command's own words for one replace these.
///
/// Source: `ds01_core::failure::Kind`.
const STATUSES: [(i32, &str); 5] = [
    (0, "done"),
    (1, "it failed, or you declined"),
    (2, "the command line or a configuration file is wrong"),
    (
        8,
        "the engine, the driver or DS01's own state cannot be reached",
    ),
    (130, "interrupted"),
];

/// The same for commands that become others.
const NO_MEMBER: (i32, &str) = (
    2,
    "there is no such command, or none was named without a terminal",
);

const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "DS01_CONFIG",
        "another configuration file; ignored by a process with more rights than its caller",
    ),
    (
        "NO_COLOR",
        "if set and not empty, nothing is coloured or bold",
    ),
    (
        "TERM",
        "if dumb, nothing is coloured and menus are numbered",
    ),
    (
        "COLUMNS",
        "the width to fill, instead of the terminal's own; tables are cut to it on a terminal alone",
    ),
];

/// The same of a command that root runs for the whole host.
const OF_SERVICE: (&str, &str) = (
    "DS01_CONFIG",
    "not minded by what is done for the whole host: that goes by --config",
);

const FILES: [(&str, &str); 1] = [("/etc/ds01/ds01.toml", "the configuration of this host")];

/// A heading and what stands under it.
#[derive(Debug)]
pub(crate) struct Section {
    /// Empty for text that needs no heading.
    pub(crate) title: &'static str,
    pub(crate) blocks: Vec<Block>,
}

impl Section {
    pub(crate) fn new(title: &'static str, blocks: Vec<Block>) -> Self {
        Self { title, blocks }
    }
}

/// A part of a section.
#[derive(Debug)]
pub(crate) enum Block {
    /// A paragraph.
    Text(String),
    /// A word and what it means. What varies in the word stands in `<>`.
    Entry { term: String, text: String },
    /// How the command is called.
    Usage(String),
    /// Lines to be typed.
    Code(String),
}

/// Everything known about one command.
pub(crate) struct Page<'a> {
    pub(crate) name: &'a str,
    pub(crate) info: &'a CommandInfoWithArgs<'static>,
    see_also: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
    pub(crate) family: Option<&'static str>,
}

impl<'a> Page<'a> {
    /// The page of `C` under the name by which it was called.
    pub(crate) fn of<C: Command>(name: &'a str, info: &'a CommandInfoWithArgs<'static>) -> Self {
        Self {
            name,
            info,
            see_also: C::SEE_ALSO,
            files: C::FILES,
            family: C::FAMILY,
        }
    }

    /// One screen: how to call it, examples, what there is to give.
    pub(crate) fn help(&self) -> Vec<Section> {
        let usage = Block::Usage(format!("Usage: {}", self.usage()));
        let sentence = Block::Text(self.sentence().into());
        let more = format!(
            "More: {} --info is the full reference; --concepts explains the ideas, --guided each step.",
            self.name
        );
        let mut sections = vec![
            Section::new("", vec![usage, sentence]),
            self.examples(),
            self.commands(),
            self.arguments(),
            Section::new(
                "Options",
                self.flags().chain(&COMMON[..1]).map(option).collect(),
            ),
            Section::new("", vec![Block::Text(more)]),
        ];
        sections.retain(|section| !section.blocks.is_empty());
        sections
    }

    /// Everything, in the order of a manual page.
    pub(crate) fn reference(&self) -> Vec<Section> {
        let mut sections = vec![
            Section::new(
                "Name",
                vec![Block::Text(format!("{} - {}", self.name, self.summary()))],
            ),
            Section::new("Synopsis", vec![Block::Usage(self.usage())]),
            Section::new(
                "Description",
                vec![Block::Text(self.info.description.into())],
            ),
            self.commands(),
            self.arguments(),
            Section::new("Options", self.flags().chain(&COMMON).map(option).collect()),
            Section::new("Exit status", self.statuses()),
            Section::new("Environment", self.environment()),
            Section::new(
                "Files",
                entries(&FILES)
                    .into_iter()
                    .chain(entries(self.files))
                    .collect(),
            ),
            self.examples(),
            Section::new("Notes", self.notes().collect()),
            Section::new("See also", self.see_also()),
        ];
        sections.retain(|section| !section.blocks.is_empty());
        sections
    }

    /// The first sentence of the description; argh has made one paragraph of the doc comment.
    fn sentence(&self) -> &'static str {
        let description = self.info.description;
        description
            .find(". ")
            .map_or(description, |dot| &description[..=dot])
    }

    /// The same as manual pages have it after the name: no capital, no full stop.
    pub(crate) fn summary(&self) -> String {
        let mut letters = self.sentence().trim_end_matches('.').chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_lowercase().chain(letters).collect()
        })
    }

    fn environment(&self) -> Vec<Block> {
        let mut variables = ENVIRONMENT;
        if self.flags().any(|flag| flag.long == "--config") {
            variables[0] = OF_SERVICE;
        }
        entries(&variables)
    }

    /// The options of this command alone.
    fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> + use<> {
        own_flags(self.info).filter(|flag| !flag.hidden)
    }

    fn positionals(&self) -> impl Iterator<Item = &'a PositionalInfo<'static>> {
        self.info
            .positionals
            .iter()
            .filter(|positional| !positional.hidden)
    }

    /// `container-create [options] <name> [<image>]`
    pub(crate) fn usage(&self) -> String {
        let mut usage = format!("{} [options]", self.name);
        for flag in self
            .flags()
            .filter(|flag| flag.optionality == Optionality::Required)
        {
            if let FlagInfoKind::Option { arg_name } = flag.kind {
                usage.push_str(&format!(" {}={}", flag.long, variable(arg_name)));
            }
        }
        for positional in self.positionals() {
            let name = variable(positional.name);
            usage.push_str(&match positional.optionality {
                Optionality::Required => format!(" {name}"),
                Optionality::Optional => format!(" [{name}]"),
                _ if positional.name.contains(' ') => format!(" [{name}]"),
                Optionality::Repeating | Optionality::Greedy => format!(" [{name}...]"),
            });
        }
        usage
    }

    /// What this command becomes, word by word.
    fn commands(&self) -> Section {
        let family = self.family.into_iter().flat_map(family::members);
        Section::new("Commands", entries(&family.collect::<Vec<_>>()))
    }

    fn arguments(&self) -> Section {
        let entry = |positional: &PositionalInfo<'_>| Block::Entry {
            term: variable(positional.name),
            text: positional.description.into(),
        };
        Section::new("Arguments", self.positionals().map(entry).collect())
    }

    fn examples(&self) -> Section {
        let examples: Vec<_> = self
            .info
            .examples
            .iter()
            .map(|example| self.named(example))
            .collect();
        let blocks = if examples.is_empty() {
            Vec::new()
        } else {
            vec![Block::Code(examples.join("\n"))]
        };
        Section::new("Examples", blocks)
    }

    fn notes(&self) -> impl Iterator<Item = Block> {
        let own = self.info.notes.iter().map(|note| self.named(note));
        let family = self.family.map(|family| {
            format!(
                "Every command of it is one word too, which scripts should prefer: {family}-..."
            )
        });
        own.chain(family).map(Block::Text)
    }

    fn statuses(&self) -> Vec<Block> {
        let own = self.info.error_codes.iter();
        let own = own.map(|own| (own.code, own.description));
        let own: Vec<_> = own.chain(self.family.map(|_| NO_MEMBER)).collect();
        let general = STATUSES
            .iter()
            .filter(|(code, _)| own.iter().all(|(other, _)| other != code));
        let mut all: Vec<_> = own.iter().chain(general).collect();
        all.sort_by_key(|(code, _)| *code);
        all.iter()
            .map(|(code, text)| Block::Entry {
                term: code.to_string(),
                text: (*text).into(),
            })
            .collect()
    }

    fn see_also(&self) -> Vec<Block> {
        let pages: Vec<_> = self
            .see_also
            .iter()
            .map(|name| format!("{name}(1)"))
            .collect();
        if pages.is_empty() {
            Vec::new()
        } else {
            vec![Block::Text(pages.join(", "))]
        }
    }

    /// `text` with the name of the command where argh's texts leave room for it.
    pub(crate) fn named(&self, text: &str) -> String {
        text.replace("{command_name}", self.name)
    }
}

/// The options declared by `Args`: argh adds a `--help` of its own, which is ours.
pub(crate) fn own_flags(
    info: &CommandInfoWithArgs<'static>,
) -> impl Iterator<Item = &'static FlagInfo<'static>> + use<> {
    let flags: &'static [FlagInfo<'static>] = info.flags;
    flags.iter().filter(|flag| flag.long != "--help")
}

/// `-f, --framework=<name>` and what it does.
fn option(flag: &FlagInfo<'_>) -> Block {
    let mut term = flag
        .short
        .map_or_else(String::new, |short| format!("-{short}, "));
    term.push_str(flag.long);
    if let FlagInfoKind::Option { arg_name } = flag.kind {
        term.push_str(&format!("={}", variable(arg_name)));
    }
    Block::Entry {
        term,
        text: flag.description.into(),
    }
}

/// What the user puts in place of `name`; choices such as `table|json` stand for themselves.
/// `name [image]`, of arguments that argh cannot tell apart, is `<name> [<image>]`.
fn variable(name: &str) -> String {
    let one = |word: &str| match word
        .strip_prefix('[')
        .and_then(|word| word.strip_suffix(']'))
    {
        _ if word.contains('|') => word.to_owned(),
        Some(optional) => format!("[<{optional}>]"),
        None => format!("<{word}>"),
    };
    name.split(' ').map(one).collect::<Vec<_>>().join(" ")
}

fn entries(pairs: &[(&str, &str)]) -> Vec<Block> {
    let entry = |(term, text): &(&str, &str)| Block::Entry {
        term: (*term).into(),
        text: (*text).into(),
    };
    pairs.iter().map(entry).collect()
}
