//! What the files of a project say about its image: `[tool.ds01]`, and where packages are listed.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_yaml::Value;

use crate::{
    failure::{Kind, UserError},
    gpu_request::GpuRequest,
    recipe::{Choice, Source},
};

/// The file with `[tool.ds01]`.
pub const PYPROJECT: &str = "pyproject.toml";
/// pip's own file.
pub const REQUIREMENTS: &str = "requirements.txt";
/// conda's.
pub const ENVIRONMENT: &str = "environment.yml";

/// Behind what is left out since poetry alone could install it.
pub const FOR_POETRY: &str = ", for poetry";

/// The texts of a project's files, as far as it has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// [`PYPROJECT`].
    pub pyproject: Option<String>,
    /// [`REQUIREMENTS`].
    pub requirements: Option<String>,
    /// [`ENVIRONMENT`].
    pub environment: Option<String>,
}

/// `[tool.ds01]` of `pyproject.toml`. A key that it does not know is somebody else's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// The framework whose image is taken where no image is named.
    pub framework: Option<String>,
    /// The image that the project's begins from.
    pub base_image: Option<String>,
    /// Packages of Debian's.
    pub apt: Vec<String>,
    /// Groups of `[project.optional-dependencies]` that are installed too.
    pub groups: Vec<String>,
    /// GPUs that its container is given, where none are asked for.
    pub gpus: Option<GpuRequest>,
}

impl Settings {
    /// What it says of the image to begin from, on one line: `base-image = "pytorch:2.8"`. A
    /// framework alone leaves to the host which of its images that is.
    pub fn base(&self) -> Option<String> {
        match (&self.base_image, &self.framework) {
            (Some(image), _) => Some(format!("base-image = {image:?}")),
            (None, Some(framework)) => Some(format!("framework = {framework:?}")),
            (None, None) => None,
        }
    }

