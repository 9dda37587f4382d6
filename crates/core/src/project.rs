//! A new project: what its files say.

use std::{fmt, str::FromStr};

use crate::{
    failure::{Kind, UserError},
    name::ContainerName,
    recipe::{Recipe, Unfit},
    requirements,
    sources::{PYPROJECT, REQUIREMENTS},
};

/// What an image is built from.
pub const DOCKERFILE: &str = "Dockerfile";
/// What is left out of an image's folder.
pub const DOCKERIGNORE: &str = ".dockerignore";

/// What a project is about, which decides about its first packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// As it is typed.
    pub word: &'static str,
    /// What it stands for.
    pub about: &'static str,
    /// Packages of pip's, beside the framework, which the base image has.
    packages: &'static str,
    /// Packages of Debian's.
    apt: &'static str,
}

/// Every topic; the first is the default.
pub const TOPICS: [Topic; 8] = [
    Topic {
        word: "ml",
        about: "machine learning on tables",
        packages: "numpy pandas scikit-learn matplotlib xgboost",
        apt: "",
    },
    Topic {
        word: "cv",
        about: "images and video",
        packages: "numpy matplotlib timm albumentations opencv-python-headless",
        apt: "",
    },
    Topic {
        word: "nlp",
        about: "text",
        packages: "transformers datasets tokenizers accelerate evaluate",
        apt: "",
    },
    Topic {
        word: "rl",
        about: "reinforcement learning",
        packages: "numpy matplotlib gymnasium stable-baselines3",
        apt: "",
    },
    Topic {
        word: "llm",
        about: "large language models",
        packages: "transformers datasets accelerate peft bitsandbytes einops",
        apt: "",
    },
    Topic {
        word: "ts",
        about: "time series",
        packages: "numpy pandas matplotlib statsmodels prophet",
        apt: "",
    },
    Topic {
        word: "audio",
        about: "speech, music and sound",
        packages: "numpy librosa soundfile audiomentations",
        apt: "ffmpeg libsndfile1",
    },
    Topic {
        word: "custom",
        about: "anything else: no packages to begin with",
        packages: "",
        apt: "",
    },
];

impl Default for Topic {
    fn default() -> Self {
        TOPICS[0]
    }
}

impl Topic {
    /// The packages of pip's that a new project has.
    pub fn packages(self) -> Vec<String> {
        words(self.packages)
    }

    /// The packages of Debian's.
    pub fn apt(self) -> Vec<String> {
        words(self.apt)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// A word that is none of [`TOPICS`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", list())]
pub struct NoTopic;

fn list() -> String {
    TOPICS.map(|topic| topic.word).join(", ")
}

impl UserError for NoTopic {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        let mut topics = TOPICS.into_iter();
        topics.find(|topic| topic.word == text).ok_or(NoTopic)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word)
    }
}

/// A project that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: ContainerName,
    /// What it is about.
    pub topic: Topic,
    /// The framework that its base image has.
    pub framework: String,
    /// Packages of pip's, as they are written in a requirements file.
    pub packages: Vec<String>,
    /// What its image is made of, if it is known what it begins from.
    pub recipe: Option<Recipe>,
    /// Only what says that it is a project.
    pub blank: bool,
    /// Whether git keeps models apart.
    pub lfs: bool,
    /// The uid for which a dev container is described.
    pub devcontainer: Option<u32>,
}

/// A file of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where in the folder.
    pub path: &'static str,
    /// What it holds.
    pub text: String,
}

/// Files of models, which git has no use for.
const MODELS: [&str; 8] = [
    "*.bin",
    "*.ckpt",
    "*.h5",
    "*.keras",
    "*.onnx",
    "*.pt",
    "*.pth",
    "*.safetensors",
];

impl Draft {
    /// The files, in the order in which they are made. A folder is there for the file in it.
    ///
    /// # Errors
    ///
    /// [`Unfit`] for a name that cannot stand in a Dockerfile.
    pub fn files(&self) -> Result<Vec<File>, Unfit> {
        let mut files = vec![("README.md", self.readme()), (PYPROJECT, self.pyproject())];
        if !self.blank {
            files.extend([
                (REQUIREMENTS, self.requirements()),
                (".gitignore", self.gitignore()),
                (DOCKERIGNORE, USUALLY_IGNORED.into()),
            ]);
            if self.lfs {
                files.push((".gitattributes", gitattributes()));
            }
            files.extend(KEPT.map(|path| (path, String::new())));
            if let Some(recipe) = &self.recipe {
                files.push((DOCKERFILE, recipe.dockerfile(&self.name)?));
            }
        }
        if let Some(uid) = self.devcontainer {
            files.push((".devcontainer/devcontainer.json", self.dev_container(uid)));
        }
        let file = |(path, text)| File { path, text };
        Ok(files.into_iter().map(file).collect())
    }

    /// The image that it begins from, for a command to be typed.
    pub fn image(&self) -> &str {
        self.recipe
            .as_ref()
            .map_or("<image>", |recipe| &recipe.base)
    }

