use super::*;
use crate::{
    dockerignore::Ignore,
    gpu_request::GpuRequest,
    sources::{self, Settings, Texts},
};

fn draft(topic: Topic) -> Draft {
    let recipe = Recipe {
        base: "pytorch:2.8".into(),
        choice: None,
        apt: topic.apt(),
        sources: Vec::new(),
    };
    Draft {
        name: "my-thesis".parse().unwrap(),
        topic,
        framework: "pytorch".into(),
        packages: topic.packages(),
        recipe: Some(recipe),
        blank: false,
        lfs: false,
        devcontainer: None,
    }
}

fn text(files: &[File], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path);
    file.unwrap_or_else(|| panic!("no {path}")).text.clone()
}

fn paths(draft: &Draft) -> Vec<&'static str> {
    let files = draft.files().unwrap().into_iter();
    files.map(|file| file.path).collect()
}

#[test]
fn each_topic_has_a_whole_project() {
    for topic in TOPICS {
        assert_eq!(topic.word.parse(), Ok(topic));
        let draft = draft(topic);
        let files = draft.files().unwrap();
        let found = Texts {
            pyproject: Some(text(&files, PYPROJECT)),
            requirements: Some(text(&files, REQUIREMENTS)),
            environment: None,
        };
        let (settings, sources) = sources::read(&found).unwrap();
        let expected = Settings {
            framework: Some("pytorch".into()),
            base_image: Some("pytorch:2.8".into()),
            apt: topic.apt(),
            groups: Vec::new(),
            gpus: Some(GpuRequest::any(1)),
        };
        assert_eq!(settings, expected, "what is written reads back");
        let files: Vec<_> = sources.iter().map(|source| source.file).collect();
        assert_eq!(files, [REQUIREMENTS], "each package is listed once");
        assert!(!sources[0].needs_folder);
        let requirements = found.requirements.unwrap();
        let listed = requirements.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(listed.collect::<Vec<_>>(), topic.packages());
    }
    assert_eq!("vision".parse::<Topic>(), Err(NoTopic));
}

#[test]
fn the_files_are_these() {
    let mut draft = draft(Topic::default());
    let usual = [
        "README.md",
        "pyproject.toml",
        "requirements.txt",
        ".gitignore",
        ".dockerignore",
        "data/.gitkeep",
        "models/.gitkeep",
        "notebooks/.gitkeep",
        "src/.gitkeep",
        "Dockerfile",
    ];
    assert_eq!(paths(&draft), usual);
    draft.recipe = None;
    assert_eq!(paths(&draft), usual[..9], "no Dockerfile from nothing");
    draft.devcontainer = Some(1001);
    draft.blank = true;
    let blank = [
        "README.md",
        "pyproject.toml",
        ".devcontainer/devcontainer.json",
    ];
    assert_eq!(paths(&draft), blank);
}

#[test]
fn models_are_left_out_of_git_unless_lfs_takes_them() {
    let mut draft = draft(Topic::default());
    let without = text(&draft.files().unwrap(), ".gitignore");
    draft.lfs = true;
    let files = draft.files().unwrap();
    assert!(without.ends_with(
        "!/data/.gitkeep\n*.bin\n*.ckpt\n*.h5\n*.keras\n*.onnx\n*.pt\n*.pth\n*.safetensors\n"
    ));
    assert!(text(&files, ".gitignore").ends_with("!/data/.gitkeep\n"));
    let attributes = text(&files, ".gitattributes");
    assert_eq!(attributes.lines().count(), MODELS.len());
    assert!(attributes.contains("*.pt filter=lfs diff=lfs merge=lfs -text\n"));
}

#[test]
fn a_blank_project_says_nothing_of_files_that_it_has_not() {
    let mut draft = draft(Topic::default());
    draft.blank = true;
    let files = draft.files().unwrap();
    for other in ["requirements.txt", "Dockerfile", "src"] {
        for file in &files {
            assert!(!file.text.contains(other), "{other} in {}", file.path);
        }
    }
    let pyproject = Texts {
        pyproject: Some(text(&files, PYPROJECT)),
        ..Texts::default()
    };
    assert!(sources::read(&pyproject).unwrap().1.is_empty());
}

#[test]
fn a_name_in_toml_is_a_text_whatever_it_is() {
    let mut draft = draft(Topic::default());
    draft.framework = "a\"\n[x]\\".into();
    let found = Texts {
        pyproject: Some(text(&draft.files().unwrap(), PYPROJECT)),
        ..Texts::default()
    };
    let (settings, _) = sources::read(&found).unwrap();
    assert_eq!(settings.framework, Some(draft.framework));
}

#[test]
fn data_stays_out_of_the_image() {
    let files = draft(Topic::default()).files().unwrap();
    assert!(Ignore::parse(&text(&files, ".dockerignore")).is_ok());
    assert!(text(&files, ".dockerignore").contains("\ndata\n"));
}
