//! Tables that are more than columns: several under headings of their own, or with a last cell of
//! any length.

use std::iter;

use ds01_core::failure::Failure;
use serde::Serialize;

use crate::{
    Format, Ui, printable,
    table::{fitting, layout, told},
    text::wrap,
    ui::cells,
};

/// Blanks before the lines of a section.
const INDENT: &str = "  ";

/// A table with a heading, one of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// One word, for scripts: the first cell of its lines.
    pub word: &'static str,
    /// What it is about.
    pub title: String,
    /// The headings of its columns, the most important first.
    pub headings: Vec<&'static str>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// What to say if there are no rows.
    pub empty: &'static str,
    /// The rows are a word and a sentence each, which is wrapped and not cut.
    pub prose: bool,
}

impl Ui {
    /// Prints a list as [`Ui::list`]. On a terminal where they have no room, columns are left out
    /// from the right, and the rest is cut.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::list`].
    pub fn fitted(
        &mut self,
        format: Format,
        headings: &[&str],
        rows: &[Vec<String>],
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        match format {
            Format::Table => self.columns("", headings, rows),
            Format::Simple => rows.iter().try_for_each(|row| self.cells("", row)),
            Format::Json => self.json(value),
        }
    }

    /// Prints rows whose last cell tells something, under headings if there are any. Nothing is
    /// cut: on a terminal that is too narrow the last cell goes on below.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn telling<const N: usize>(
        &mut self,
        headings: Option<[&str; N]>,
        rows: &[[String; N]],
    ) -> Result<(), Failure> {
        let titles = headings.map(|headings| cells(&headings.map(str::to_owned)));
        let all: Vec<_> = titles.into_iter().chain(rows.iter().map(cells)).collect();
        let look = self.look();
        let lines = told(&all, self.columns_to_fill());
        let line = |(at, line): (usize, String)| match at == 0 && headings.is_some() {
            true => look.heading(&line) + "\n",
            false => line + "\n",
        };
        let text: String = lines.into_iter().enumerate().map(line).collect();
        self.text(&text)
    }

    /// Prints sections: for people one below the other, for the shell a line a row.
    ///
    /// # Errors
    ///
    /// Those of [`Ui::line`].
    pub fn sections(&mut self, format: Format, sections: &[Section]) -> Result<(), Failure> {
        for (at, section) in sections.iter().enumerate() {
            if format == Format::Simple {
                let before = format!("{}\t", section.word);
                section
                    .rows
                    .iter()
                    .try_for_each(|row| self.cells(&before, row))?;
                continue;
            }
            let title = self.look().heading(&printable(&section.title));
            let gap = if at > 0 { "\n" } else { "" };
            self.text(&format!("{gap}{title}\n"))?;
            if section.rows.is_empty() {
                self.text(&format!("{INDENT}{}\n", section.empty))?;
            } else if section.prose {
                section
                    .rows
                    .iter()
                    .try_for_each(|row| self.prose(&row.join(": ")))?;
            } else {
                self.columns(INDENT, &section.headings, &section.rows)?;
            }
        }
        Ok(())
    }

    fn prose(&mut self, text: &str) -> Result<(), Failure> {
        let width = self.columns_to_fill().unwrap_or(usize::MAX);
        let lines = wrap(&printable(text), width.saturating_sub(2 * INDENT.len()));
        let before = [INDENT.to_owned()]
            .into_iter()
            .chain(iter::repeat(INDENT.repeat(2)));
        let lines = before
            .zip(lines)
            .map(|(indent, line)| format!("{indent}{line}\n"));
        self.text(&lines.collect::<String>())
    }

    fn cells(&mut self, before: &str, row: &[String]) -> Result<(), Failure> {
        let cells: Vec<_> = row.iter().map(|cell| printable(cell)).collect();
        self.text(&format!("{before}{}\n", cells.join("\t")))
    }

    fn columns(
        &mut self,
        indent: &str,
        headings: &[&str],
        rows: &[Vec<String>],
    ) -> Result<(), Failure> {
        let headings = headings
            .iter()
            .map(|heading| (*heading).to_owned())
            .collect();
        let cells = |row: &Vec<String>| {
            row.iter()
                .map(|cell| printable(cell).into_owned())
                .collect()
        };
        let mut all: Vec<Vec<String>> = [headings]
            .into_iter()
            .chain(rows.iter().map(cells))
            .collect();
        let width = self
            .columns_to_fill()
            .map(|width| width.saturating_sub(indent.len()));
        if let Some(width) = width {
            let shown = fitting(&all, width);
            all.iter_mut().for_each(|row| row.truncate(shown));
        }
        let mut lines = layout(&all, width);
        let look = self.look();
        lines
            .iter_mut()
            .take(1)
            .for_each(|line| *line = look.heading(line));
        let text: String = lines
            .iter()
            .map(|line| format!("{indent}{line}\n"))
            .collect();
        self.text(&text)
    }
}
