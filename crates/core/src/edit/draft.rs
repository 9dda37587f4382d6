//! What files list is changed.

use super::{
    Files, Listed, Step, Unedited, Wanted, environment,
    listing::{apt_key, first_line},
    own::Which,
    place::Takes,
    pyproject::{List, Which as Key},
};
use crate::{
    dockerfile::Stages,
    project::DOCKERFILE,
    requirements::{self, normal, required},
    sources::{self, ENVIRONMENT, PYPROJECT, REQUIREMENTS},
};

/// Files on the way from one state to another.
pub(super) struct Draft {
    pub(super) files: Files,
    pub(super) takes: Takes,
    /// What is listed for somebody else's tool.
    pub(super) left_out: Vec<String>,
    pub(super) steps: Vec<Step>,
}

impl Draft {
    pub(super) fn of(files: &Files) -> Result<Self, Unedited> {
        let (_, sources) = sources::read(&files.texts)?;
        let left_out = sources.into_iter().flat_map(|source| source.left_out);
        Ok(Self {
            files: files.clone(),
            takes: Takes::of(&Stages::of(&files.dockerfile)),
            left_out: left_out.collect(),
            steps: Vec::new(),
        })
    }

    fn put(&mut self, which: Which, list: Vec<String>) -> Result<(), Unedited> {
        self.files.dockerfile = self.own()?.with(&self.files.dockerfile, which, list)?;
        Ok(())
    }

    pub(super) fn remove(&mut self, given: &str) -> Result<(), Unedited> {
        let name = normal(given);
        let found = [
            self.found(&name, false)?,
            self.found(&apt_key(given), true)?,
        ]
        .concat();
        if found.is_empty() {
            return Err(self.not_listed(given)?);
        }
        for one in found {
            let before = self.files.clone();
            match (one.is_apt, one.file) {
                (true, _) => self.remove_apt(&apt_key(given))?,
                (false, file) => self.change(file, &name, None)?,
            }
            // With the first of the same name, all of a file go.
            if self.files != before {
                let written = self.files.written(&before, one.file);
                self.steps.push(Step::Removed(one.text, written));
            }
        }
        Ok(())
    }

    fn remove_apt(&mut self, name: &str) -> Result<(), Unedited> {
        for which in [Which::Apt, Which::BlockApt] {
            let own = self.own()?;
            let Some(list) = own.list(which) else {
                continue;
            };
            let kept: Vec<_> = list
                .iter()
                .filter(|one| apt_key(one) != name)
                .cloned()
                .collect();
            if kept.len() < list.len() {
                self.put(which, kept)?;
            }
        }
        if let Some(list) = self.pyproject(Key::Apt)?
            && let Some(at) = list.position(|one| apt_key(one) == name)
        {
            let new = list.without(at)?;
            self.files.texts.pyproject = Some(new);
        }
        Ok(())
    }

    /// Takes a package out of a file, or with `new` puts another requirement in its place; the
    /// same where the Dockerfile repeats it.
    fn change(
        &mut self,
        file: &'static str,
        name: &str,
        new: Option<&str>,
    ) -> Result<(), Unedited> {
        match file {
            REQUIREMENTS => {
                let text = self.files.texts.requirements.as_deref().unwrap_or_default();
                self.files.texts.requirements = Some(match new {
                    Some(new) => requirements::replaced(text, name, new),
                    None => requirements::without(text, name).unwrap_or_default(),
                });
            }
            ENVIRONMENT => {
                let text = self.files.texts.environment.as_deref().unwrap_or_default();
                self.files.texts.environment = Some(match new {
                    Some(new) => environment::replaced(text, name, new)?,
                    None => environment::without(text, name)?,
                });
            }
            PYPROJECT => {
                let (mut put, mut kept) = (new, None);
                for key in self.keys()? {
                    let is = |item: &str| required(item).is_some_and(|one| one == name);
                    while let Some(list) = self.pyproject(key.clone())?
                        && let Some(at) = list.position(|item| is(item) && Some(item) != kept)
                    {
                        kept = kept.or(put);
                        let text = match put.take() {
                            Some(new) => list.replaced(at, new)?,
                            None => list.without(at)?,
                        };
                        self.files.texts.pyproject = Some(text);
                    }
                }
            }
            _ => {
                self.change_own(Which::BlockPip, name, new)?;
                self.change_own(Which::Of(ENVIRONMENT), name, new)?;
                return self.change_own(Which::Of(PYPROJECT), name, new);
            }
        }
        self.change_own(Which::Of(file), name, new)
    }

    fn change_own(&mut self, which: Which, name: &str, new: Option<&str>) -> Result<(), Unedited> {
        let own = self.own()?;
        let Some(list) = own.list(which) else {
            return Ok(());
        };
        let is = |item: &String| required(item).is_some_and(|one| one == name);
        let mut changed: Vec<String> = Vec::new();
        let mut new = new;
        for item in list {
            match is(item) {
                false => changed.push(item.clone()),
                true => changed.extend(new.take().map(String::from)),
            }
        }
        match changed == list {
            true => Ok(()),
            false => self.put(which, changed),
        }
    }

