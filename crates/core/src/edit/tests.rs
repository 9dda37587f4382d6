use super::*;
use crate::{
    recipe::{Recipe, Source},
    sources,
};

mod block;

/// A project's files, with the Dockerfile that we would write for them.
fn ours(texts: Texts, apt: &[&str]) -> Files {
    let (_, mut sources) = sources::read(&texts).unwrap();
    if texts.requirements.is_none() {
        sources.push(Source {
            file: sources::REQUIREMENTS,
            ..Source::default()
        });
    }
    let recipe = Recipe {
        base: "lab".into(),
        choice: None,
        apt: apt.iter().map(|name| name.to_string()).collect(),
        sources,
    };
    Files {
        dockerfile: recipe.dockerfile(&"thesis".parse().unwrap()).unwrap(),
        texts,
    }
}

fn texts(pyproject: &str, requirements: &str, environment: &str) -> Texts {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
    Texts {
        pyproject: some(pyproject),
        requirements: some(requirements),
        environment: some(environment),
    }
}

fn theirs(dockerfile: &str) -> Files {
    Files {
        dockerfile: dockerfile.into(),
        ..Files::default()
    }
}

fn change(add: &str, apt_names: &str, remove: &str) -> Change {
    Change {
        add: wanted(add).unwrap(),
        import: Vec::new(),
        apt: apt(apt_names).unwrap(),
        remove: remove.split_whitespace().map(String::from).collect(),
    }
}

#[track_caller]
fn edited(files: &Files, add: &str, apt: &str, remove: &str) -> Files {
    edit(files, &change(add, apt, remove)).unwrap().0
}

fn told(files: &Files, add: &str, apt: &str, remove: &str) -> Vec<String> {
    let (_, steps) = edit(files, &change(add, apt, remove)).unwrap();
    steps.iter().map(Step::to_string).collect()
}

const REQUIREMENTS: &str = "# mine\r\nnumpy==1.26.4 # pinned\r\n--pre\r\nScikit_Learn>=1 \\\r\n  \
                            --hash=sha256:0\r\n-r more.txt";

#[test]
fn where_pip_reads_requirements_they_are_changed_and_nothing_else() {
    let hand =
        "FROM lab\nCOPY . /src\nRUN cd /src && pip3 install --upgrade -r ./requirements.txt\n";
    let json = "FROM lab\nADD [\"requirements.txt\", \"/tmp/\"]\n\
                RUN [\"python3\", \"-m\", \"pip\", \"install\", \"-r\", \"/tmp/requirements.txt\"]\n";
    let stages = "FROM lab AS build\nCOPY *.txt ./\nRUN pip install --prefix=/i -rrequirements.txt\n\
                  FROM slim\nCOPY --from=build /i /usr/local\n";
    let texts = texts("", REQUIREMENTS, "");
    let own = ours(texts.clone(), &[]).dockerfile;
    for dockerfile in [hand, json, stages, &own] {
        let files = Files {
            dockerfile: dockerfile.into(),
            texts: texts.clone(),
        };
        let new = edited(&files, "numpy>=2 einops", "", "scikit.learn");
        assert_eq!(new.dockerfile, dockerfile);
        let expected = "# mine\r\nnumpy>=2 # pinned\r\n--pre\r\n-r more.txt\r\neinops\r\n";
        assert_eq!(
            new.texts.requirements.as_deref(),
            Some(expected),
            "{dockerfile}"
        );
        let said = [
            "scikit-learn removed from requirements.txt",
            "numpy>=2 in requirements.txt, in place of numpy==1.26.4",
            "einops added to requirements.txt",
        ];
        let told = told(&files, "numpy>=2 einops", "", "scikit.learn");
        assert_eq!(told[1..], said[1..]);
        assert_eq!(told[0], "Scikit_Learn>=1 removed from requirements.txt");
    }
}

