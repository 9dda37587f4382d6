//! Files that the kernel writes as they are read, as those of proc(5).

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// What most of them have, in bytes.
const USUAL: usize = 4096;

/// The text of a file.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    text(File::open(path)?)
}

/// The text of an open file. They tell no size, so that the standard library, which goes by that,
/// would read 32 bytes, then twice as many: six calls for what comes with one.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn text(file: File) -> io::Result<String> {
    let mut text = String::with_capacity(USUAL);
    file.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_of_a_file_is_read() {
        let longer = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cgroup.rs");
        for path in ["/proc/self/limits", longer] {
            let expected = fs::read_to_string(path).unwrap();
            assert_eq!(read(path).unwrap(), expected, "{path}");
        }
        let error = read("/proc/self/none").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
