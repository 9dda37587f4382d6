//! A Dockerfile as a person would write it, from a base image and where packages are listed.
//!
//! Packages go to pip as they were written. A `requirements.txt` is pip's own file and is named
//! to it; what another file lists is an argument each in `RUN`'s JSON form, which no shell reads.

use crate::{
    failure::{Kind, UserError},
    name::ContainerName,
};

/// What an image is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The image that it begins from.
    pub base: String,
    /// How that was chosen, where `pyproject.toml` says something of it.
    pub choice: Option<Choice>,
    /// Packages of Debian's.
    pub apt: Vec<String>,
    /// Where Python's packages are listed, in the order in which they are installed.
    pub sources: Vec<Source>,
}

/// The image that was chosen to begin from while `pyproject.toml` said something of that. By then it
/// may be another: people edit a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The image.
    pub image: String,
    /// What the file said: [`Settings::base`](crate::sources::Settings::base).
    pub said: String,
}

/// What stands between and after the two in the Dockerfile.
const CHOSEN: [&str; 2] = [
    " was chosen while pyproject.toml has ",
    "; a build takes in another, unless this Dockerfile was edited.",
];

impl Choice {
    /// A comment.
    fn line(&self) -> String {
        let ([between, after], Self { image, said }) = (CHOSEN, self);
        format!("# {image}{between}{said}{after}\n")
    }

    /// That of a line.
    pub(crate) fn of(line: &str) -> Option<Self> {
        let [between, after] = CHOSEN;
        let (image, said) = line.strip_prefix("# ")?.split_once(between)?;
        Some(Self {
            image: image.into(),
            said: said.strip_suffix(after)?.into(),
        })
    }
}

/// A file that lists Python packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name in the project's folder.
    pub file: &'static str,
    /// What pip is given; `None` if pip reads the file itself.
    pub arguments: Option<Vec<String>>,
    /// Whether it names other files of the folder.
    pub needs_folder: bool,
    /// What it lists that pip cannot install, or not surely the same.
    pub left_out: Vec<String>,
}

/// What cannot stand in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No image is called so.
    #[error("no image can be called {0:?}")]
    Image(String),
    /// No package of Debian's is called so.
    #[error("no package of apt's can be called {0:?}")]
    Apt(String),
}

impl UserError for Unfit {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Image(_) => "see the images with image-list --all".into(),
            Self::Apt(_) => {
                "mend it in apt of [tool.ds01] in pyproject.toml: name, or name=version".into()
            }
        })
    }
}

impl Recipe {
    /// The Dockerfile of a project.
    ///
    /// # Errors
    ///
    /// [`Unfit`] for a name that could be more than a name there.
    pub fn dockerfile(&self, project: &ContainerName) -> Result<String, Unfit> {
        let base = image_name(&self.base)?;
        let choice = self.choice.as_ref().map(Choice::line).unwrap_or_default();
        let mut text = format!(
            "# The image of {project}. After a change: project-launch {project} --rebuild\n\
             {choice}FROM {base}\n\n\
             # Whoever its containers run as, what follows is for everybody.\n\
             USER root\n\n\
             # So that pip installs beside Debian's own packages too, in the container as well.\n\
             ENV PIP_BREAK_SYSTEM_PACKAGES=1\n\n"
        );
        if !self.apt.is_empty() {
            text += &format!("{}\n", apt_run(&self.apt)?);
        }
        text += "# Where the project's folder is mounted in the container: nothing of it need be copied\n\
                 # but what pip reads.\n\
                 WORKDIR /workspace\n";
        let mut folder = false;
        for source in &self.sources {
            text += &source.instructions(&mut folder);
        }
        Ok(text)
    }
}

