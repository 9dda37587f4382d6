//! What a `.dockerignore` leaves out of the folder that an image is built from.
//!
//! Source: the Dockerfile reference, ".dockerignore file", and moby/patternmatcher, which
//! decides where the reference is silent.

use crate::failure::{Kind, UserError};

/// The patterns of one file; of a file that does not exist, none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// It begins with `!`: what it matches is kept.
    keeps: bool,
    text: Vec<char>,
}

/// A line that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of .dockerignore is no pattern: {text:?}")]
pub struct InvalidPattern {
    line: usize,
    text: String,
}

impl UserError for InvalidPattern {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(
            "close every '[', and put a backslash before a character that is meant as it is".into(),
        )
    }
}

impl Ignore {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] for what Docker refuses as well.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        let pattern = |(number, line): (usize, &str)| {
            let invalid = || InvalidPattern {
                line: number,
                text: line.into(),
            };
            let (keeps, path) = match line.trim().strip_prefix('!') {
                Some(path) => (true, path.trim()),
                None => (false, line.trim()),
            };
            let text: Vec<char> = clean(path).chars().collect();
            match path.is_empty() || !is_valid(&text) {
                true => Err(invalid()),
                false => Ok(Pattern { keeps, text }),
            }
        };
        lines.map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `path`, relative to the folder and with `/` between its parts, is left out: the last
    /// pattern that matches it, or a folder that it is in, decides.
    pub fn leaves_out(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let folders = (0..path.len()).filter(|&at| path[at] == '/');
        let ends: Vec<usize> = folders.chain([path.len()]).collect();
        let hit = |pattern: &&Pattern| ends.iter().any(|&end| matches(&pattern.text, &path[..end]));
        self.0
            .iter()
            .rev()
            .find(hit)
            .is_some_and(|pattern| !pattern.keeps)
    }

    /// Whether something in `folder` may be kept although the folder is left out.
    pub fn may_keep_in(&self, folder: &str) -> bool {
        let keeping = self.0.iter().filter(|pattern| pattern.keeps);
        let mut texts = keeping.map(|pattern| pattern.text.iter().collect::<String>());
        let reaches = |text: String| {
            // Beyond a part that has `**` nothing can be told.
            let parts = text.split('/').zip(folder.split('/'));
            let mut known = parts.take_while(|(part, _)| !part.contains("**"));
            let fits = |part: &str, name: &str| {
                let [part, name] = [part, name].map(|text| text.chars().collect::<Vec<_>>());
                matches(&part, &name)
            };
            known.all(|(part, name)| fits(part, name))
        };
        texts.any(reaches)
    }
}

/// A path without empty parts, `.` and `..`, as far as that can be.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether every class is closed and has something in it, and nothing is escaped at the end.
fn is_valid(pattern: &[char]) -> bool {
    match pattern {
        [] => true,
        ['\\', rest @ ..] => !rest.is_empty() && is_valid(&rest[1..]),
        ['[', rest @ ..] => class(rest, ' ').is_some_and(|(_, rest)| is_valid(rest)),
        [_, rest @ ..] => is_valid(rest),
    }
}

fn matches(pattern: &[char], path: &[char]) -> bool {
    match (pattern, path) {
        ([], path) => path.is_empty(),
        // Any number of folders, none too; at the end anything.
        (['*', '*', rest @ ..], _) => {
            let rest = rest.strip_prefix(&['/']).unwrap_or(rest);
            let after = (1..=path.len()).filter(|&at| path[at - 1] == '/');
            rest.is_empty()
                || matches(rest, path)
                || after.into_iter().any(|at| matches(rest, &path[at..]))
        }
        (['*', rest @ ..], _) => {
            let part = path.iter().position(|&c| c == '/').unwrap_or(path.len());
            (0..=part).any(|at| matches(rest, &path[at..]))
        }
        (['?', rest @ ..], [c, path @ ..]) => *c != '/' && matches(rest, path),
        (['\\', escaped, rest @ ..], [c, path @ ..]) => escaped == c && matches(rest, path),
        (['[', rest @ ..], [c, path @ ..]) => {
            class(rest, *c).is_some_and(|(hit, rest)| hit && matches(rest, path))
        }
        ([plain, rest @ ..], [c, path @ ..]) => plain == c && matches(rest, path),
        (_, []) => false,
    }
}

