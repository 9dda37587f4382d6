//! How long the settings of an image can come to be.

use std::{cmp::max, collections::BTreeMap};

use serde_json::Value;

use super::{instructions, split};

/// Bytes of an image's settings: the engine reads those of all images for every list of images, and
/// again for every step of a build.
pub const HEAVIEST: usize = 64 << 10;

/// Bytes that the history of an image has of an instruction beside its text.
const EACH: usize = 100;

/// The bytes that the changes of an import can come to in an image, never too few.
pub fn weight_of_changes(changes: &[String]) -> usize {
    let mut weight = Weight::default();
    weight.add_all(&changes.join("\n"));
    weight.all
}

/// The bytes that a Dockerfile can come to in an image, never too few: a variable may be set to several
/// others, and so on. `arguments` are the values of `--build-arg`, `bases` what the engine tells as
/// `Config` of the images that it takes from.
pub fn weight(text: &str, arguments: &BTreeMap<String, Option<String>>, bases: &[Value]) -> usize {
    let mut weight = Weight {
        each: EACH,
        ..Weight::default()
    };
    for (name, value) in arguments {
        weight.set(name, value.as_ref().map_or(0, String::len));
    }
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|text| text.as_str().map(Into::into))
            .collect()
    };
    for base in bases {
        for variable in texts(&base["Env"]) {
            let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
            weight.set(name, value.len());
        }
        weight.triggers.extend(texts(&base["OnBuild"]));
    }
    weight.add_all(text);
    let base = bases.iter().map(|base| base.to_string().len()).max();
    weight.all.saturating_add(base.unwrap_or_default())
}

#[derive(Default)]
struct Weight {
    all: usize,
    /// Of each instruction, beside its text.
    each: usize,
    /// The longest value that each variable ever has, in whichever stage.
    variables: BTreeMap<String, usize>,
    /// Of variables whose names are not plain to see: any name can be theirs.
    odd: usize,
    /// Of all `ARG`s: they stand before each command in the history.
    arguments: usize,
    /// What is done after each `FROM`.
    triggers: Vec<String>,
}

impl Weight {
    fn add_all(&mut self, text: &str) {
        for instruction in instructions(text).1 {
            self.add(&instruction.text);
        }
    }

    fn add(&mut self, text: &str) {
        let (word, rest) = split(text);
        let word = word.to_ascii_uppercase();
        let length = match &*word {
            // The shell's variables, not the builder's.
            "RUN" => text.len().saturating_add(self.arguments),
            "ONBUILD" => text.len(),
            _ => self.expanded(text),
        };
        self.all = self.all.saturating_add(length).saturating_add(self.each);
        match &*word {
            "ENV" | "ARG" => self.sets(rest, word == "ARG"),
            "ONBUILD" => self.triggers.push(rest.into()),
            "FROM" => self.triggers.clone().iter().for_each(|text| self.add(text)),
            _ => {}
        }
    }

    /// The variables that an instruction sets.
    fn sets(&mut self, rest: &str, are_arguments: bool) {
        // Where something is escaped a word can go on after a blank: then each may be all of it.
        let is_whole = rest.contains(['\\', '`']);
        let mut words = match is_whole {
            true => rest.split_whitespace().collect(),
            false => words(rest),
        };
        // `ENV name any words`
        let is_old = !are_arguments && words.first().is_some_and(|word| !word.contains('='));
        words.truncate(if is_old { 1 } else { usize::MAX });
        let whole = self.expanded(rest);
        let mut set = Vec::new();
        for word in words {
            let length = if is_old || is_whole {
                whole
            } else {
                self.expanded(word)
            };
            set.push((word.split('=').next().unwrap_or(word), length));
        }
        for (name, length) in set {
            if are_arguments {
                let given = self.variables.get(name).copied().unwrap_or_default();
                self.arguments = self.arguments.saturating_add(max(length, given));
            }
            self.set(name, length);
        }
    }

    fn set(&mut self, name: &str, length: usize) {
        let is_plain =
            name.bytes().all(is_of_name) && !name.starts_with(|c: char| c.is_ascii_digit());
        let longest = match is_plain {
            true => self.variables.entry(name.into()).or_default(),
            false => &mut self.odd,
        };
        *longest = max(*longest, length);
    }

