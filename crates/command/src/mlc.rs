//! What the commands of AIME's MLC have in common with each other.

use std::{collections::BTreeSet, fmt::Display};

use ds01_cli::Ui;
use ds01_core::{docker::GpuWish, failure::Failure};

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

/// What AIME's `-g` asks for: `all`, a number, or `device=0,1`, which counts as so many. Its `-ng=2`
/// comes as `g=2`.
///
/// # Errors
///
/// What it should be.
pub fn gpu_wish(text: &str) -> Result<GpuWish, String> {
    let text = text.strip_prefix("g=").unwrap_or(text);
    let named = text.trim_matches('"').strip_prefix("device=");
    match (text, named) {
        ("all", _) => Ok(GpuWish::All),
        (_, Some(names)) => {
            let names: BTreeSet<_> = names.split(',').filter(|name| !name.is_empty()).collect();
            Ok(GpuWish::Count(
                u32::try_from(names.len()).unwrap_or(u32::MAX),
            ))
        }
        (number, None) => match number.parse() {
            Ok(count) => Ok(GpuWish::Count(count)),
            Err(_) => Err("expected a number of GPUs, or all".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_counted_however_aime_names_them() {
        for (text, expected) in [
            ("all", Ok(GpuWish::All)),
            ("0", Ok(GpuWish::Count(0))),
            ("2", Ok(GpuWish::Count(2))),
            ("g=2", Ok(GpuWish::Count(2))),
            ("device=3", Ok(GpuWish::Count(1))),
            ("\"device=0,1,1\"", Ok(GpuWish::Count(2))),
            ("most", Err("expected a number of GPUs, or all".into())),
            ("-1", Err("expected a number of GPUs, or all".into())),
        ] {
            assert_eq!(gpu_wish(text), expected, "{text}");
        }
    }
}