    pub(super) fn add_apt(&mut self, given: &str) -> Result<(), Unedited> {
        let name = apt_key(given);
        let before = self.files.clone();
        let there = self.found(&name, true)?.pop();
        if let Some(there) = &there {
            if there.text == given || name == given {
                let known = Step::Known(given.into(), there.text.clone(), there.file);
                self.steps.push(known);
                return Ok(());
            }
            self.remove_apt(&name)?;
        }
        let own = self.own()?;
        let which = match own.list(Which::Apt) {
            Some(_) => Which::Apt,
            None => Which::BlockApt,
        };
        let list = own.list(which).unwrap_or_default();
        let list = [list, &[given.to_string()]].concat();
        self.put(which, list)?;
        // So that a Dockerfile which is made anew has it too.
        if let Some(list) = self.pyproject(Key::Apt)?
            && !list.items().any(|one| one == given)
        {
            let new = list.with(given)?;
            self.files.texts.pyproject = Some(new);
        }
        let written = self.files.written(&before, DOCKERFILE);
        self.steps.push(match there {
            Some(there) => Step::Changed(given.into(), there.text, written),
            None => Step::Added(given.into(), written),
        });
        Ok(())
    }

    pub(super) fn add(&mut self, wanted: &Wanted) -> Result<(), Unedited> {
        let Wanted { name, text } = wanted;
        let found = self.found(name, false)?;
        for there in &found {
            let is_known = wanted.is_bare() || there.text == *text;
            let unrepeated = self.unrepeated(there)?;
            let step = match (is_known, unrepeated) {
                (true, Some(text)) => {
                    self.repeat(there.file, &text)?;
                    Step::Repeated(text, there.file)
                }
                (true, None) => Step::Known(text.clone(), there.text.clone(), there.file),
                (false, _) => {
                    let before = self.files.clone();
                    self.change(there.file, name, Some(text))?;
                    let written = self.files.written(&before, there.file);
                    Step::Changed(text.clone(), there.text.clone(), written)
                }
            };
            self.steps.push(step);
        }
        if !found.is_empty() {
            return Ok(());
        }
        let file = self.home()?;
        let before = self.files.clone();
        match file {
            REQUIREMENTS => {
                let before = self.files.texts.requirements.as_deref().unwrap_or_default();
                let after = requirements::with(before, [text.as_str()]);
                self.files.texts.requirements = Some(after);
            }
            PYPROJECT => {
                let list = self.pyproject(Key::Dependencies)?;
                let new = list.map(|list| list.with(text)).transpose()?;
                self.files.texts.pyproject = new;
                self.append(Which::Of(PYPROJECT), text)?;
            }
            _ => self.append(Which::BlockPip, text)?,
        }
        let written = self.files.written(&before, file);
        self.steps.push(Step::Added(text.clone(), written));
        Ok(())
    }

    /// What pip is to be given for something that a file lists, if the Dockerfile repeats the file,
    /// but not this.
    fn unrepeated(&self, there: &Listed) -> Result<Option<String>, Unedited> {
        let own = self.own()?;
        let Some(repeated) = own.list(Which::Of(there.file)) else {
            return Ok(None);
        };
        let (_, sources) = sources::read(&self.files.texts)?;
        let sources = sources.into_iter();
        let mut arguments = sources
            .filter(|source| source.file == there.file)
            .flat_map(|source| source.arguments.unwrap_or_default());
        let is = |one: &String| required(one).is_some_and(|name| there.names.contains(&name));
        Ok(arguments.find(|one| is(one) && !repeated.contains(one)))
    }

    /// Puts a requirement of a file into the Dockerfile, which repeats the others.
    fn repeat(&mut self, file: &'static str, text: &str) -> Result<(), Unedited> {
        let name = required(text).unwrap_or_default();
        let own = self.own()?;
        let mut repeated = own.list(Which::Of(file)).into_iter().flatten();
        let has = repeated.any(|one| required(one).is_some_and(|one| one == name));
        match has {
            true => self.change_own(Which::Of(file), &name, Some(text)),
            false => self.append(Which::Of(file), text),
        }
    }

    /// Adds a line of another file, which may be an option of pip's, or more lines with hashes.
    pub(super) fn import(&mut self, line: &str) -> Result<(), Unedited> {
        let plain = first_line(line);
        if let Some(name) = required(line)
            && !line.contains('\n')
            && !plain.contains(" --")
        {
            return self.add(&Wanted { name, text: plain });
        }
        if !self.takes.requirements {
            return Err(Unedited::Line(line.into()));
        }
        let before = self.files.texts.requirements.as_deref().unwrap_or_default();
        let after = requirements::merged(before, [line]);
        self.steps.push(match after == before {
            true => Step::Known(plain.clone(), plain, REQUIREMENTS),
            false => Step::Added(plain, vec![REQUIREMENTS]),
        });
        self.files.texts.requirements = Some(after);
        Ok(())
    }

    fn append(&mut self, which: Which, text: &str) -> Result<(), Unedited> {
        let own = self.own()?;
        match (own.list(which), which) {
            (None, Which::Of(_)) => Ok(()),
            (list, _) => {
                let list = [list.unwrap_or_default(), &[text.to_string()]].concat();
                self.put(which, list)
            }
        }
    }

    /// The file that a new package goes to: the one in which the others are.
    fn home(&self) -> Result<&'static str, Unedited> {
        let in_pyproject = match self.text(PYPROJECT)? {
            Some(text) => List::find(text, Key::Dependencies)?,
            None => None,
        };
        let in_pyproject = in_pyproject.is_some_and(|list| list.items().next().is_some());
        let requirements = self.files.texts.requirements.as_deref().unwrap_or_default();
        Ok(match self.takes.requirements {
            true if in_pyproject && requirements::entries(requirements).is_empty() => PYPROJECT,
            true => REQUIREMENTS,
            false if in_pyproject => PYPROJECT,
            false => DOCKERFILE,
        })
    }
}
