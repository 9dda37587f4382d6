//! The images that a Dockerfile takes from.
//!
//! The engine would let a build begin from anybody's image: who may see which is checked before.
//! This reads a Dockerfile as the classic builder does; where the two could differ, it finds
//! more. Source: the Dockerfile reference, "Parser directives", "Environment replacement", "FROM",
//! "COPY --from", "ONBUILD".

use std::collections::BTreeMap;

use crate::failure::{Kind, UserError};

/// What is not an image after `FROM`.
const SCRATCH: &str = "scratch";

/// Why nobody can tell what a Dockerfile takes from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot tell which image is meant by {0:?} in the Dockerfile")]
pub struct Unclear(String);

impl UserError for Unclear {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("name the image itself, or with ${VARIABLE} of an ARG before it".into())
    }
}

/// The images named by `FROM` and `--from` in `text`, in order, without the names of stages.
/// `arguments` are the values of `--build-arg`.
///
/// # Errors
///
/// [`Unclear`] for a name that is made up in ways that nobody needs.
pub fn images(
    text: &str,
    arguments: &BTreeMap<String, Option<String>>,
) -> Result<Vec<String>, Unclear> {
    let mut found = Vec::new();
    let mut stages = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for line in instructions(text) {
        let (word, rest) = split(&line);
        let (word, rest) = match word.to_ascii_uppercase().as_str() {
            "ONBUILD" => split(rest),
            _ => (word, rest),
        };
        match word.to_ascii_uppercase().as_str() {
            // Before the first FROM they can be used in each FROM; later ones change nothing there.
            "ARG" if stages.is_empty() => {
                for argument in rest.split_whitespace() {
                    let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
                    let given = arguments.get(name).cloned().flatten();
                    let value = match given {
                        Some(value) => value,
                        None => expanded(unquoted(value), &known)?,
                    };
                    known.insert(name.into(), value);
                }
            }
            "FROM" => {
                let mut words = rest
                    .split_whitespace()
                    .filter(|word| !word.starts_with("--"));
                let image = expanded(words.next().unwrap_or_default(), &known)?;
                let is_stage = stages.contains(&image.to_ascii_lowercase());
                let named = words
                    .next()
                    .is_some_and(|word| word.eq_ignore_ascii_case("as"));
                let name = words.next().filter(|_| named).unwrap_or_default();
                stages.push(name.to_ascii_lowercase());
                if !is_stage && image != SCRATCH && !image.is_empty() {
                    found.push(image);
                }
            }
            "COPY" | "ADD" => {
                let flags = rest
                    .split_whitespace()
                    .take_while(|word| word.starts_with("--"));
                for from in flags.filter_map(|flag| flag.strip_prefix("--from=")) {
                    let from = expanded(from, &BTreeMap::new())?;
                    let is_stage = stages.contains(&from.to_ascii_lowercase());
                    if !is_stage && from.parse::<u32>().is_err() {
                        found.push(from);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The line at which the step of this number begins, from 1, and what stands there: the classic
/// builder counts instructions, and names no lines.
pub fn step(text: &str, number: usize) -> Option<(usize, &str)> {
    let text = text.trim_start_matches('\u{feff}');
    let escape = escape(text);
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut lines = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    let mut steps = std::iter::from_fn(|| {
        let first = lines.next()?;
        let mut line = first.1;
        while line.ends_with(escape) {
            line = lines.next().map_or("", |(_, line)| line);
        }
        Some(first)
    });
    let (line, found) = steps.nth(number.checked_sub(1)?)?;
    Some((line, found.strip_suffix(escape).unwrap_or(found).trim_end()))
}

/// The instructions, each on one line. What a line continues is also there without it, so that
/// nothing is hidden by an end of line that the builder sees and this does not.
fn instructions(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let escape = escape(text);
    let mut found = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if !whole.is_empty() && split(line).0.eq_ignore_ascii_case("FROM") {
            found.push(line.to_string());
        }
        match line.strip_suffix(escape) {
            Some(start) => whole.push_str(start),
            None => {
                whole.push_str(line);
                found.push(std::mem::take(&mut whole));
            }
        }
    }
    found.push(whole);
    found
}

/// The character before an end of line that does not count: `# escape=` at the top can change it.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    let pairs = directives.map_while(|line| line.split_once('='));
    let set = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case("escape"));
    match set.map(|(_, value)| value.trim()).next() {
        Some("`") => '`',
        _ => '\\',
    }
}

fn split(line: &str) -> (&str, &str) {
    line.trim_start()
        .split_once(char::is_whitespace)
        .unwrap_or((line.trim(), ""))
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// `text` with its variables replaced: `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}`.
fn expanded(text: &str, known: &BTreeMap<String, String>) -> Result<String, Unclear> {
    let unclear = || Unclear(text.into());
    if text.contains(['\\', '"', '\'', '`']) {
        return Err(unclear());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let value = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
        match after.strip_prefix('{') {
            Some(inside) => {
                let (inside, after) = inside.split_once('}').ok_or_else(unclear)?;
                let end = inside
                    .find(|c: char| !is_of_name(c))
                    .unwrap_or(inside.len());
                let (name, operator) = inside.split_at(end);
                let value = value(name);
                out.push_str(match (operator.get(..2), operator.get(2..)) {
                    _ if name.is_empty() || operator.contains('$') => return Err(unclear()),
                    (None, _) if operator.is_empty() => value,
                    (Some(":-"), Some(word)) if value.is_empty() => word,
                    (Some(":-"), _) => value,
                    (Some(":+"), Some(word)) if !value.is_empty() => word,
                    (Some(":+"), _) => "",
                    _ => return Err(unclear()),
                });
                rest = after;
            }
            None => {
                let end = after.find(|c: char| !is_of_name(c)).unwrap_or(after.len());
                if end == 0 {
                    return Err(unclear());
                }
                out.push_str(value(&after[..end]));
                rest = &after[end..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, Unclear> {
        let given = [("B".to_string(), Some("ds01-1002/x".to_string()))];
        images(text, &given.into())
    }

    #[test]
    fn every_image_that_is_taken_from_is_found() {
        for (text, expected) in [
            ("FROM a", vec!["a"]),
            (
                "\u{feff}from a as b\nFROM b\nCOPY --from=b / /\n",
                vec!["a"],
            ),
            (
                "FROM --platform=x a AS b\r\nCOPY --chown=1 --from=c:1 / /",
                vec!["a", "c:1"],
            ),
            (
                "FROM scratch\nCOPY --from=0 / /\nONBUILD COPY --from=d / /",
                vec!["d"],
            ),
            ("FR\\\nOM a", vec!["a"]),
            ("FR\\\n# comment\n\nOM a", vec!["a"]),
            ("# escape=`\nFR`\nOM a", vec!["a"]),
            ("RUN <<'E\\'\nE\\\nFROM a", vec!["a"]),
            ("ARG A=b\nFROM $A", vec!["b"]),
            ("ARG A\nFROM ${A:-b}/c", vec!["b/c"]),
            ("ARG A=x\nFROM ${A:+d}", vec!["d"]),
            ("ARG B=mine\nFROM ${B}", vec!["ds01-1002/x"]),
            (
                "ARG A=ds01-\nARG C=\"${A}1002\"\nFROM $C/x",
                vec!["ds01-1002/x"],
            ),
            ("FROM a\nARG A=b\nFROM c$A", vec!["a", "c"]),
        ] {
            assert_eq!(of(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_step_is_found_where_it_begins() {
        let text = "# escape=\\\n\nARG A=1\nFROM a\nRUN one && \\ \n  # why\n\n  two\n  \
                    COPY . .\nRUN three \\";
        let steps: Vec<_> = (0..7).map(|number| step(text, number)).collect();
        assert_eq!(
            steps,
            [
                None,
                Some((3, "ARG A=1")),
                Some((4, "FROM a")),
                Some((5, "RUN one &&")),
                Some((9, "COPY . .")),
                Some((10, "RUN three")),
                None
            ]
        );
        assert_eq!(
            step("# escape=`\nRUN a `\n b\nRUN c\\", 2),
            Some((4, "RUN c\\"))
        );
    }

    #[test]
    fn a_name_that_is_made_up_oddly_is_refused() {
        for text in [
            "FROM ${A:-$B}",
            "FROM \"a\"",
            "FROM a\\b",
            "FROM ${A?}",
            "FROM $",
            "FROM ${A",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
