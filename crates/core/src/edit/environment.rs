//! An `environment.yml`, from whose lists whole lines are taken. It is conda's: what is added goes
//! to lists of pip's, but for what it has already.

use std::ops::Range;

use serde_yaml::Value;

use super::Unedited;
use crate::{
    requirements::{normal, required},
    sources::{ENVIRONMENT, Wrong, of_conda},
};

/// What a file lists under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// As it is written.
    pub(super) text: String,
    /// In the list that is pip's.
    is_pip: bool,
}

impl Item {
    /// Whether it is what pip's requirement of this name stands for.
    fn is(&self, name: &str) -> bool {
        self.names().iter().any(|own| own == name)
    }

    /// Its own name, and the one that pip knows it by.
    pub(super) fn names(&self) -> Vec<String> {
        if self.is_pip {
            return required(&self.text).into_iter().collect();
        }
        let spec = self.text.rsplit("::").next().unwrap_or(&self.text);
        let own = spec.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let own = own.map(normal).next().filter(|name| !name.is_empty());
        let pip = of_conda(&self.text).flatten();
        let pip = pip.and_then(|requirement| required(&requirement));
        own.into_iter().chain(pip).collect()
    }
}

/// All that a file lists, in order.
pub(super) fn items(text: &str) -> Result<Vec<Item>, Unedited> {
    let parsed = parsed(text)?;
    let mut items = Vec::new();
    for entry in parsed
        .get("dependencies")
        .and_then(Value::as_sequence)
        .into_iter()
        .flatten()
    {
        match entry {
            Value::String(text) => items.push(Item {
                text: text.clone(),
                is_pip: false,
            }),
            Value::Mapping(one) => {
                let lines = one.get("pip").and_then(Value::as_sequence);
                let lines = lines.into_iter().flatten().filter_map(Value::as_str);
                items.extend(lines.map(|line| Item {
                    text: line.into(),
                    is_pip: true,
                }));
            }
            _ => {}
        }
    }
    Ok(items)
}

/// The file without what it lists under a name.
pub(super) fn without(text: &str, name: &str) -> Result<String, Unedited> {
    let mut new = text.to_string();
    let places = lines(text, name);
    if places.is_empty() {
        return Err(by_hand());
    }
    for place in places.into_iter().rev() {
        new.replace_range(place.line, "");
    }
    checked(text, new, name, None)
}

/// The file with another requirement in the place of one.
pub(super) fn replaced(text: &str, name: &str, requirement: &str) -> Result<String, Unedited> {
    let places = lines(text, name);
    let [place] = places.as_slice() else {
        return Err(by_hand());
    };
    let items = items(text)?;
    let conda = items.iter().find(|item| item.is(name) && !item.is_pip);
    let requirement = match conda {
        Some(item) => as_conda(item, name, requirement).ok_or_else(by_hand)?,
        None => requirement.into(),
    };
    let mut new = text.to_string();
    let quoted = serde_json::Value::from(&*requirement).to_string();
    new.replace_range(place.scalar.clone(), &quoted);
    checked(text, new, name, Some(&requirement))
}

/// What conda is told in the place of `item`, from the same channel; `None` if that would not
/// surely be the requirement of pip's.
fn as_conda(item: &Item, name: &str, requirement: &str) -> Option<String> {
    let same_name = item.names().first().is_some_and(|own| own == name);
    let same = of_conda(requirement).flatten().as_deref() == Some(requirement);
    let channel = item.text.rsplit_once("::").map(|(channel, _)| channel);
    (same_name && same).then(|| match channel {
        Some(channel) => format!("{channel}::{requirement}"),
        None => requirement.into(),
    })
}

/// `new`, if it lists what `text` does but for what was meant, and is the same in all else.
fn checked(
    text: &str,
    new: String,
    name: &str,
    requirement: Option<&str>,
) -> Result<String, Unedited> {
    let mut wanted = parsed(text)?;
    if let Some(list) = wanted
        .get_mut("dependencies")
        .and_then(Value::as_sequence_mut)
    {
        let is = |entry: &Value, is_pip: bool| {
            let text = entry.as_str().unwrap_or_default().into();
            Item { text, is_pip }.is(name)
        };
        match requirement {
            Some(requirement) => list
                .iter_mut()
                .filter(|entry| is(entry, false))
                .for_each(|entry| *entry = requirement.into()),
            None => list.retain(|entry| !is(entry, false)),
        }
        for pip in list
            .iter_mut()
            .filter_map(|entry| entry.get_mut("pip")?.as_sequence_mut())
        {
            match requirement {
                Some(requirement) => pip
                    .iter_mut()
                    .filter(|entry| is(entry, true))
                    .for_each(|entry| *entry = requirement.into()),
                None => pip.retain(|entry| !is(entry, true)),
            }
        }
    }
    match parsed(&new) {
        Ok(found) if found == wanted => Ok(new),
        _ => Err(by_hand()),
    }
}

/// Where an item has a line of its own.
struct Place {
    line: Range<usize>,
    scalar: Range<usize>,
}

