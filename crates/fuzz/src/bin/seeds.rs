//! Writes what the fuzzer begins with: a folder of inputs for each target, and words.

use std::{env, fs, io, path::PathBuf};

use ds01_fuzz::seeds;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_default());
    for (target, inputs) in [
        ("calls", seeds::calls()),
        ("http", seeds::http()),
        ("keeper", seeds::keeper()),
    ] {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), input)?;
        }
    }
    let words = seeds::words().into_iter();
    let lines: String = words.map(|word| format!("{word:?}\n")).collect();
    fs::write(folder.join("words"), lines)
}