    fn pyproject(&self) -> String {
        let Self { name, topic, .. } = self;
        let (dynamic, setuptools) = match self.blank {
            true => ("dependencies = []\n", ""),
            false => (
                "# They stand in requirements.txt, which the image is built with too.\n\
                 dynamic = [\"dependencies\"]\n",
                "\n[tool.setuptools]\npackages.find.where = [\"src\"]\n\
                 dynamic.dependencies.file = [\"requirements.txt\"]\n",
            ),
        };
        let (base, apt) = match &self.recipe {
            Some(recipe) => (
                format!("base-image = {}\n", quoted(&recipe.base)),
                &*recipe.apt,
            ),
            None => ("# base-image = \"pytorch:2.8\"\n".into(), &[][..]),
        };
        let apt: Vec<_> = apt.iter().map(|package| quoted(package)).collect();
        format!(
            "[project]\nname = \"{name}\"\nversion = \"0.1.0\"\n{dynamic}{setuptools}\n\
             # What its image begins from and has of Debian's, and the GPUs of its container.\n\
             [tool.ds01]\ntype = \"{topic}\"\nframework = {}\n{base}apt = [{}]\ngpus = 1\n",
            quoted(&self.framework),
            apt.join(", "),
        )
    }

    fn requirements(&self) -> String {
        requirements::with(NO_REQUIREMENTS, self.packages.iter().map(String::as_str))
    }

    fn gitignore(&self) -> String {
        let mut text = String::from(
            "__pycache__/\n*.egg-info/\n.ipynb_checkpoints/\n.venv/\n.keep-alive\n.ds01-alerts\n\n\
             # Too large for git\n/data/*\n!/data/.gitkeep\n",
        );
        if !self.lfs {
            text += &MODELS.map(|models| format!("{models}\n")).concat();
        }
        text
    }

    fn readme(&self) -> String {
        let name = &self.name;
        let mut text = format!("# {name}\n\n");
        if self.blank {
            let deploy = format!("container-deploy {name} --image={}", self.image());
            let retire = format!("container-retire {name}");
            text += &format!(
                "    {deploy}    # a shell with a GPU, in this folder\n    \
                 {retire:width$}    # when done: frees the GPU\n",
                width = deploy.chars().count()
            );
            return text;
        }
        text += &format!(
            "    project-launch {name} --open       # a shell with a GPU, in this folder\n\
             \x20   project-launch {name} --rebuild    # after a change of what is installed\n\
             \x20   container-retire {name}            # when done: frees the GPU, this folder stays\n\n\
             | | |\n|---|---|\n\
             | `src/` | code |\n| `notebooks/` | notebooks |\n\
             | `data/` | data; not in git, not in the image |\n\
             | `models/` | checkpoints and trained models |\n\
             | `requirements.txt` | Python packages of the image |\n\
             | `Dockerfile` | how the image is made |\n\n\
             In the container, this folder is `/workspace`. What is installed there by hand goes with the\n\
             container: `container-retire {name} --save-packages` adds it to `requirements.txt`.\n"
        );
        text
    }

    /// Runs as the owner, as every container does that has a folder of the host. The image has no
    /// home of theirs, and an editor needs one.
    fn dev_container(&self, uid: u32) -> String {
        let name = &self.name;
        format!(
            "// A dev container of {name}, for an editor. Build its image first: image-create {name}\n\
             // Without a GPU it runs on for as long as you like. For one, add:\n\
             //   \"runArgs\": [\"--gpus\", \"1\"],\n\
             {{\n  \"name\": \"{name}\",\n  \"image\": \"ds01-{uid}/{name}:latest\",\n  \
             \"workspaceMount\": \"source=${{localWorkspaceFolder}},target=/workspace,type=bind\",\n  \
             \"workspaceFolder\": \"/workspace\",\n  \
             \"containerUser\": \"{uid}\",\n  \"remoteUser\": \"{uid}\",\n  \
             \"updateRemoteUserUID\": false,\n  \
             \"containerEnv\": {{ \"HOME\": \"/tmp\" }},\n  \
             \"customizations\": {{\n    \"vscode\": {{\n      \
             \"extensions\": [\"ms-python.python\", \"ms-toolsai.jupyter\"]\n    }}\n  }}\n}}\n"
        )
    }
}

/// A `requirements.txt` that lists nothing yet.
pub const NO_REQUIREMENTS: &str = "# What pip installs into the image, a package a line: numpy>=1.26\n\
                                   # The framework is in the base image already.\n";

/// Keep their folders in git, which keeps no empty ones.
const KEPT: [&str; 4] = [
    "data/.gitkeep",
    "models/.gitkeep",
    "notebooks/.gitkeep",
    "src/.gitkeep",
];

/// A `.dockerignore` for the folders that projects have.
pub const USUALLY_IGNORED: &str = "# What the image is built without: all of this is mounted anyway.\n\
                            .git\ndata\nmodels\nnotebooks\n**/__pycache__\n.venv\n";

fn gitattributes() -> String {
    MODELS
        .map(|models| format!("{models} filter=lfs diff=lfs merge=lfs -text\n"))
        .concat()
}

/// A text in TOML, whose basic strings take what JSON's have.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