    /// That `image` is chosen now.
    pub fn choice(&self, image: &str) -> Option<Choice> {
        self.base().map(|said| Choice {
            image: image.into(),
            said,
        })
    }
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is wrong: {reason}")]
pub struct Wrong {
    /// The file.
    pub file: &'static str,
    /// What, and where.
    pub reason: String,
}

impl UserError for Wrong {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(format!("mend {}, and try again", self.file))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pyproject {
    project: Metadata,
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Metadata {
    dependencies: Vec<String>,
    optional_dependencies: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    ds01: Settings,
    poetry: Poetry,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Poetry {
    dependencies: BTreeMap<String, toml::Value>,
}

/// The settings, and the files that list packages, in the order in which they are installed.
///
/// # Errors
///
/// [`Wrong`].
pub fn read(texts: &Texts) -> Result<(Settings, Vec<Source>), Wrong> {
    let mut sources = Vec::new();
    let mut settings = Settings::default();
    if let Some(text) = &texts.environment {
        sources.push(environment(text)?);
    }
    if let Some(text) = &texts.pyproject {
        let (found, source) = pyproject(text)?;
        settings = found;
        sources.push(source);
    }
    if let Some(text) = &texts.requirements {
        sources.push(Source {
            file: REQUIREMENTS,
            arguments: None,
            needs_folder: needs_folder(text),
            left_out: Vec::new(),
        });
    }
    let lists = |source: &Source| source.arguments.as_ref().is_none_or(|all| !all.is_empty());
    sources.retain(|source| lists(source) || !source.left_out.is_empty());
    Ok((settings, sources))
}

/// The sources of a project that has a `requirements.txt` in any case, as it is made if missing.
pub fn with_requirements(mut sources: Vec<Source>) -> Vec<Source> {
    if sources.iter().all(|source| source.file != REQUIREMENTS) {
        sources.push(Source {
            file: REQUIREMENTS,
            ..Source::default()
        });
    }
    sources
}

/// `[tool.ds01]` of a `pyproject.toml`.
///
/// # Errors
///
/// [`Wrong`].
pub fn settings(pyproject: &str) -> Result<Settings, Wrong> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Tools {
        tool: OwnTool,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct OwnTool {
        ds01: Settings,
    }
    parsed(pyproject).map(|Tools { tool }| tool.ds01)
}

/// A `pyproject.toml` as far as `T` has it.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let text = text.trim_start_matches('\u{feff}');
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Wrong {
            file: PYPROJECT,
            reason: format!("line {line}: {}", error.message()),
        }
    })
}

fn pyproject(text: &str) -> Result<(Settings, Source), Wrong> {
    let wrong = |reason| Wrong {
        file: PYPROJECT,
        reason,
    };
    let Pyproject { project, tool } = parsed(text)?;
    let mut arguments = project.dependencies;
    for group in &tool.ds01.groups {
        let packages = project.optional_dependencies.get(group);
        let packages = packages.ok_or_else(|| {
            wrong(format!(
                "[tool.ds01] has the group {group:?}, which is not in [project.optional-dependencies]"
            ))
        })?;
        arguments.extend(packages.iter().cloned());
    }
    // A requirement begins with a name: what begins otherwise would be an option of pip's.
    if let Some(odd) = arguments.iter().find(|argument| !is_requirement(argument)) {
        return Err(wrong(format!("{odd:?} is no requirement")));
    }
    let poetry = tool.poetry.dependencies.keys();
    let poetry = poetry.filter(|name| *name != "python");
    let source = Source {
        file: PYPROJECT,
        // `file:` as in `name @ file:lib`.
        needs_folder: arguments.iter().any(|one| one.contains("file:")),
        arguments: Some(arguments),
        left_out: poetry.map(|name| format!("{name}{FOR_POETRY}")).collect(),
    };
    Ok((tool.ds01, source))
}

/// Whether this can be a requirement, `name...`, and is on one line.
pub fn is_requirement(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains(char::is_control)
}

/// Whether a `requirements.txt` names other files: a list, a folder or an archive beside it.
fn needs_folder(text: &str) -> bool {
    let text = text.replace("\\\r\n", "").replace("\\\n", "");
    text.lines().any(is_local)
}

/// Whether a line for pip names a file.
pub(crate) fn is_local(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim();
    let line = line.split(" #").next().unwrap_or(line).trim();
    let value = match line.strip_prefix('-') {
        Some(option) => {
            let short = ["e", "r", "c", "f"].iter();
            let long = ["-editable", "-requirement", "-constraint", "-find-links"].iter();
            let mut names = long.chain(short);
            match names.find_map(|name| option.strip_prefix(name)) {
                Some(value) => value.trim_start_matches(['=', ' ', '\t']),
                None => return false,
            }
        }
        None if line.is_empty() || line.starts_with('#') => return false,
        // `name` and `name==1` are no paths; `./name`, `lib/name` and `name.whl` are.
        None => {
            let word = line.split([' ', '\t', ';']).next().unwrap_or(line);
            let ends = [".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"];
            let path = word.starts_with('.') || word.contains('/');
            if !path && !ends.iter().any(|end| word.ends_with(end)) && !line.contains("file:") {
                return false;
            }
            line
        }
    };
    value.contains("file:") || !value.contains("://")
}

/// Packages of conda's that have the same makers and the same name at PyPI. Any other could be a
/// stranger's there.
const SAME: &str = "accelerate albumentations black datasets einops gymnasium h5py ipykernel \
    ipywidgets jupyter jupyterlab librosa lightgbm matplotlib networkx nltk notebook numba numpy \
    optuna pandas pillow pytest pyyaml requests scikit-image scikit-learn scipy seaborn \
    statsmodels tensorboard tensorflow torchvision tqdm transformers xgboost";

/// Those that have another name at PyPI.
const RENAMED: [(&str, &str); 2] = [("matplotlib-base", "matplotlib"), ("pytorch", "torch")];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Environment {
    dependencies: Vec<Value>,
}

fn environment(text: &str) -> Result<Source, Wrong> {
    let wrong = |reason: String| Wrong {
        file: ENVIRONMENT,
        reason,
    };
    let parsed: Option<Environment> =
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut source = Source {
        file: ENVIRONMENT,
        arguments: None,
        needs_folder: false,
        left_out: Vec::new(),
    };
    let mut arguments = Vec::new();
    for entry in parsed.unwrap_or_default().dependencies {
        match entry {
            Value::String(spec) => match of_conda(&spec) {
                Some(package) => arguments.extend(package),
                None => source.left_out.push(spec),
            },
            Value::Mapping(one) => {
                let lists = one.get("pip").and_then(Value::as_sequence);
                let lines = lists
                    .ok_or_else(|| wrong("dependencies has a list that is not pip's".into()))?;
                for line in lines {
                    let line = line.as_str().unwrap_or_default();
                    source.needs_folder |= is_local(line);
                    match of_pip(line) {
                        Some(words) => arguments.extend(words),
                        None => source.left_out.push(line.into()),
                    }
                }
            }
            other => {
                return Err(wrong(format!(
                    "dependencies has {other:?}, which is no package"
                )));
            }
        }
    }
    source.arguments = Some(arguments);
    Ok(source)
}

/// pip's arguments for a line of a requirements file; `None` if it has none, as for `--hash`.
fn of_pip(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next().unwrap_or(line).trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(Vec::new());
    }
    if line.contains(char::is_control) || line.contains(" --") {
        return None;
    }
    if !line.starts_with('-') {
        return Some(vec![line.into()]);
    }
    let (option, value) = match line.split_once([' ', '=']) {
        Some((option, value)) => (option, value.trim()),
        None if line.starts_with("--") => return Some(vec![line.into()]),
        None => line.split_at_checked(2)?,
    };
    let value = Some(value).filter(|value| !value.is_empty());
    Some(
        [option]
            .into_iter()
            .chain(value)
            .map(String::from)
            .collect(),
    )
}

/// pip's requirement for one of conda's: none for what the image has; `None` if it is not surely
/// the same package.
pub(crate) fn of_conda(spec: &str) -> Option<Option<String>> {
    let spec = spec.rsplit_once("::").map_or(spec, |(_, spec)| spec).trim();
    let of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = spec.find(|c| !of_name(c)).unwrap_or(spec.len());
    let (name, version) = (spec[..end].to_ascii_lowercase(), spec[end..].trim());
    if name == "pip" || name == "python" {
        return Some(None);
    }
    let renamed = RENAMED.iter().find(|(conda, _)| *conda == name);
    let pip = match renamed {
        Some((_, pip)) => pip,
        None => SAME.split_whitespace().find(|same| *same == name)?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".*+!<>=~,_-".contains(c);
    if !version.chars().all(plain) {
        return None;
    }
    let version = match version.strip_prefix("==").or(version.strip_prefix('=')) {
        // `1.26.4=py311_0` names a build, of which PyPI has none.
        Some(exact) if exact.contains('=') => format!("=={}", exact.split('=').next()?),
        Some(exact) if version.starts_with("==") || exact.contains('*') => format!("=={exact}"),
        Some(beginning) => format!("=={beginning}.*"),
        None if version.starts_with(|c: char| c.is_ascii_digit()) => format!("=={version}"),
        None => version.into(),
    };
    Some(Some(format!("{pip}{version}")))
}

#[cfg(test)]
mod tests;
