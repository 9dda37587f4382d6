//! Values of `ARG`s, and where they stand for a part of a name.

use std::collections::BTreeMap;

use super::Unclear;

/// Learns what `ARG` sets.
pub(super) fn argument(
    rest: &str,
    arguments: &BTreeMap<String, Option<String>>,
    known: &mut BTreeMap<String, String>,
) -> Result<(), Unclear> {
    for argument in rest.split_whitespace() {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let given = arguments.get(name).cloned().flatten();
        let value = match given {
            Some(value) => value,
            None => expanded(unquoted(value), known)?,
        };
        known.insert(name.into(), value);
    }
    Ok(())
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// `text` with its variables replaced: `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}`.
pub(super) fn expanded(text: &str, known: &BTreeMap<String, String>) -> Result<String, Unclear> {
    let unclear = || Unclear::Image(text.into());
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
