use super::*;
use crate::{
    edit::{Change, edit},
    sources::Texts,
};

fn thesis() -> ContainerName {
    "thesis".parse().unwrap()
}

/// The files of a project as DS01 makes its Dockerfile.
fn made(texts: Texts) -> Files {
    let (settings, sources) = sources::read(&texts).unwrap();
    let recipe = Recipe {
        base: "lab:1".into(),
        choice: settings.choice("lab:1"),
        apt: settings.apt,
        sources: with_requirements(sources),
    };
    Files {
        dockerfile: recipe.dockerfile(&thesis()).unwrap(),
        texts,
    }
}

fn texts(pyproject: &str, environment: &str, requirements: &str) -> Texts {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_string());
    Texts {
        pyproject: text(pyproject),
        requirements: text(requirements),
        environment: text(environment),
    }
}

fn depends(on: &str) -> String {
    format!("[project]\nname = 'x'\ndependencies = [{on}]\n")
}

#[test]
fn a_dockerfile_that_nobody_edited_becomes_what_it_would_be_if_it_was_made_now() {
    let one = depends("'numpy'");
    let two = depends("'numpy>=2', 'einops ; python_version > \"3\"', 'x @ file:lib'");
    let apt = "[tool.ds01]\napt = ['ffmpeg']\ngpus = 2\n";
    let conda = "dependencies:\n- cudatoolkit\n- numpy=1.26\n- pip: [peft]\n";
    let all = [
        texts("", "", ""),
        texts("", "", "-r more.txt\n"),
        texts(&one, "", "timm\n"),
        texts(&two, "", "timm\n"),
        texts(&format!("{two}{apt}"), conda, "timm\n"),
        texts(
            apt,
            "dependencies:\n- numpy\n- pip: [-r more.txt, peft]\n",
            "",
        ),
        texts("[tool.poetry.dependencies]\nnumpy = '1'\n", "", "./lib\n"),
    ];
    for texts in &all {
        let files = made(texts.clone());
        let same = renew(&files, &thesis(), None).unwrap();
        assert_eq!((same.dockerfile, same.lacks), (None, vec![]), "{files:?}");
        let edited = Files {
            dockerfile: format!("{}RUN id\n", files.dockerfile),
            texts: all[4].clone(),
        };
        assert_eq!(renew(&edited, &thesis(), None).unwrap().dockerfile, None);
    }
    for (from, to) in [(0, 2), (2, 3), (3, 4), (0, 4), (0, 1), (0, 6), (5, 4)] {
        let before = made(all[from].clone()).dockerfile;
        let files = Files {
            dockerfile: before,
            texts: all[to].clone(),
        };
        let renewal = renew(&files, &thesis(), None).unwrap();
        if from == 5 {
            let lack = &renewal.lacks[0];
            assert!(lack.options, "options of pip's went: {lack:?}");
            continue;
        }
        let expected = made(all[to].clone()).dockerfile;
        assert_eq!(renewal.dockerfile, Some(expected), "{from} {to}");
    }
}

#[test]
fn what_a_dockerfile_has_alone_keeps_it_and_is_told() {
    let mut files = made(texts(&depends("'numpy', 'pandas'"), "", ""));
    files.texts.pyproject = Some(depends("'numpy>=2', 'einops'"));
    let renewal = renew(&files, &thesis(), None).unwrap();
    assert_eq!(renewal.dockerfile, None);
    let lack = Lack {
        file: PYPROJECT,
        add: vec!["numpy>=2".into(), "einops".into()],
        remove: vec!["pandas".into()],
        options: false,
    };
    assert_eq!(renewal.lacks, [lack]);
    // What is told mends it.
    let change = Change {
        add: ["numpy>=2", "einops"]
            .iter()
            .flat_map(|one| crate::edit::wanted(one).unwrap())
            .collect(),
        remove: vec!["pandas".into()],
        ..Change::default()
    };
    let (after, _) = edit(&files, &change).unwrap();
    assert_eq!(after.dockerfile, made(files.texts).dockerfile);
}

#[test]
fn debians_packages_of_both_stay() {
    let mut files = made(texts("[tool.ds01]\napt = []\n", "", "timm\n"));
    let change = Change {
        apt: vec!["tree".into()],
        ..Change::default()
    };
    files = edit(&files, &change).unwrap().0;
    files.texts.pyproject = Some("[tool.ds01]\napt = ['ffmpeg']\n".into());
    let anew = renew(&files, &thesis(), None).unwrap().dockerfile.unwrap();
    assert!(
        anew.contains("        tree \\\n        ffmpeg \\\n"),
        "{anew}"
    );
}

