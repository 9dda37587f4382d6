//! The forms in which a command can print what it lists.

use std::str::FromStr;

/// The value of `--format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns with headings, for people.
    #[default]
    Table,
    /// One documented, stable JSON value, for programs.
    Json,
    /// A line a row, cells separated by tabs, no headings, for the shell.
    Simple,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "simple" => Ok(Self::Simple),
            _ => Err("expected table, json or simple"),
        }
    }
}