#[test]
fn a_name_alone_changes_no_pin() {
    let files = ours(texts("", REQUIREMENTS, ""), &["tree=1.0"]);
    assert_eq!(edited(&files, "NumPy", "tree", ""), files);
    let said = [
        "tree is in Dockerfile already: tree=1.0",
        "NumPy is in requirements.txt already: numpy==1.26.4",
    ];
    assert_eq!(told(&files, "NumPy", "tree", ""), said);
}

const PYPROJECT: &str = "[project]\nname = 'x'\ndependencies = [\n  # arrays\n  \"numpy>=1.26\", # a\n  \
                         'einops',\n]\noptional-dependencies.dev = ['pytest', 'numpy==1.0']\n\
                         [tool.ds01]\ngroups = ['dev']\napt = ['tree']\n";

#[test]
fn what_the_dockerfile_repeats_of_another_file_is_changed_in_both() {
    let files = ours(texts(PYPROJECT, "# nothing yet\n", ""), &["tree"]);
    let new = edited(
        &files,
        "timm==1.0 'numpy>=2'".replace('\'', "").as_str(),
        "ffmpeg",
        "Einops",
    );
    let pyproject = PYPROJECT
        .replace(
            "\"numpy>=1.26\", # a\n  'einops',",
            "\"numpy>=2\", # a\n  \"timm==1.0\",",
        )
        .replace(", 'numpy==1.0'", "")
        .replace("['tree']", "['tree', 'ffmpeg']");
    assert_eq!(new.texts.pyproject.as_deref(), Some(&*pyproject));
    assert_eq!(new.texts.requirements, files.texts.requirements);
    let lines =
        "    \"numpy>=1.26\", \\\n    \"einops\", \\\n    \"pytest\", \\\n    \"numpy==1.0\"]\n";
    let expected = files
        .dockerfile
        .replace(
            lines,
            "    \"numpy>=2\", \\\n    \"pytest\", \\\n    \"timm==1.0\"]\n",
        )
        .replace("        tree \\\n", "        tree \\\n        ffmpeg \\\n");
    assert_eq!(new.dockerfile, expected);
    let none = edited(&files, "", "", "numpy einops pytest tree");
    assert!(!none.dockerfile.contains("[\"pip\""), "{}", none.dockerfile);
    let plain = ours(texts("[project]\nname = 'x'\n", "# nothing yet\n", ""), &[]);
    assert_eq!(
        none.dockerfile, plain.dockerfile,
        "as if there had never been any"
    );
}

#[test]
fn a_dockerfile_that_does_not_repeat_all_is_brought_in_line() {
    let whole = ours(texts(PYPROJECT, "# none\n", ""), &[]);
    let mut files = whole.clone();
    files.dockerfile = whole
        .dockerfile
        .replace("    \"einops\", \\\n", "    \"peft\", \\\n");
    assert_eq!(
        told(&files, "einops", "", ""),
        ["einops of pyproject.toml added to Dockerfile"]
    );
    let new = edited(&files, "einops peft==1", "", "");
    assert_eq!(new.texts, files.texts);
    assert!(
        new.dockerfile.contains("    \"peft==1\", \\\n"),
        "{}",
        new.dockerfile
    );
    assert!(
        new.dockerfile.contains("    \"einops\"]\n"),
        "{}",
        new.dockerfile
    );
    let gone = edited(&files, "", "", "peft");
    assert!(!gone.dockerfile.contains("peft"), "{}", gone.dockerfile);
}