/// Whether `c` is in the class that begins after `[`, and what follows its `]`.
fn class(pattern: &[char], c: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut hit = false;
    let mut any = false;
    loop {
        let one = |rest: &'_ [char]| match *rest {
            ['\\', escaped, ..] => Some((escaped, 2)),
            ['-' | ']' | '\\', ..] | [] => None,
            [plain, ..] => Some((plain, 1)),
        };
        if let [']', after @ ..] = rest {
            return any.then_some((hit != negated, after));
        }
        let (low, length) = one(rest)?;
        rest = &rest[length..];
        let mut high = low;
        if let ['-', after @ ..] = rest {
            let (last, length) = one(after)?;
            (high, rest) = (last, &after[length..]);
        }
        hit |= (low..=high).contains(&c);
        any = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(text).unwrap();
        let kept = paths.iter().filter(|path| !ignore.leaves_out(path));
        kept.copied().collect()
    }

    #[test]
    fn the_examples_of_the_reference_hold() {
        let paths = [
            "Dockerfile",
            "README.md",
            "README-secret.md",
            "a.go",
            "tempa",
            "tempab",
            "some/temporary.txt",
            "some/sub/temporary.txt",
            "some/a.go",
        ];
        for (text, expected) in [
            ("", &paths[..]),
            (
                "# comment\n*/temp*\n*/*/temp*\ntemp?\n",
                &[
                    "Dockerfile",
                    "README.md",
                    "README-secret.md",
                    "a.go",
                    "tempab",
                    "some/a.go",
                ],
            ),
            (
                "*.md\n!README.md\n",
                &[
                    "Dockerfile",
                    "README.md",
                    "a.go",
                    "tempa",
                    "tempab",
                    "some/temporary.txt",
                    "some/sub/temporary.txt",
                    "some/a.go",
                ],
            ),
            ("*\n!README*.md\nREADME-secret.md", &["README.md"]),
            (
                "*\nREADME-secret.md\n!README*.md",
                &["README.md", "README-secret.md"],
            ),
            (
                "**/*.go\n**/temp*",
                &["Dockerfile", "README.md", "README-secret.md"],
            ),
            (
                "some\n!some/sub",
                &[
                    "Dockerfile",
                    "README.md",
                    "README-secret.md",
                    "a.go",
                    "tempa",
                    "tempab",
                    "some/sub/temporary.txt",
                ],
            ),
            ("**", &[]),
            (
                "some/**\n*.md\n*[a-bn]*\nDocker[^x]ile\\\\",
                &["Dockerfile"],
            ),
        ] {
            assert_eq!(kept(text, &paths), expected, "{text:?}");
        }
    }

    #[test]
    fn paths_of_patterns_are_cleaned_and_relative_to_the_folder() {
        for text in [
            "/data",
            "./data/",
            "x/../data",
            " data \r",
            "\u{feff}data",
            "/../data",
        ] {
            let expected = match text {
                "/../data" => &["data/x", "sub/data"][..],
                _ => &["sub/data"],
            };
            assert_eq!(kept(text, &["data/x", "sub/data"]), expected, "{text:?}");
        }
        assert_eq!(kept("a\\*b\n[*]", &["a*b", "axb", "*", "x"]), ["axb", "x"]);
        assert_eq!(kept(" # a\n.", &["# a", "a"]), ["a"]);
        assert_eq!(
            kept("a/**/b", &["a/b", "a/x/b", "a/xb", "a/x/y/b/c"]),
            ["a/xb"]
        );
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for text in ["a\n[", "a\n[]", "a\n[a-", "a\n[^]", "a\n!", "a\nb\\"] {
            let error = Ignore::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("line 2 of .dockerignore "), "{error}");
        }
    }

    #[test]
    fn a_folder_is_entered_only_for_what_it_may_keep() {
        let ignore = Ignore::parse("*\n!src/*/keep\n!top").unwrap();
        for (folder, entered) in [
            ("src", true),
            ("src/a", true),
            ("src/a/keep", true),
            ("src/a/other", false),
            ("data", false),
            ("top/sub", true),
        ] {
            assert_eq!(ignore.may_keep_in(folder), entered, "{folder}");
        }
        let anywhere = Ignore::parse("*\n!**/keep").unwrap();
        assert!(anywhere.may_keep_in("data/x"));
        assert!(!Ignore::parse("*").unwrap().may_keep_in("src"));
    }
}