    /// Bytes of a text with its variables replaced, at most.
    fn expanded(&self, text: &str) -> usize {
        let mut length = text.len();
        for after in text.split('$').skip(1) {
            let braced = after.strip_prefix('{');
            let after = braced.unwrap_or(after);
            let end = after.bytes().position(|byte| !is_of_name(byte));
            let (name, next) = after.split_at(end.unwrap_or(after.len()));
            let value = match next.chars().next() {
                // Letters beyond ASCII are of the name, too.
                Some(letter) if !letter.is_ascii() => self.variables.values().copied().max(),
                _ => self.variables.get(name).copied(),
            };
            let value = max(value.unwrap_or_default(), self.odd);
            // Newer builders put a word in the place of each part that fits.
            let times = match braced.is_some() && next.starts_with('/') {
                true => text.len(),
                false => 1,
            };
            length = length.saturating_add(value.saturating_mul(times));
        }
        length
    }
}

/// What stands between blanks that are not in quotes.
fn words(text: &str) -> Vec<&str> {
    let mut quote = None;
    let words = text.split(|c: char| {
        match quote {
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        quote.is_none() && c.is_whitespace()
    });
    words.filter(|word| !word.is_empty()).collect()
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> usize {
        weight(text, &BTreeMap::new(), &[])
    }

    #[test]
    fn what_is_usual_is_light() {
        let path =
            "ENV A=/opt/a PATH=/opt/a/bin:$PATH\nENV B=\"$A/b\" \\\n LD_PATH=\"$B/lib:$LD_PATH\"\n";
        let run = "RUN for i in $(seq $A); do echo $PATH ${PATH}; done\n";
        let base = json!({ "Env": [format!("PATH={}", "x".repeat(300))] });
        let text = format!("FROM a\n{}{}", path.repeat(8), run.repeat(60));
        let light = weight(&text, &BTreeMap::new(), &[base]);
        assert!(light < HEAVIEST / 2, "{light}");
    }

    #[test]
    fn variables_count_for_what_they_stand_for() {
        let long = "x".repeat(1000);
        for (text, least) in [
            (format!("ENV A={long}\nLABEL b=$A$A$A"), 4000),
            (format!("ENV A {long}\nLABEL b=${{A}}"), 2000),
            (format!("ARG A={long}\nLABEL b=${{A:-$A}}"), 3000),
            (format!("ENV A=\"{long}\" B=1\nLABEL b=$A"), 2000),
            (format!("ENV A=\"x B={long}\"\nLABEL b=$A$A"), 3000),
            (format!("ENV N=A $N={long}\nLABEL b=$A$A"), 3000),
            (format!("ENV 'A'={long}\nLABEL b=$A$A"), 3000),
            (format!("ENV 1={long}\nLABEL b=$1a$1a"), 3000),
            (
                format!("ENV \u{e4}a={long}\nLABEL b=$\u{e4}a$\u{e4}a"),
                3000,
            ),
            (format!("ENV A={long}\nENV B=$A$A\nENV C=$B$B"), 7000),
            (format!("ENV A={long}\nLABEL b=${{A//x/xx}}"), 15_000),
            (
                format!("ONBUILD LABEL b=$A\nENV A={long}\nFROM a\nFROM a"),
                3000,
            ),
            (format!("ARG A={long}\nRUN a\nRUN b"), 3000),
            ("USER a\n".repeat(100), 10_000),
        ] {
            assert!(of(&text) >= least, "{text}: {}", of(&text));
        }
        assert_eq!(
            of(&format!("ENV A={long}\n{}", "ENV A=$A$A\n".repeat(99))),
            usize::MAX
        );
    }

    #[test]
    fn so_do_those_of_the_base_and_of_the_query() {
        let long = "x".repeat(1000);
        let arguments = BTreeMap::from([("A".to_string(), Some(long.clone()))]);
        assert!(weight("ARG A\nLABEL b=$A$A", &arguments, &[]) >= 2000);
        assert!(weight("ARG A\nRUN x\nRUN x", &arguments, &[]) >= 2000);
        let changes = [format!("ENV A={long}"), "LABEL b=$A$A".into()];
        assert!((3000..3100).contains(&weight_of_changes(&changes)));
        let base = json!({ "Env": [format!("A={long}")], "OnBuild": ["LABEL b=$A$A"] });
        let of_base = |text: &str| weight(text, &BTreeMap::new(), std::slice::from_ref(&base));
        assert!(of_base("FROM a") >= 3000 && of_base("FROM a\nLABEL c=$A") >= 4000);
    }
}