impl Source {
    /// Its lines. `folder` is whether all of the folder has been copied.
    fn instructions(&self, folder: &mut bool) -> String {
        let file = self.file;
        let mut text = String::new();
        for left_out in &self.left_out {
            text += &format!("{LEFT_OUT}{}\n", one_line(left_out));
        }
        if !self.left_out.is_empty() {
            text = format!("\n{}\n{text}", lists_others(file));
        }
        let copy = match (self.needs_folder && !*folder, &self.arguments) {
            (true, _) => {
                *folder = true;
                format!("{}\nCOPY . ./\n", names_files(file))
            }
            (false, None) if !*folder => {
                format!(
                    "# Installed again when {file} has changed, and only then.\nCOPY {file} ./\n"
                )
            }
            _ => String::new(),
        };
        match &self.arguments {
            None => text += &format!("\n{copy}{}\n", pip_reads(file)),
            Some(arguments) if arguments.is_empty() => {}
            Some(arguments) => {
                text += &format!("\n{copy}{}\n{}", as_in(file), pip_run(&PIP, arguments));
            }
        }
        text
    }

    /// What a Dockerfile of ours has of a file, where `list` is what it gives to pip of it; `None`
    /// if nothing.
    pub(crate) fn of(
        dockerfile: &str,
        file: &'static str,
        list: Option<Vec<String>>,
    ) -> Option<Self> {
        let has = |line: String| dockerfile.lines().any(|one| one == line);
        let others = lists_others(file);
        let left_out = dockerfile.lines().skip_while(|line| *line != others);
        let left_out = left_out
            .skip(1)
            .map_while(|line| line.strip_prefix(LEFT_OUT));
        let left_out: Vec<_> = left_out.map(String::from).collect();
        let is_read = has(pip_reads(file));
        let source = Self {
            file,
            needs_folder: has(names_files(file)),
            arguments: match is_read {
                true => None,
                false => Some(list.clone().unwrap_or_default()),
            },
            left_out,
        };
        (is_read || list.is_some() || !source.left_out.is_empty()).then_some(source)
    }
}

/// Before what is for somebody else's tool.
const LEFT_OUT: &str = "# Not from pip: ";

fn lists_others(file: &str) -> String {
    format!("# {file} lists these, which are not pip's to install.")
}

fn names_files(file: &str) -> String {
    format!("# {file} names other files of the folder; .dockerignore leaves some out.")
}

fn pip_reads(file: &str) -> String {
    format!("RUN pip install --no-cache-dir -r {file}")
}

/// The line above the packages that another file has.
pub(crate) fn as_in(file: &str) -> String {
    format!("# As {file} has them; a build writes them anew, unless this Dockerfile was edited.")
}

/// The words before the packages.
pub(crate) const PIP: [&str; 3] = ["pip", "install", "--no-cache-dir"];

/// The instruction that gives pip its arguments.
pub(crate) fn pip_run(words: &[&str], arguments: &[String]) -> String {
    let quoted = |word: &str| serde_json::Value::from(word).to_string();
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    let mut text = format!("RUN [{}", words.join(", "));
    for argument in arguments {
        text += &format!(", \\\n    {}", quoted(argument));
    }
    text + "]\n"
}

/// The lines before and after packages of Debian's.
pub(crate) const APT: [&str; 3] = [
    "RUN apt-get update \\",
    "    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\",
    "    && rm -rf /var/lib/apt/lists/*",
];

/// The instruction that installs packages of Debian's.
///
/// # Errors
///
/// [`Unfit::Apt`].
pub(crate) fn apt_run(packages: &[String]) -> Result<String, Unfit> {
    let [first, second, last] = APT;
    let mut text = format!("{first}\n{second}\n");
    for package in packages {
        text += &format!("        {} \\\n", apt_name(package)?);
    }
    Ok(format!("{text}{last}\n"))
}

/// A text that cannot end its line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `name`, if an image can be called so.
///
/// # Errors
///
/// [`Unfit::Image`].
pub fn image_name(name: &str) -> Result<&str, Unfit> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
    fits.then_some(name)
        .ok_or_else(|| Unfit::Image(name.into()))
}

/// `name`, if a package of Debian's can be called so; `name=version`, too.
///
/// # Errors
///
/// [`Unfit::Apt`].
pub fn apt_name(name: &str) -> Result<&str, Unfit> {
    let (package, version) = name.split_once('=').unwrap_or((name, "0"));
    let of = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits)
    };
    let fits = of(package, "+-.:") && of(version, "+-.:~");
    fits.then_some(name).ok_or_else(|| Unfit::Apt(name.into()))
}

#[cfg(test)]
mod tests;
