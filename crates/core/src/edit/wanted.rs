//! A package that is asked for by name, as pip has it.
//!
//! Source: the Python Packaging User Guide, "Dependency specifiers".

use crate::{
    failure::{Kind, UserError},
    recipe::apt_name,
    requirements::{normal, required},
    sources::is_local,
};

/// A requirement that has a name: `numpy`, `x[a,b]>=1,<2 ; python_version < "3.12"`, `y @ https://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The package's name, as PEP 503 normalises it.
    pub name: String,
    /// As it was written.
    pub text: String,
}

impl Wanted {
    /// Whether it is a name alone, which any version fits.
    pub(super) fn is_bare(&self) -> bool {
        normal(&self.text) == self.name
    }
}

/// What is no list of packages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPackage {
    /// It has no form that pip knows.
    #[error("{0:?} is no package")]
    Form(String),
    /// A file of the folder.
    #[error("{0:?} is a file")]
    File(String),
    /// An address that does not say which package is there.
    #[error("{0:?} does not say which package is there")]
    Nameless(String),
    /// No package of Debian's is called so.
    #[error("no package of Debian's can be called {0:?}")]
    Apt(String),
}

impl UserError for NoPackage {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Form(_) => {
                "as pip has them, with blanks between: 'numpy>=1.26 einops'; one with a marker is \
                 the last"
                    .into()
            }
            Self::File(_) => "write it into requirements.txt yourself".into(),
            Self::Apt(_) => {
                "as apt-get has them, with blanks between: name, or name=version".into()
            }
            Self::Nameless(url) => format!("put its name before it: 'name @ {url}'"),
        })
    }
}