/// The lines below `dependencies:` with an item of this name.
fn lines(text: &str, name: &str) -> Vec<Place> {
    let mut within = false;
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let begins = start;
        start += line.len();
        let key = line.trim_start_matches('\u{feff}');
        if key.starts_with(|c: char| c.is_ascii_alphabetic() || "\"'".contains(c)) {
            within = key.starts_with("dependencies");
        }
        let Some(scalar) = scalar(line).filter(|_| within) else {
            continue;
        };
        let text = &line[scalar.clone()];
        let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
        let text = inside('"').or_else(|| inside('\'')).unwrap_or(text);
        let item = |is_pip| Item {
            text: text.into(),
            is_pip,
        };
        if item(true).is(name) || item(false).is(name) {
            found.push(Place {
                line: begins..start,
                scalar: begins + scalar.start..begins + scalar.end,
            });
        }
    }
    found
}

/// Where the item of a line `- item  # comment` stands in it, with its quotes.
fn scalar(line: &str) -> Option<Range<usize>> {
    let start = line.len() - line.trim_start().len();
    let rest = line[start..].strip_prefix('-')?;
    let item = rest.trim_start();
    let start = line.len() - item.len();
    let quote = item.chars().next().filter(|c| "\"'".contains(*c));
    let end = match quote {
        Some(quote) => 2 + item[1..].find(quote)?,
        None => {
            let item = item.split(" #").next().unwrap_or(item);
            item.split("\t#").next().unwrap_or(item).trim_end().len()
        }
    };
    (end > 0 && !item[..end].ends_with(':')).then_some(start..start + end)
}

fn by_hand() -> Unedited {
    Unedited::ByHand {
        file: ENVIRONMENT,
        list: "dependencies".into(),
    }
}

fn parsed(text: &str) -> Result<Value, Wrong> {
    serde_yaml::from_str(text).map_err(|error| Wrong {
        file: ENVIRONMENT,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# numpy is here\nname: numpy\nchannels: # numpy\n  - numpy\ndependencies:\n\
                        - python=3.11\n- conda-forge::scipy >=1.10  # why\n# mine\n- matplotlib-base\n\
                        - numpy=1.26\n- pip\n- pip:  # below\n  - 'x[a] >= 1 ; a > \"3\"'  # x\n  \
                        - numpy-stubs\n  - -e ./lib\n  - \"y\"\nvariables:\n  a: numpy\n";

    #[test]
    fn a_line_goes_and_the_rest_stays_to_the_byte() {
        for (name, line) in [
            ("numpy", "- numpy=1.26\n"),
            ("scipy", "- conda-forge::scipy >=1.10  # why\n"),
            ("matplotlib", "- matplotlib-base\n"),
            ("matplotlib-base", "- matplotlib-base\n"),
            ("x", "  - 'x[a] >= 1 ; a > \"3\"'  # x\n"),
            ("y", "  - \"y\"\n"),
        ] {
            for ends in ["\n", "\r\n"] {
                let (text, line) = (FILE.replace('\n', ends), line.replace('\n', ends));
                assert_eq!(without(&text, name), Ok(text.replace(&line, "")), "{name}");
            }
        }
    }

    #[test]
    fn what_it_has_is_changed() {
        let new = replaced(FILE, "x", "x==2").unwrap();
        assert_eq!(new, FILE.replace("'x[a] >= 1 ; a > \"3\"'", "\"x==2\""));
        let new = replaced(FILE, "numpy-stubs", "numpy-stubs==1").unwrap();
        assert_eq!(new, FILE.replace("numpy-stubs", "\"numpy-stubs==1\""));
        let new = replaced(FILE, "numpy", "numpy>=2,<3").unwrap();
        assert_eq!(new, FILE.replace("- numpy=1.26", "- \"numpy>=2,<3\""));
        let new = replaced(FILE, "scipy", "scipy==1.12").unwrap();
        let scipy = "- \"conda-forge::scipy==1.12\"";
        assert_eq!(new, FILE.replace("- conda-forge::scipy >=1.10", scipy));
        for (name, other) in [
            ("numpy", "numpy[extra]==2"),
            ("numpy", "numpy @ https://x/numpy.whl"),
            ("matplotlib", "matplotlib==3"),
        ] {
            assert_eq!(replaced(FILE, name, other), Err(by_hand()), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_changed_without_loss_is_left() {
        for text in [
            "dependencies: [numpy, scipy]\n",
            "dependencies:\n- scipy\n- - numpy\n",
            "dependencies:\n- &one numpy\n- *one\n",
            "dependencies:\n- >-\n  numpy\n- scipy\n",
            "dependencies:\n- pip:\n  - numpy\n",
            "dependencies: {numpy: 1}\n",
        ] {
            assert_eq!(without(text, "numpy"), Err(by_hand()), "{text}");
        }
    }

    #[test]
    fn what_is_listed_is_told() {
        let told = items(FILE).unwrap();
        let names: Vec<_> = told.iter().map(|item| item.names().join(" ")).collect();
        let expected = [
            "python",
            "scipy scipy",
            "matplotlib-base matplotlib",
            "numpy numpy",
            "pip",
            "x",
            "numpy-stubs",
            "",
            "y",
        ];
        assert_eq!(names, expected);
    }
}
