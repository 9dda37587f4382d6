//! How large the release commands are.

use std::{env, fs};

use crate::{
    Result,
    figure::{Goal, figure, note},
};

const MB: f64 = 1e6;

pub(crate) fn measure() -> Result<()> {
    let own = env::current_exe()?;
    let release = own.parent().ok_or("no directory of programs")?;
    let sources = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bin"))?;
    let mut sizes = Vec::new();
    for source in sources {
        let command = source?.path().with_extension("");
        let name = command
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name != "lib" {
            sizes.push((fs::metadata(release.join(&name))?.len() as f64 / MB, name));
        }
    }
    sizes.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (size, name) in &sizes {
        note(format_args!("  {name} {size:.2} MB"));
    }
    let (largest, name) = sizes.first().ok_or("no commands")?;
    figure(
        format_args!("size of the largest command, {name}, MB"),
        *largest,
        Goal::AtMost(1.5),
    )?;
    let mean = sizes.iter().map(|(size, _)| size).sum::<f64>() / sizes.len() as f64;
    figure(
        format_args!("size of a command, mean of {}, MB", sizes.len()),
        mean,
        Goal::AtMost(1.5),
    )
}