/// The packages of a list with blanks between. What stands behind a `;` is the marker of the last.
///
/// # Errors
///
/// [`NoPackage`].
pub fn wanted(list: &str) -> Result<Vec<Wanted>, NoPackage> {
    let mut found = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let word = || rest.split_whitespace().next().unwrap_or(rest).to_string();
        let length = length(rest).ok_or_else(|| NoPackage::Form(word()))?;
        let text = rest[..length].trim_end();
        if text.contains(char::is_control) {
            return Err(NoPackage::Form(text.into()));
        }
        if is_local(text) {
            return Err(NoPackage::File(text.into()));
        }
        let name = required(text).ok_or_else(|| NoPackage::Nameless(text.into()))?;
        found.push(Wanted {
            name,
            text: text.into(),
        });
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// The packages of Debian's in a list with blanks between: `name`, or `name=version`.
///
/// # Errors
///
/// [`NoPackage::Apt`].
pub fn apt(list: &str) -> Result<Vec<String>, NoPackage> {
    let name = |word: &str| match apt_name(word) {
        Ok(name) => Ok(name.to_string()),
        Err(_) => Err(NoPackage::Apt(word.into())),
    };
    list.split_whitespace().map(name).collect()
}

/// The bytes of the requirement that `text` begins with; `None` if it begins with none.
fn length(text: &str) -> Option<usize> {
    let mut reader = Reader { rest: text };
    let word = text.split_whitespace().next()?;
    let is_address = word.contains("://") && !word.starts_with('-');
    let is_file = word.contains(['/', '\\']) || word.starts_with('.');
    if is_address || is_file {
        reader.rest = &text[word.len()..];
    } else {
        let first = reader.while_some(|c| c.is_ascii_alphanumeric() || "._-".contains(c))?;
        let ends = |c: char| c.is_ascii_alphanumeric();
        if !first.starts_with(ends) || !first.ends_with(ends) {
            return None;
        }
        if reader.takes("[") {
            reader.while_some(|c| c.is_ascii_alphanumeric() || "._-, ".contains(c));
            if !reader.takes("]") {
                return None;
            }
        }
        if reader.takes("@") {
            reader.skip_blanks();
            reader.while_some(|c| !c.is_whitespace())?;
        } else {
            reader.versions()?;
        }
    }
    if reader.takes(";") {
        return (!reader.rest.trim().is_empty()).then_some(text.len());
    }
    let ends = reader.rest.is_empty() || reader.rest.starts_with(char::is_whitespace);
    ends.then(|| text.len() - reader.rest.len())
}

/// What is still to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The characters that fit, one at least.
    fn while_some(&mut self, fits: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!found.is_empty()).then_some(found)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `word`, and blanks before it, if it comes next.
    fn takes(&mut self, word: &str) -> bool {
        match self.rest.trim_start().strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `>=1,<2`, which may be nothing; `None` if it breaks off.
    fn versions(&mut self) -> Option<()> {
        const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
        if !OPERATORS.iter().any(|operator| self.takes(operator)) {
            return Some(());
        }
        loop {
            self.skip_blanks();
            self.while_some(|c| c.is_ascii_alphanumeric() || "._*+!-".contains(c))?;
            if !self.takes(",") {
                return Some(());
            }
            if !OPERATORS.iter().any(|operator| self.takes(operator)) {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_apart_where_packages_end() {
        for (list, expected) in [
            ("numpy", &[("numpy", "numpy")][..]),
            (" a  B.c_d\n", &[("a", "a"), ("b-c-d", "B.c_d")]),
            (
                "numpy >= 1.26 , <2 torch==2.8.0+cu126 x~=1.*",
                &[
                    ("numpy", "numpy >= 1.26 , <2"),
                    ("torch", "torch==2.8.0+cu126"),
                    ("x", "x~=1.*"),
                ],
            ),
            (
                "a[b, c-d] z ===1-odd e[] f",
                &[
                    ("a", "a[b, c-d]"),
                    ("z", "z ===1-odd"),
                    ("e", "e[]"),
                    ("f", "f"),
                ],
            ),
            (
                "a tomli>=2 ; python_version < \"3.11\" and os_name != 'nt'",
                &[
                    ("a", "a"),
                    (
                        "tomli",
                        "tomli>=2 ; python_version < \"3.11\" and os_name != 'nt'",
                    ),
                ],
            ),
            (
                "y @ https://h/y-1.whl?a=b&c=$H#sha256=0 git+ssh://g@h/z.git@v1#egg=Z.z",
                &[
                    ("y", "y @ https://h/y-1.whl?a=b&c=$H#sha256=0"),
                    ("z-z", "git+ssh://g@h/z.git@v1#egg=Z.z"),
                ],
            ),
            ("", &[]),
        ] {
            let found = wanted(list).unwrap();
            let found: Vec<_> = found.iter().map(|one| (&*one.name, &*one.text)).collect();
            assert_eq!(found, expected, "{list}");
        }
    }

    #[test]
    fn what_pip_would_read_as_something_else_is_none() {
        let form = |word: &str| NoPackage::Form(word.into());
        for (list, why) in [
            ("--pre", form("--pre")),
            ("a -r", form("-r")),
            ("numpy,pandas", form("numpy,pandas")),
            ("a==", form("a==")),
            ("a>=1,2", form("a>=1,2")),
            ("a=1", form("a=1")),
            ("a[b", form("a[b")),
            ("a_", form("a_")),
            ("a ;", form("a")),
            ("a # why", form("#")),
            ("a==1 --hash=sha256:0", form("--hash=sha256:0")),
            ("é", form("é")),
            ("a @ https://h/x\u{1}", form("a @ https://h/x\u{1}")),
            ("a ; x\nb", form("a ; x\nb")),
            ("./lib", NoPackage::File("./lib".into())),
            ("lib/sub", NoPackage::File("lib/sub".into())),
            (
                "a-1-py3-none-any.whl",
                NoPackage::File("a-1-py3-none-any.whl".into()),
            ),
            ("a @ file:///lib", NoPackage::File("a @ file:///lib".into())),
            (
                "https://h/a.git",
                NoPackage::Nameless("https://h/a.git".into()),
            ),
        ] {
            assert_eq!(wanted(list), Err(why), "{list}");
        }
    }
}
