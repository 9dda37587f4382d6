//! The lists of a `pyproject.toml`, of which one item is changed: all else stays to the byte.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::Unedited;
use crate::sources::{PYPROJECT, Wrong};

/// A list of texts, by its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// `dependencies` of `[project]`.
    Dependencies,
    /// A group of `[project.optional-dependencies]`.
    Group(String),
    /// `apt` of `[tool.ds01]`.
    Apt,
}

impl Which {
    fn keys(&self) -> Vec<&str> {
        match self {
            Self::Dependencies => vec!["project", "dependencies"],
            Self::Group(group) => vec!["project", "optional-dependencies", group],
            Self::Apt => vec!["tool", "ds01", "apt"],
        }
    }
}

type Texts = Spanned<Vec<Spanned<String>>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pyproject {
    project: Project,
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Project {
    dependencies: Option<Texts>,
    optional_dependencies: BTreeMap<String, Texts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    ds01: Own,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Own {
    apt: Option<Texts>,
}

/// A list, and where it stands in the text.
pub(super) struct List<'a> {
    text: &'a str,
    which: Which,
    /// With its brackets.
    place: Range<usize>,
    items: Vec<Spanned<String>>,
}

impl<'a> List<'a> {
    /// Finds a list; `None` if there is no such.
    pub(super) fn find(text: &'a str, which: Which) -> Result<Option<Self>, Unedited> {
        // Offsets count from the mark before the text, if it has one.
        let Pyproject { mut project, tool } = parsed(text)?;
        let found = match &which {
            Which::Dependencies => project.dependencies,
            Which::Group(group) => project.optional_dependencies.remove(group),
            Which::Apt => tool.ds01.apt,
        };
        Ok(found.map(|found| Self {
            text,
            which,
            place: found.span(),
            items: found.into_inner(),
        }))
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.get_ref().as_str())
    }

    pub(super) fn position(&self, is: impl Fn(&str) -> bool) -> Option<usize> {
        self.items().position(is)
    }

    /// The text without one of the items.
    pub(super) fn without(&self, index: usize) -> Result<String, Unedited> {
        let mut expected = self.values();
        expected.remove(index);
        let item = self.items[index].span();
        let line = line_of(self.text, &item);
        let before = &self.text[line.start..item.start];
        let comma = self.comma(index);
        let end = comma.map_or(item.end, |at| at + 1);
        let alone = before.trim().is_empty() && self.ends_line(end, &line);
        let gone = if alone {
            line
        } else if comma.is_some() {
            let blanks = self.text[end..].trim_start_matches([' ', '\t']);
            item.start..self.text.len() - blanks.len()
        } else {
            // The last: the comma before it goes, unless a line or a comment is between.
            let between = index.checked_sub(1).map(|one| self.items[one].span().end);
            let start = between.filter(|start| {
                let between = &self.text[*start..item.start];
                between.chars().all(|c| ", \t".contains(c))
            });
            start.unwrap_or(item.start)..item.end
        };
        self.checked(vec![(gone, String::new())], expected)
    }

    /// The text with another item in the place of one.
    pub(super) fn replaced(&self, index: usize, new: &str) -> Result<String, Unedited> {
        let mut expected = self.values();
        expected[index] = new.into();
        let item = self.items[index].span();
        let quoted = self.quoted(Some(&item), new);
        self.checked(vec![(item, quoted)], expected)
    }

    /// The text with one more item at the end.
    pub(super) fn with(&self, new: &str) -> Result<String, Unedited> {
        let mut expected = self.values();
        expected.push(new.into());
        let Some(last) = self.items.last().map(Spanned::span) else {
            let at = self.place.start + 1;
            let quoted = self.quoted(None, new);
            return self.checked(vec![(at..at, quoted)], expected);
        };
        let quoted = self.quoted(Some(&last), new);
        let line = line_of(self.text, &last);
        let indent = &self.text[line.start..last.start];
        let comma = self.comma(self.items.len() - 1);
        let end = comma.map_or(last.end, |at| at + 1);
        let own_line = indent.trim().is_empty() && self.ends_line(end, &line);
        let changes = if own_line {
            let mut line_end = self.text[..line.end].trim_end_matches(['\r', '\n']).len();
            line_end = line_end.max(end);
            let newline = if self.text.contains("\r\n") {
                "\r\n"
            } else {
                "\n"
            };
            let trailing = if comma.is_some() { "," } else { "" };
            let new = format!("{newline}{indent}{quoted}{trailing}");
            let mut changes = vec![(line_end..line_end, new)];
            if comma.is_none() {
                changes.push((last.end..last.end, ",".into()));
            }
            changes
        } else {
            vec![(last.end..last.end, format!(", {quoted}"))]
        };
        self.checked(changes, expected)
    }

    /// Whether nothing but a comment follows on a line.
    fn ends_line(&self, end: usize, line: &Range<usize>) -> bool {
        // A comma may stand on the next one.
        let behind = self.text.get(end..line.end).map(str::trim);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('#'))
    }

    /// Where the comma stands that ends an item, if one does.
    fn comma(&self, index: usize) -> Option<usize> {
        let start = self.items[index].span().end;
        let end = match self.items.get(index + 1) {
            Some(next) => next.span().start,
            None => self.place.end,
        };
        let mut in_comment = false;
        for (at, c) in self.text[start..end].char_indices() {
            match c {
                '#' => in_comment = true,
                '\n' => in_comment = false,
                ',' if !in_comment => return Some(start + at),
                _ => {}
            }
        }
        None
    }

    /// An item as TOML has it, in the quotes of another where they can hold it.
    fn quoted(&self, like: Option<&Range<usize>>, item: &str) -> String {
        let single = like.is_some_and(|like| self.text[like.start..].starts_with('\''));
        match single && !item.contains('\'') {
            true => format!("'{item}'"),
            // TOML's basic strings take what JSON's have.
            false => serde_json::Value::from(item).to_string(),
        }
    }

    fn values(&self) -> Vec<Value> {
        self.items().map(Value::from).collect()
    }

    /// The text with some of it changed, if that changes the list as expected and nothing else.
    fn checked(
        &self,
        mut changes: Vec<(Range<usize>, String)>,
        expected: Vec<Value>,
    ) -> Result<String, Unedited> {
        changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut new = self.text.to_string();
        for (place, text) in changes {
            new.replace_range(place, &text);
        }
        let mut wanted: Table = parsed(self.text)?;
        let as_expected = set(&mut wanted, &self.which.keys(), expected).is_some()
            && parsed::<Table>(&new).is_ok_and(|found| found == wanted);
        match as_expected {
            true => Ok(new),
            false => Err(Unedited::ByHand {
                file: PYPROJECT,
                list: self.which.keys().join("."),
            }),
        }
    }
}

