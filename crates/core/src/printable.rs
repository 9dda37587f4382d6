//! Text that cannot drive the terminal it is shown on.

use std::borrow::Cow;

/// `text` with every character that a terminal would act on written as an escape.
///
/// Names, labels and messages of the engine may hold anything: escape sequences that retitle a
/// window or clear it, line ends that forge a row, marks that reverse the reading direction.
///
/// ```
/// # use ds01_core::printable::printable;
/// assert_eq!(printable("naïve 名"), "naïve 名");
/// assert_eq!(printable("a\x1b[2J\n"), r"a\u{1b}[2J\n");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
    }
    Cow::Owned(shown)
}

/// `text` without the numbers that errors of the system come with, as the GNU tools show them.
///
/// ```
/// # use ds01_core::printable::without_codes;
/// assert_eq!(without_codes("a: Not a directory (os error 20)"), "a: Not a directory");
/// ```
pub fn without_codes(text: &str) -> Cow<'_, str> {
    const OPEN: &str = " (os error ";
    let mut parts = text.split(OPEN);
    let Some(first) = parts.next().filter(|first| first.len() < text.len()) else {
        return Cow::Borrowed(text);
    };
    let mut shown = first.to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != '-');
        match end.map(|at| part.split_at(at)) {
            Some((number, rest)) if !number.is_empty() && rest.starts_with(')') => {
                shown.push_str(&rest[1..]);
            }
            _ => {
                shown.push_str(OPEN);
                shown.push_str(part);
            }
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal acts on `c` instead of showing it.
///
/// Source: C0, DEL and C1 of ECMA-48; line separators and directional marks of Unicode's UAX 9.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        for (text, shown) in [
            ("plain-1_2.x/y:z", "plain-1_2.x/y:z"),
            ("tab\there", r"tab\there"),
            ("\x07\x7f", r"\u{7}\u{7f}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("gpj.\u{202e}exe", r"gpj.\u{202e}exe"),
            ("\u{2028}", r"\u{2028}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn only_the_numbers_of_errors_go() {
        for (text, shown) in [
            ("plain", "plain"),
            ("a (os error 2), b (os error 13)", "a, b"),
            ("a (os error 2", "a (os error 2"),
            ("a (os error x)", "a (os error x)"),
            ("a (os error )", "a (os error )"),
        ] {
            assert_eq!(without_codes(text), shown);
        }
    }
}
