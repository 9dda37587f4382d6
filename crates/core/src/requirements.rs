//! The text of a `requirements.txt`, which is changed line by line: what is not meant stays to the
//! byte.
//!
//! Source: pip's documentation, "Requirements File Format".

use std::collections::BTreeSet;

use crate::{
    failure::{Kind, UserError},
    sources::is_local,
};

/// A package of conda's is a comment: pip could not install it.
pub const CONDA: &str = "# conda: ";

/// A requirement of a file: its lines, which are more than one where they are continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The package's name, as PEP 503 normalises it.
    pub name: String,
    /// What stands there, without the line's end.
    pub text: &'a str,
}

/// What a file asks for, in order: each line that names a package.
pub fn entries(text: &str) -> Vec<Entry<'_>> {
    let entry = |text| required(text).map(|name| Entry { name, text });
    lines(text)
        .map(|line| line.trim_end_matches(['\r', '\n']))
        .filter_map(entry)
        .collect()
}

/// A file with lines at its end, in the line ends that it has.
pub fn with<'a>(text: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = text.to_string();
    for line in lines {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push_str(end);
        }
        out.push_str(line);
        out.push_str(end);
    }
    out
}

/// A file without what it asks of a package; `None` if that is nothing.
pub fn without(text: &str, name: &str) -> Option<String> {
    let name = normal(name);
    let kept = lines(text).filter(|line| required(line).as_ref() != Some(&name));
    let kept: String = kept.collect();
    (kept != text).then_some(kept)
}

/// A file in which a requirement stands in the place of what was asked of the same package, before
/// the comment that stands behind that.
pub fn replaced(text: &str, name: &str, line: &str) -> String {
    let name = normal(name);
    let mut out = String::new();
    let mut done = false;
    for old in lines(text) {
        if required(old).as_ref() != Some(&name) {
            out.push_str(old);
        } else if !done {
            done = true;
            let said = old.trim_end_matches(['\r', '\n']);
            let begins = said.trim_start_matches([BOM, ' ', '\t']);
            out.push_str(&said[..said.len() - begins.len()]);
            out.push_str(line);
            out.push_str(comment(begins));
            out.push_str(&old[said.len()..]);
        }
    }
    out
}

/// What can stand before the first line of a file.
const BOM: char = '\u{feff}';

/// The comment behind a requirement, with the blanks before it; empty if it has none, or is one.
fn comment(requirement: &str) -> &str {
    let last = requirement.rsplit('\n').next().unwrap_or(requirement);
    let starts = last.char_indices().zip(last.chars().skip(1));
    let mut starts = starts.filter(|((_, blank), hash)| blank.is_whitespace() && *hash == '#');
    let Some(((at, _), _)) = starts.next().filter(|_| !last.starts_with('#')) else {
        return "";
    };
    &last[last[..at].trim_end().len()..]
}

/// A line that cannot be taken from one file into another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the line {0:?} names a file beside it, which the project does not have")]
pub struct Beside(pub String);

impl UserError for Beside {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("copy the files into the project's folder, and name them there".into())
    }
}

/// What of a file can stand in one of another folder: requirements and options, without comments.
///
/// # Errors
///
/// [`Beside`].
pub fn portable(text: &str) -> Result<Vec<&str>, Beside> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = lines(text).map(|line| line.trim_end_matches(['\r', '\n']));
    let says = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let mut portable = Vec::new();
    for line in lines.filter(says) {
        let whole = line.replace("\\\r\n", "").replace("\\\n", "");
        if is_local(&whole) {
            return Err(Beside(line.into()));
        }
        portable.push(line);
    }
    Ok(portable)
}

/// A file that asks for `lines` too: one stands in the place of what was asked of the same package
/// before, others at the end. A line that is there already, or a bare name of what is, adds nothing.
pub fn merged<'a>(text: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_string();
    for line in lines {
        let line = line.trim();
        let known = match required(line) {
            Some(name) if normal(line) == name => names(&text).contains(&name),
            _ => self::lines(&text).any(|there| there.trim() == line),
        };
        text = match required(line).filter(|name| names(&text).contains(name)) {
            _ if known => continue,
            Some(name) => replaced(&text, &name, line),
            None => with(&text, [line]),
        };
    }
    text
}

/// The other files of the same kind that a file names: `-r more.txt`.
pub fn others(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(other)
}

fn other(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(BOM).trim();
    let value = line
        .strip_prefix("--requirement")
        .or(line.strip_prefix("-r"))?;
    let value = value.trim_start_matches(['=', ' ', '\t']);
    value.split_whitespace().next()
}

/// The names of all packages that a file asks for.
pub fn names(text: &str) -> BTreeSet<String> {
    entries(text).into_iter().map(|entry| entry.name).collect()
}

/// Lines with their ends, those that a backslash continues as one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let line = &rest[end..];
            let length = line.find('\n').map_or(line.len(), |at| at + 1);
            end += length;
            let said = line[..length].trim_end_matches(['\r', '\n']);
            let comment = said.trim_start().starts_with('#');
            if end == rest.len() || comment || !said.ends_with('\\') {
                break;
            }
        }
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line)
    })
}