#[test]
fn a_file_is_taken_in_only_by_a_dockerfile_that_has_it() {
    let takes = |dockerfile: &str, file| {
        let files = Files {
            dockerfile: dockerfile.into(),
            texts: texts(&depends("'numpy'"), "", "timm\n"),
        };
        renew(&files, &thesis(), None).unwrap().takes_in(file)
    };
    assert!(takes(
        "FROM x\nCOPY . /src\nRUN pip install /src\n",
        PYPROJECT
    ));
    assert!(takes("FROM x\nCOPY requirements.txt /\n", REQUIREMENTS));
    assert!(!takes("FROM x\nCOPY requirements.txt /\n", PYPROJECT));
    assert!(!takes("FROM x\n", REQUIREMENTS));
    // It is the same, whatever else of the file was changed.
    let ours = made(texts(&depends("'numpy'"), "", "timm\n")).dockerfile;
    assert!(!takes(&ours, PYPROJECT));
    assert!(takes(&ours, REQUIREMENTS));
}

#[test]
fn a_file_that_nobody_reads_may_be_wrong() {
    let mut files = made(texts("", "", ""));
    files.texts.pyproject = Some("[project\n".into());
    assert!(matches!(
        renew(&files, &thesis(), None),
        Err(Unedited::Wrong(_))
    ));
    files.dockerfile = "FROM x\n".into();
    assert_eq!(renew(&files, &thesis(), None), Ok(Renewal::default()));
}

fn begins_from(image: &str) -> String {
    format!("[tool.ds01]\nbase-image = '{image}'\n")
}

#[test]
fn another_image_to_begin_from_is_taken_in_where_the_files_alone_chose_the_one_of_now() {
    let mut files = made(texts(&begins_from("lab"), "", "timm\n"));
    let asked = |files: &Files| {
        let renewal = renew(files, &thesis(), None).unwrap();
        assert_eq!(renewal.dockerfile, None);
        assert_eq!(renewal.takes_in(PYPROJECT), renewal.other_base.is_some());
        (renewal.other_base, renewal.ignored_base)
    };
    assert_eq!(asked(&files), (None, None));
    for now in [
        begins_from("lab:2"),
        "[tool.ds01]\nframework = 'jax'\n".into(),
    ] {
        files.texts.pyproject = Some(now);
        let (settings, ignored) = asked(&files);
        let said = settings.unwrap().base().unwrap();
        let renewal = renew(&files, &thesis(), Some("new:2")).unwrap();
        assert_eq!(renewal.renewed, [(PYPROJECT, vec![said])]);
        let renewed = Files {
            dockerfile: renewal.dockerfile.unwrap(),
            ..files.clone()
        };
        let expected = made(renewed.texts.clone()).dockerfile;
        assert_eq!(renewed.dockerfile, expected.replace("lab:1", "new:2"));
        assert_eq!(ignored, None);
        assert_eq!(asked(&renewed), (None, None));
    }
    // To say nothing is to ask for nothing else.
    files.texts.pyproject = Some("[tool.ds01]\ngpus = 1\n".into());
    assert_eq!(asked(&files), (None, None));
}

#[test]
fn an_image_that_people_put_there_stays_and_they_are_told_of_another() {
    let ignored = |dockerfile: &str, pyproject: &str| {
        let files = Files {
            dockerfile: dockerfile.into(),
            texts: texts(pyproject, "", ""),
        };
        let renewal = renew(&files, &thesis(), None).unwrap();
        assert_eq!((renewal.dockerfile, renewal.other_base), (None, None));
        renewal.ignored_base
    };
    let said = |image: &str| Some(format!("base-image = {image:?}"));
    let named = begins_from("lab");
    for (from, expected) in [
        ("x", said("lab")),
        ("lab", None),
        ("lab:latest", None),
        ("lab:2", said("lab")),
        ("$BASE", None),
        ("--platform=x lab AS a\nFROM a", None),
    ] {
        assert_eq!(
            ignored(&format!("FROM {from}\n"), &named),
            expected,
            "{from}"
        );
    }
    assert_eq!(ignored("FORM x\n", &named), None, "it begins from none");
    assert_eq!(
        ignored("FROM x\n", "[tool.ds01]\nframework = 'jax'\n"),
        None
    );

    // Of one that is ours otherwise, whoever names another image keeps it, whatever is said then;
    let of_ours = made(texts(&named, "", "")).dockerfile;
    let other = begins_from("other");
    for edited in [
        of_ours.replace("FROM lab:1", "FROM own:3"),
        of_ours + "RUN id\n",
    ] {
        assert_eq!(ignored(&edited, &named), None);
        assert_eq!(ignored(&edited, &other), said("other"));
        // Until both name the same.
        let from = edited.replace("FROM lab:1", "FROM other");
        let same = from.replace("FROM own:3", "FROM other");
        assert_eq!(ignored(&same, &other), None);
    }
    // and one for which nothing was said when it was made.
    let unsaid = made(texts("", "", "")).dockerfile;
    assert_eq!(ignored(&unsaid, &begins_from("lab:1")), None);
    assert_eq!(ignored(&unsaid, &other), said("other"));
}
