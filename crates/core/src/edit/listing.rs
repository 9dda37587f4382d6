//! What the files of an image list, and where.

use super::{
    Listed, Unedited,
    draft::Draft,
    environment,
    own::{Own, Which},
    place,
    pyproject::{List, Which as Key},
};
use crate::{
    dockerfile::Stages,
    project::DOCKERFILE,
    requirements::{self, normal, required},
    sources::{ENVIRONMENT, FOR_POETRY, PYPROJECT, REQUIREMENTS, Texts, settings},
};

impl Draft {
    pub(super) fn own(&self) -> Result<Own, Unedited> {
        Own::of(&self.files.dockerfile)
    }

    /// A file, if the image has what it lists.
    pub(super) fn text(&self, file: &'static str) -> Result<Option<&String>, Unedited> {
        let Texts {
            pyproject,
            requirements,
            environment,
        } = &self.files.texts;
        let own = self.own()?;
        let (text, takes) = match file {
            PYPROJECT => (pyproject, self.takes.folder),
            ENVIRONMENT => (environment, false),
            _ => (requirements, self.takes.requirements),
        };
        let takes = takes || own.list(Which::Of(file)).is_some();
        Ok(text.as_ref().filter(|_| takes))
    }

    /// The lists of `pyproject.toml` that are installed.
    pub(super) fn keys(&self) -> Result<Vec<Key>, Unedited> {
        let text = self.files.texts.pyproject.as_deref().unwrap_or_default();
        let groups = settings(text)?.groups.into_iter().map(Key::Group);
        Ok([Key::Dependencies].into_iter().chain(groups).collect())
    }

    pub(super) fn listed(&self) -> Result<Vec<Listed>, Unedited> {
        let mut all = Vec::new();
        let mut push = |text: &str, names: Vec<String>, file, is_apt| {
            all.push(Listed {
                text: first_line(text),
                names,
                file,
                is_apt,
            });
        };
        let own = self.own()?;
        for which in [Which::Apt, Which::BlockApt] {
            for name in own.list(which).unwrap_or_default() {
                push(name, vec![apt_key(name)], DOCKERFILE, true);
            }
        }
        if let Some(text) = self.text(ENVIRONMENT)? {
            for item in environment::items(text)? {
                push(&item.text, item.names(), ENVIRONMENT, false);
            }
        }
        if let Some(text) = self.text(PYPROJECT)? {
            for key in self.keys()? {
                let list = List::find(text, key)?;
                for item in list.iter().flat_map(List::items) {
                    push(item, required(item).into_iter().collect(), PYPROJECT, false);
                }
            }
        }
        if let Some(text) = self.text(REQUIREMENTS)? {
            for entry in requirements::entries(text) {
                push(entry.text, vec![entry.name], REQUIREMENTS, false);
            }
        }
        for item in own.list(Which::BlockPip).unwrap_or_default() {
            push(
                item,
                required(item).into_iter().collect(),
                DOCKERFILE,
                false,
            );
        }
        // What the Dockerfile does not repeat, but has alone.
        for file in [ENVIRONMENT, PYPROJECT] {
            for item in own.list(Which::Of(file)).unwrap_or_default() {
                let Some(name) = required(item) else { continue };
                let is = |one: &Listed| one.file == file && one.names.contains(&name);
                if !all.iter().any(is) {
                    all.push(Listed {
                        text: item.clone(),
                        names: vec![name],
                        file: DOCKERFILE,
                        is_apt: false,
                    });
                }
            }
        }
        Ok(all)
    }

    /// What is listed under a name, by the files that have it.
    pub(super) fn found(&self, name: &str, apt: bool) -> Result<Vec<Listed>, Unedited> {
        let mut listed = self.listed()?;
        listed.retain(|one| one.is_apt == apt && one.names.iter().any(|own| own == name));
        Ok(listed)
    }

    pub(super) fn pyproject(&self, key: Key) -> Result<Option<List<'_>>, Unedited> {
        let text = self.files.texts.pyproject.as_deref();
        text.map_or(Ok(None), |text| List::find(text, key))
    }

    pub(super) fn not_listed(&self, name: &str) -> Result<Unedited, Unedited> {
        let mut elsewhere = Vec::new();
        let stages = Stages::of(&self.files.dockerfile);
        if let Some(line) = place::naming(&stages, &normal(name)) {
            elsewhere.push(format!("line {line} of the Dockerfile"));
        }
        let requirements = self.text(REQUIREMENTS)?.map_or("", |text| text);
        elsewhere.extend(requirements::others(requirements).map(String::from));
        let is = |left_out: &&String| required(left_out).is_some_and(|one| one == normal(name));
        if self
            .left_out
            .iter()
            .any(|left_out| is(&left_out) && left_out.ends_with(FOR_POETRY))
        {
            elsewhere.push(format!("poetry's list in {PYPROJECT}"));
        }
        let listed = self.listed()?.into_iter().map(|one| one.text).collect();
        Ok(Unedited::NotListed {
            name: name.into(),
            listed,
            elsewhere,
        })
    }
}

/// What names of Debian's are compared by: without a version.
pub(super) fn apt_key(name: &str) -> String {
    name.split('=').next().unwrap_or(name).to_string()
}

/// A requirement without what stands on more lines, and the comment behind it.
pub(super) fn first_line(requirement: &str) -> String {
    let line = requirement.trim_start_matches('\u{feff}').trim();
    let line = line.lines().next().unwrap_or(line);
    let line = line.trim_end_matches(['\\', ' ']);
    match line.strip_prefix('#') {
        Some(_) => line.into(),
        None => line.split(" #").next().unwrap_or(line).trim_end().into(),
    }
}