/// The package that a line asks for: `Name[extra] >= 1; marker # comment`, `name @ url`,
/// `url#egg=name`, or a comment of ours.
pub fn required(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}').trim();
    let line = line.strip_prefix(CONDA.trim_end()).unwrap_or(line).trim();
    let of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if let Some((_, name)) = line.split_once("#egg=") {
        return Some(normal(name.split(|c| !of_name(c)).next()?));
    }
    let end = line.find(|c| !of_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let ends_name = |c: char| "[(<>=!~;@,#\\".contains(c);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = rest.trim_start();
    (is_name && (rest.is_empty() || rest.starts_with(ends_name))).then(|| normal(name))
}

/// A name as PEP 503 normalises it.
pub fn normal(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}Requests>=2 # kept\r\n\r\n# torch is in the image\r\n\
                        numpy==1.26.4 \\\r\n  --hash=sha256:0a \\\r\n  --hash=sha256:0b\r\n\
                        -r more.txt\r\n  ruamel_yaml [x] ; python_version>'3'\r\n./local\r\n\
                        git+https://h/y@v1#egg=Old.Style\r\n# conda: cuda-toolkit=12.4";

    #[test]
    fn what_a_file_asks_for_is_told_with_all_its_lines() {
        let told = entries(FILE);
        let told: Vec<_> = told
            .iter()
            .map(|entry| (&*entry.name, entry.text))
            .collect();
        let numpy = "numpy==1.26.4 \\\r\n  --hash=sha256:0a \\\r\n  --hash=sha256:0b";
        assert_eq!(
            told,
            [
                ("requests", "\u{feff}Requests>=2 # kept"),
                ("numpy", numpy),
                ("ruamel-yaml", "  ruamel_yaml [x] ; python_version>'3'"),
                ("old-style", "git+https://h/y@v1#egg=Old.Style"),
                ("cuda-toolkit", "# conda: cuda-toolkit=12.4"),
            ]
        );
        assert_eq!(names("a\nA==1\n# b\n"), BTreeSet::from(["a".to_string()]));
    }

    #[test]
    fn what_goes_goes_whole_and_the_rest_stays_to_the_byte() {
        let (before, after) = FILE.split_once("numpy").unwrap();
        let after = after.split_once("0b\r\n").unwrap().1;
        assert_eq!(without(FILE, "NumPy"), Some(format!("{before}{after}")));
        assert_eq!(without(FILE, "torch"), None, "a comment is no requirement");
        assert_eq!(without("a\n", "b"), None);
        assert_eq!(without("a==1\nb\nA", "a"), Some("b\n".into()));
    }

    #[test]
    fn what_is_asked_anew_stands_where_it_stood() {
        let new = replaced(FILE, "numpy", "numpy>=2");
        let (before, after) = FILE.split_once("numpy").unwrap();
        let after = after.split_once("0b\r\n").unwrap().1;
        assert_eq!(new, format!("{before}numpy>=2\r\n{after}"));
        assert_eq!(replaced("a==1\nb\nA", "a", "a==2"), "a==2\nb\n");
    }

    #[test]
    fn the_comment_behind_what_is_asked_anew_stays() {
        for (before, after) in [
            ("\u{feff}a>=1 # why\r\nb", "\u{feff}a==2 # why\r\nb"),
            ("\ta ==1;x>'#'\t # a # b", "\ta==2\t # a # b"),
            (
                "a==1 \\\n --hash=x:0 \\\n --hash=x:1  # both\nb\n",
                "a==2  # both\nb\n",
            ),
            ("a @ https://h/a#egg=a\n", "a==2\n"),
            ("# conda: a=1 # x\n", "a==2\n"),
        ] {
            assert_eq!(replaced(before, "a", "a==2"), after, "{before:?}");
        }
    }

    #[test]
    fn lines_are_added_at_the_end_in_the_ends_that_there_are() {
        for (before, after) in [
            ("", "b\nc\n"),
            ("a # x\n\n", "a # x\n\nb\nc\n"),
            ("a", "a\nb\nc\n"),
            ("a\r\n  z", "a\r\n  z\r\nb\r\nc\r\n"),
        ] {
            assert_eq!(with(before, ["b", "c"]), after);
        }
        assert_eq!(with("a", []), "a", "nothing is changed for nothing");
    }

    #[test]
    fn what_is_asked_for_too_is_asked_for_once() {
        let text = "# mine\nnumpy==1.26.4\n--no-binary :all:\n";
        for (lines, expected) in [
            (&["NumPy"][..], text.into()),
            (&["numpy==1.26.4", "--no-binary :all:"], text.into()),
            (&["Numpy>=2"], text.replace("numpy==1.26.4", "Numpy>=2")),
            (
                &["torch", "Torch[x]>=2 ", "a"],
                format!("{text}Torch[x]>=2\na\n"),
            ),
            (&["--pre", "--pre"], format!("{text}--pre\n")),
        ] {
            assert_eq!(merged(text, lines.iter().copied()), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_names_no_file_can_stand_elsewhere() {
        let text = "\u{feff}# why\n\na==1 \\\n --hash=sha256:0\r\n--index-url https://h/x # y\n";
        let lines = ["a==1 \\\n --hash=sha256:0", "--index-url https://h/x # y"];
        assert_eq!(portable(text), Ok(lines.to_vec()));
        for line in [
            "-r more.txt",
            "-e .",
            "./lib",
            "-c \\\nlimits.txt",
            "a @ file:lib",
        ] {
            assert_eq!(portable(line), Err(Beside(line.into())));
        }
    }

    #[test]
    fn a_comment_is_not_continued() {
        let text = "# a \\\nb\n";
        assert_eq!(without(text, "b"), Some("# a \\\n".into()));
    }
}