#[test]
fn an_environment_loses_lines_and_gains_none() {
    let environment = "dependencies:\n- python=3.11\n- numpy=1.26 # a\n- cudatoolkit\n- pip:\n  - timm\n  - x==1\n";
    let files = ours(texts("", "", environment), &[]);
    let new = edited(&files, "x==2 einops", "", "numpy cudatoolkit");
    let expected = "dependencies:\n- python=3.11\n- pip:\n  - timm\n  - \"x==2\"\n";
    assert_eq!(new.texts.environment.as_deref(), Some(expected));
    assert_eq!(new.texts.requirements.as_deref(), Some("einops\n"));
    let section = "    \"timm\", \\\n    \"x==2\"]\n";
    assert!(new.dockerfile.contains(section), "{}", new.dockerfile);
    let new = edited(&files, "numpy==2", "", "");
    let expected = environment.replace("numpy=1.26", "\"numpy==2\"");
    assert_eq!(new.texts.environment.as_deref(), Some(&*expected));
    assert!(
        new.dockerfile.contains("    \"numpy==2\""),
        "{}",
        new.dockerfile
    );
    let conda = edit(&files, &change("numpy[extra]==2", "", ""));
    let by_hand = Unedited::ByHand {
        file: sources::ENVIRONMENT,
        list: "dependencies".into(),
    };
    assert_eq!(conda, Err(by_hand));
}

#[test]
fn what_is_not_listed_is_told_with_what_is() {
    let refused = |files: &Files, remove: &str| {
        let refused = edit(files, &change("", "", remove)).unwrap_err();
        assert_eq!(refused.kind(), Kind::NotFound);
        refused.hint().unwrap()
    };
    let mut files = ours(texts("", "numpy==1\ntorch\n", ""), &["tree"]);
    assert_eq!(refused(&files, "scipy"), "they have tree, numpy==1, torch");
    files.texts.requirements = Some("a\n-r more.txt\n--requirement=less.txt # x\n".into());
    let hint = "change it yourself in more.txt, less.txt";
    assert_eq!(refused(&files, "scipy"), hint);
    let hand = theirs("FROM a\nRUN pip \\\n install 'Sci.Py>=1' && true\n");
    assert_eq!(
        refused(&hand, "sci-py"),
        "change it yourself in line 2 of the Dockerfile"
    );
    assert_eq!(refused(&theirs("FROM a\n"), "x"), "they have none");
    let poetry = "[tool.poetry.dependencies]\npython = '^3.11'\nnumpy = '^1'\n";
    let poetry = ours(texts(poetry, "# none\n", ""), &[]);
    let hint = "change it yourself in poetry's list in pyproject.toml";
    assert_eq!(refused(&poetry, "numpy"), hint);
    // One that is wrong, and nothing was done about the others.
    assert!(edit(&files, &change("b", "", "a x")).is_err());
}

#[test]
fn lines_of_another_file_are_taken_in() {
    let lines = [
        "numpy>=2 # new",
        "--pre",
        "--no-binary :all:",
        "a==1 \\\n --hash=sha256:0",
        "einops",
    ];
    let change = Change {
        import: lines.map(String::from).to_vec(),
        ..Change::default()
    };
    let (new, steps) = edit(&ours(texts("", REQUIREMENTS, ""), &[]), &change).unwrap();
    let end = "-r more.txt\r\n--no-binary :all:\r\na==1 \\\n --hash=sha256:0\r\neinops\r\n";
    let expected = REQUIREMENTS.replace("numpy==1.26.4", "numpy>=2");
    let expected = expected.replace("-r more.txt", end);
    assert_eq!(new.texts.requirements.as_deref(), Some(&*expected));
    assert_eq!(steps.len(), 5);
    assert_eq!(
        steps[1].to_string(),
        "--pre is in requirements.txt already: --pre"
    );
    let refused = edit(&theirs("FROM a\n"), &change).unwrap_err();
    assert_eq!(refused, Unedited::Line("--pre".into()));
    let plain = Change {
        import: vec!["b>=1 # x".into()],
        ..Change::default()
    };
    let (new, _) = edit(&theirs("FROM a\n"), &plain).unwrap();
    assert!(
        new.dockerfile.contains("    \"b>=1\"]"),
        "{}",
        new.dockerfile
    );
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let mut files = ours(texts("", "a\n", ""), &[]);
    files.texts.pyproject = Some("[project\n".into());
    let refused = edit(&files, &change("b", "", "")).unwrap_err();
    assert_eq!(refused.kind(), Kind::Usage);
    assert_eq!(
        refused.hint().as_deref(),
        Some("mend pyproject.toml, and try again")
    );
}
