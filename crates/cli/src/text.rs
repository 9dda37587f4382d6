//! Paragraphs, lists and headings as text for a terminal.

use owo_colors::OwoColorize;
use unicode_width::UnicodeWidthStr;

use crate::{
    narrow,
    page::{Block, Section},
};

/// Within these, lines of help are neither torn nor too long to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// Columns before the text of an entry, if its term is short enough.
const ENTRY: usize = 26;

/// Columns before the text of an entry that has a word too long for that.
const BELOW: usize = 10;

/// Columns before what goes on of a term.
const OF_TERM: usize = 8;

/// Columns before the blocks of a section.
pub(crate) const INDENT: usize = 2;

/// How text is to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns of the terminal.
    pub(crate) width: usize,
    /// Whether headings are bold.
    pub(crate) bold: bool,
}

impl Look {
    /// `text` as a heading.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.bold {
            text.bold().to_string()
        } else {
            text.to_owned()
        }
    }

    /// The columns to fill.
    pub(crate) fn columns(self) -> usize {
        self.width.clamp(*WIDTHS.start(), *WIDTHS.end())
    }
}

/// `sections` one after the other, each under its heading.
pub(crate) fn render(sections: &[Section], look: Look) -> String {
    let mut out = String::new();
    for section in sections {
        if !out.is_empty() {
            out.push('\n');
        }
        if !section.title.is_empty() {
            out.push_str(&look.heading(&format!("{}:", section.title)));
            out.push('\n');
        }
        let indent = if section.title.is_empty() { 0 } else { INDENT };
        let mut after_text = false;
        for block in &section.blocks {
            let text = matches!(block, Block::Text(_));
            if text && after_text {
                out.push('\n');
            }
            after_text = text;
            render_block(&mut out, block, indent, look);
        }
    }
    out
}

/// Adds `block` to `out`, `indent` columns in.
pub(crate) fn render_block(out: &mut String, block: &Block, indent: usize, look: Look) {
    match block {
        Block::Text(text) => push_lines(out, &wrap(text, look.columns() - indent), indent),
        Block::Usage(usage) => {
            push_lines(out, &narrow::usage(usage, look.columns() - indent), indent);
        }
        Block::Code(code) => {
            for line in code.lines() {
                push_lines(out, &narrow::command(line, look.columns(), indent), 0);
            }
        }
        Block::Entry { term, text } => {
            // Long names stand under each other, whether they have a short one or not.
            let gap = if term.starts_with("--") { "    " } else { "" };
            let before = format!("{:indent$}{gap}", "");
            let mut terms = narrow::choices(&before, term, look.columns(), OF_TERM);
            let room = look.columns() - ENTRY;
            let fits = text.split_whitespace().all(|word| word.width() <= room);
            let column = if fits { ENTRY } else { BELOW };
            let mut lines = wrap(text, look.columns() - column);
            if let [term] = terms.as_mut_slice()
                && term.width() + INDENT <= column
                && !lines.is_empty()
            {
                let pad = column - term.width();
                term.push_str(&format!("{:pad$}{}", "", lines.remove(0)));
            }
            push_lines(out, &terms, 0);
            push_lines(out, &lines, column);
        }
    }
}

fn push_lines(out: &mut String, lines: &[String], indent: usize) {
    for line in lines {
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// The words of `text` in lines of at most `width` columns; a longer word has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_lines_within_the_width() {
        assert_eq!(
            wrap("one two  three\nfour", 8),
            ["one two", "three", "four"]
        );
        assert_eq!(wrap("unbreakable a", 4), ["unbreakable", "a"]);
        assert_eq!(wrap("名前 名前", 8), ["名前", "名前"]);
        assert_eq!(wrap("名前 名前", 9), ["名前 名前"]);
        assert_eq!(wrap(" ", 8), [] as [&str; 0]);
    }

    #[test]
    fn headings_are_bold_only_if_asked_for() {
        let sections = [Section::new(
            "Notes",
            vec![Block::Text("one".into()), Block::Text("two".into())],
        )];
        let look = Look {
            width: 80,
            bold: false,
        };
        assert_eq!(render(&sections, look), "Notes:\n  one\n\n  two\n");
        assert!(
            render(&sections, Look { bold: true, ..look }).starts_with("\x1b[1mNotes:\x1b[0m\n")
        );
    }

    #[test]
    fn a_long_term_stands_on_its_own_line() {
        let entry = |term: &str| Block::Entry {
            term: term.into(),
            text: "a few words".into(),
        };
        let sections = [Section::new(
            "Options",
            vec![entry("-a, --all"), entry("--format=table|json|simple")],
        )];
        assert_eq!(
            render(
                &sections,
                Look {
                    width: 40,
                    bold: false
                }
            ),
            "Options:\n  -a, --all               a few words\n      --format=table|json|simple\n\
             \x20                         a few words\n"
        );
    }

    #[test]
    fn a_word_that_has_no_room_beside_or_under_its_term_goes_further_left() {
        let entry = |term: &str, text: &str| Block::Entry {
            term: term.into(),
            text: text.into(),
        };
        let blocks = || {
            vec![
                entry("--config=<path>", "default: /etc/ds01/ds01.toml"),
                entry("--type=ml|cv|nlp|rl|llm|ts|audio|custom", "of project"),
            ]
        };
        let rendered = |width| {
            let sections = [Section::new("Options", blocks())];
            render(&sections, Look { width, bold: false })
        };
        assert_eq!(
            rendered(40),
            "Options:\n      --config=<path>\n          default: /etc/ds01/ds01.toml\n      \
             --type=ml|cv|nlp|rl|llm|ts|audio|\n        custom\n                          of project\n"
        );
        assert_eq!(
            rendered(80),
            "Options:\n      --config=<path>     default: /etc/ds01/ds01.toml\n      \
             --type=ml|cv|nlp|rl|llm|ts|audio|custom\n                          of project\n"
        );
    }
}