/// Puts a list in the place of another.
fn set(table: &mut Table, keys: &[&str], list: Vec<Value>) -> Option<()> {
    let (last, tables) = keys.split_last()?;
    let mut table = table;
    for key in tables {
        table = table.get_mut(*key)?.as_table_mut()?;
    }
    *table.get_mut(*last)? = Value::Array(list);
    Some(())
}

/// The whole lines on which `place` begins and ends, with the last one's end.
fn line_of(text: &str, place: &Range<usize>) -> Range<usize> {
    let start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.end..].find('\n');
    start..end.map_or(text.len(), |at| place.end + at + 1)
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    toml::from_str(text).map_err(|error| Wrong {
        file: PYPROJECT,
        reason: error.message().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> List<'_> {
        List::find(text, Which::Dependencies).unwrap().unwrap()
    }

    /// A file with this list, in its midst.
    fn file(list: &str) -> String {
        format!(
            "# top\n[project]\nname = 'x'   # odd   \ndependencies = {list} # all\n\n\
             [tool.black]\nline-length=100\n"
        )
    }

    const LINES: &str = "[\n  # first\n  \"numpy>=1.26\",  # arrays\n  'scipy',\n\n  \
                         \"torch\"  # not in the image\n]";

    #[test]
    fn an_item_goes_with_its_comment_and_nothing_else() {
        for (before, index, after) in [
            ("[\"a\", \"b\", 'c']", 0, "[\"b\", 'c']"),
            ("[\"a\", \"b\", 'c']", 1, "[\"a\", 'c']"),
            ("[\"a\", \"b\", 'c']", 2, "[\"a\", \"b\"]"),
            ("[ \"a\" ]", 0, "[  ]"),
            ("[\"a\",]", 0, "[]"),
            ("[\"a\",\n \"b\"]", 0, "[\n \"b\"]"),
            ("[\"a\",\n \"b\"]", 1, "[\"a\",\n ]"),
            ("[\"a\", # x, y\n \"b\"]", 0, "[# x, y\n \"b\"]"),
            ("[\n  \"a\"\n  , # x\n  \"b\"\n]", 0, "[\n  # x\n  \"b\"\n]"),
            (
                LINES,
                0,
                "[\n  # first\n  'scipy',\n\n  \"torch\"  # not in the image\n]",
            ),
            (
                LINES,
                1,
                "[\n  # first\n  \"numpy>=1.26\",  # arrays\n\n  \"torch\"  # not in the image\n]",
            ),
            (
                LINES,
                2,
                "[\n  # first\n  \"numpy>=1.26\",  # arrays\n  'scipy',\n\n]",
            ),
        ] {
            for ends in ["\n", "\r\n"] {
                let text = file(before).replace('\n', ends);
                let new = list(&text).without(index).unwrap();
                assert_eq!(new, file(after).replace('\n', ends), "{before} {index}");
            }
        }
    }

    #[test]
    fn an_item_is_changed_in_its_own_quotes() {
        let text = file(LINES);
        let new = list(&text).replaced(1, "scipy>=1").unwrap();
        assert_eq!(new, text.replace("'scipy'", "'scipy>=1'"));
        let odd = "scipy ; os_name == 'nt' and x == \"\\\"";
        let new = list(&text).replaced(1, odd).unwrap();
        let quoted = r#""scipy ; os_name == 'nt' and x == \"\\\"""#;
        assert_eq!(new, text.replace("'scipy'", quoted));
    }

    #[test]
    fn an_item_is_added_as_the_others_stand() {
        for (before, after) in [
            ("[]", "[\"z\"]"),
            ("[ # none\n]", "[\"z\" # none\n]"),
            ("['a']", "['a', 'z']"),
            ("[\"a\", \"b\", ]", "[\"a\", \"b\", \"z\", ]"),
            ("[\n  \"a\",\n]", "[\n  \"a\",\n  \"z\",\n]"),
            ("[\n\t'a', 'b'\n]", "[\n\t'a', 'b', 'z'\n]"),
            ("[\"a\",\n \"b\"]", "[\"a\",\n \"b\", \"z\"]"),
            (
                LINES,
                "[\n  # first\n  \"numpy>=1.26\",  # arrays\n  'scipy',\n\n  \
                 \"torch\",  # not in the image\n  \"z\"\n]",
            ),
        ] {
            for ends in ["\n", "\r\n"] {
                let text = file(before).replace('\n', ends);
                let new = list(&text).with("z").unwrap();
                assert_eq!(new, file(after).replace('\n', ends), "{before}");
            }
        }
    }

    #[test]
    fn lists_are_found_wherever_toml_lets_them_stand() {
        let text = "tool = { ds01 = { apt = ['x'] } }\nproject.dependencies = ['a']\n\
                    [project.optional-dependencies]\n'odd name' = [\n'b' ]\n";
        let found = |which| {
            let list = List::find(text, which).unwrap();
            list.map(|list| list.without(0).unwrap())
        };
        assert_eq!(found(Which::Apt), Some(text.replace("'x'", "")));
        assert_eq!(found(Which::Dependencies), Some(text.replace("'a'", "")));
        let group = Which::Group("odd name".into());
        assert_eq!(found(group), Some(text.replace("'b'", "")));
        assert_eq!(found(Which::Group("none".into())), None);
        assert!(
            List::find("[project]\n", Which::Dependencies)
                .unwrap()
                .is_none()
        );
        let marked = format!("\u{feff}{}", file("['a']"));
        let new = list(&marked).with("b").unwrap();
        assert_eq!(new, marked.replace("['a']", "['a', 'b']"));
    }
}
