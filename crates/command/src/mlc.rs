//! What the commands of AIME's MLC have in common with each other.

use std::fmt::Display;

use ds01_cli::Ui;
use ds01_core::failure::Failure;

/// A name as AIME's commands print it.
pub fn bracketed(name: impl Display) -> String {
    format!("[{name}]")
}

/// A table as AIME's commands frame it: a heading above, and blank lines around both.
///
/// # Errors
///
/// Those of [`Ui::line`].
pub fn framed<const N: usize>(
    ui: &mut Ui,
    heading: &str,
    headings: [&str; N],
    rows: &[[String; N]],
) -> Result<(), Failure> {
    for line in ["", heading, ""] {
        ui.line(line)?;
    }
    ui.table(headings, rows)?;
    ui.line("")
}
