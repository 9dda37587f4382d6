//! The line of a key. The YAML parser tells lines only with its own errors.

/// The lines, counted from 1, on which the key at `path` seems to stand; items of a list have
/// their number, counted from 0, for a key.
///
/// Sees what people write in such files: block style with flow style inside one line. Text that
/// goes on over several lines can look like keys, so that a path may be found more than once, or
/// not at all: only the caller knows that it exists, and can trust a single line.
pub(super) fn of(text: &str, path: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut stack: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let line = line.trim_end();
        let mut rest = line.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        while let Some(item) = rest
            .strip_prefix('-')
            .filter(|item| item.is_empty() || item.starts_with(' '))
        {
            let indent = line.len() - rest.len();
            stack.retain(|entry| entry.indent <= indent);
            // A list may stand as far left as the key that it belongs to.
            let index = match stack.last() {
                Some(Entry {
                    indent: same,
                    index: Some(index),
                    ..
                }) if *same == indent => {
                    let index = index + 1;
                    stack.pop();
                    index
                }
                _ => 0,
            };
            stack.push(Entry {
                indent,
                key: index.to_string(),
                index: Some(index),
            });
            if leads_to(&stack, path) {
                found.push(number);
            }
            rest = item.trim_start_matches(' ');
        }
        let Some((key, value)) = split_key(rest) else {
            continue;
        };
        let indent = line.len() - rest.len();
        stack.retain(|entry| entry.indent < indent);
        stack.push(Entry {
            indent,
            key: key.into(),
            index: None,
        });
        let inside =
            is_flow(value) && (1..path.len()).any(|length| leads_to(&stack, &path[..length]));
        if inside || leads_to(&stack, path) {
            found.push(number);
        }
    }
    found
}

struct Entry {
    indent: usize,
    key: String,
    index: Option<usize>,
}

fn leads_to(stack: &[Entry], path: &[&str]) -> bool {
    stack
        .iter()
        .map(|entry| entry.key.as_str())
        .eq(path.iter().copied())
}

/// The key at the start of a line, and what follows its colon.
fn split_key(line: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = line.strip_prefix(quote) {
            let (key, rest) = quoted.split_once(quote)?;
            return rest
                .trim_start()
                .strip_prefix(':')
                .map(|value| (key, value));
        }
    }
    let (key, value) = match line.split_once(": ") {
        Some(parts) => parts,
        None => (line.split(" #").next()?.trim_end().strip_suffix(':')?, ""),
    };
    let plain = !key.contains(['{', '}', '[', ']', ',', '#', '"', '\'', '\\']);
    plain.then_some((key.trim_end(), value))
}

/// A value in brackets that ends on its line.
fn is_flow(value: &str) -> bool {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let count = |brackets: [char; 2]| value.matches(brackets).count();
    value.starts_with(['{', '['])
        && value.ends_with(['}', ']'])
        && count(['{', '[']) == count(['}', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "# a\ndefaults:\n  memory: 1\n\ngroups:\n  a:\n    memory: 2   # x: y\n  \"b\": # z\r\n    memory: 3\n\
                    list:\n- name: x\n  memory: 4\n-\n  name: y\nother:\n  - name: z\n  - {name: w}\nflow: {a: {memory: 5}}\n";
        for (path, line) in [
            (&["defaults"][..], 2),
            (&["defaults", "memory"], 3),
            (&["groups", "a", "memory"], 7),
            (&["groups", "b"], 8),
            (&["groups", "b", "memory"], 9),
            (&["list", "0", "name"], 11),
            (&["list", "0", "memory"], 12),
            (&["list", "1", "name"], 14),
            (&["other", "0", "name"], 16),
            (&["other", "1"], 17),
            (&["flow", "a", "memory"], 18),
        ] {
            assert_eq!(of(text, path), [line], "{path:?}");
        }
    }

    #[test]
    fn what_is_not_sure_is_not_a_line() {
        assert_eq!(
            of("a:\n  memory: 1\n  memory: 2\n", &["a", "memory"]),
            [2, 3]
        );
        assert_eq!(of("a: {b: 1,\n  c: 2}\n", &["a", "b"]), [0usize; 0]);
        assert_eq!(
            of("a:\n  text: |\n    memory: 1\n", &["a", "memory"]),
            [0usize; 0]
        );
    }
}
