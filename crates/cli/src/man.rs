//! A command's page as `man` source, and as JSON for generators of other things.

use argh_shared::{ErrorCodeInfo, FlagInfo, PositionalInfo};
use serde::Serialize;

use crate::{
    page::{Block, COMMON, Page},
    text::wrap,
};

/// When the wording of the pages last changed; fixed, so that the same source makes the same pages.
const REVISED: &str = "2026-11-22";

/// Columns of a source line; `mandoc -T lint` wants 80 at most.
const COLUMNS: usize = 78;

/// The page in the man(7) macros, which every `man` understands.
pub(crate) fn roff(page: &Page<'_>) -> String {
    let (name, version) = (escaped(page.name).to_uppercase(), env!("CARGO_PKG_VERSION"));
    let mut out = format!(".TH {name} 1 {REVISED} \"DS01 {version}\" \"DS01 commands\"\n");
    for section in page.reference() {
        out.push_str(&format!(".SH {}\n", section.title.to_uppercase()));
        for (index, block) in section.blocks.iter().enumerate() {
            match block {
                Block::Text(text) => {
                    out.push_str(if index > 0 { ".PP\n" } else { "" });
                    out.push_str(&filled(text));
                }
                Block::Entry { term, text } => {
                    out.push_str(&format!(".TP\n{}\n{}", marked(term), filled(text)));
                }
                Block::Usage(usage) => {
                    out.push_str(&format!("{}\n", marked(usage)));
                }
                Block::Code(code) => {
                    let lines = code
                        .lines()
                        .map(|line| format!("{}\n", guarded(&escaped(line))));
                    out.push_str(&format!(".EX\n{}.EE\n", lines.collect::<String>()));
                }
            }
        }
    }
    out
}

/// A paragraph as source lines.
fn filled(text: &str) -> String {
    wrap(&escaped(text), COLUMNS)
        .iter()
        .map(|line| format!("{}\n", guarded(line)))
        .collect()
}

/// `text` with nothing in it that troff would read as its own, and every character in ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            // A plain one may be set as a hyphen, which a shell does not know when it is pasted.
            '-' => out.push_str("\\-"),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    out
}

/// A line that is not taken for a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

/// A term or usage: bold, but what varies (`<name>`) in italics, and brackets plain.
fn marked(term: &str) -> String {
    let mut out = String::new();
    for part in term.split_inclusive(['<', '>', '[', ']', ' ', ',']) {
        let word = part.trim_end_matches(['<', '>', '[', ']', ' ', ',']);
        let font = if part.ends_with('>') { "\\fI" } else { "\\fB" };
        if !word.is_empty() {
            out.push_str(&format!("{font}{}\\fR", escaped(word)));
        }
        out.push_str(part[word.len()..].trim_matches(['<', '>']));
    }
    out
}

/// What `--generate=json` prints.
#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    version: &'a str,
    description: &'a str,
    usage: String,
    positionals: &'a [PositionalInfo<'static>],
    flags: Vec<&'a FlagInfo<'static>>,
    error_codes: &'a [ErrorCodeInfo<'static>],
    examples: Vec<String>,
    notes: Vec<String>,
}

/// The declarations behind the page, hidden ones included, as a JSON value.
pub(crate) fn described(page: &Page<'_>) -> impl Serialize {
    let named = |texts: &[&str]| texts.iter().map(|text| page.named(text)).collect();
    Described {
        name: page.name,
        version: env!("CARGO_PKG_VERSION"),
        description: page.info.description,
        usage: page.usage(),
        positionals: page.info.positionals,
        flags: crate::page::own_flags(page.info).chain(&COMMON).collect(),
        error_codes: page.info.error_codes,
        examples: named(page.info.examples),
        notes: named(page.info.notes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_read_as_a_request() {
        assert_eq!(
            filled(".so a\\b 'it' é-f"),
            "\\&.so a\\eb 'it' \\[u00E9]\\-f\n"
        );
        assert_eq!(guarded("'quoted'"), "\\&'quoted'");
    }

    #[test]
    fn what_varies_is_in_italics() {
        assert_eq!(
            marked("-f, --gpu=<count>"),
            "\\fB\\-f\\fR, \\fB\\-\\-gpu=\\fR\\fIcount\\fR"
        );
        assert_eq!(
            marked("run [<name>...]"),
            "\\fBrun\\fR [\\fIname\\fR\\fB...\\fR]"
        );
    }
}
