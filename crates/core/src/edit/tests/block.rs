//! What a Dockerfile of somebody else's gets.

use super::*;

const BEGIN: &str =
    "# >>> packages of image-update, which writes what is between these lines >>>\n";
const END: &str = "# <<< packages of image-update <<<\n";

#[test]
fn a_dockerfile_of_somebody_elses_gets_a_block_and_is_otherwise_as_it_was() {
    let before = "FROM a AS build\nUSER me\nFROM lab\n# why\nRUN pip install scipy\nCMD [\"x\"]";
    let files = theirs(before);
    let new = edited(
        &files,
        "numpy>=1.26 'tomli;python_version<\"3\"'"
            .replace('\'', "")
            .as_str(),
        "tree",
        "",
    );
    let block = format!(
        "{BEGIN}RUN apt-get update \\\n    && DEBIAN_FRONTEND=noninteractive apt-get install -y \
         --no-install-recommends \\\n        tree \\\n    && rm -rf /var/lib/apt/lists/*\n\
         RUN [\"env\", \"PIP_BREAK_SYSTEM_PACKAGES=1\", \"pip\", \"install\", \"--no-cache-dir\", \\\n    \
         \"numpy>=1.26\", \\\n    \"tomli;python_version<\\\"3\\\"\"]\n{END}"
    );
    assert_eq!(new.dockerfile, format!("{before}\n\n{block}"));
    assert_eq!(new.texts, Texts::default());
    // What stands there is changed in its place, whatever was written around it.
    let around = Files {
        dockerfile: format!("{}\nEXPOSE 80\n", new.dockerfile),
        ..new.clone()
    };
    let changed = edited(&around, "numpy==2", "tree=1.0", "tomli");
    let expected = around
        .dockerfile
        .replace(
            "numpy>=1.26\", \\\n    \"tomli;python_version<\\\"3\\\"\"]",
            "numpy==2\"]",
        )
        .replace("tree \\", "tree=1.0 \\");
    assert_eq!(changed.dockerfile, expected);
    let names = |files: &Files| -> Vec<String> {
        listed(files)
            .unwrap()
            .into_iter()
            .map(|one| one.text)
            .collect()
    };
    assert_eq!(names(&changed), ["tree=1.0", "numpy==2"]);
    let none = edited(&changed, "", "", "tree numpy");
    assert_eq!(none.dockerfile, format!("{before}\n\nEXPOSE 80\n"));
    let none = edited(&new, "", "", "tree numpy Tomli");
    assert_eq!(none.dockerfile, format!("{before}\n"));
}

#[test]
fn a_block_is_written_in_the_ways_of_its_file() {
    let crlf = edited(&theirs("\u{feff}# escape=`\r\nFROM lab"), "a b", "", "").dockerfile;
    let run = "RUN [\"env\", \"PIP_BREAK_SYSTEM_PACKAGES=1\", \"pip\", \"install\", \"--no-cache-dir\", \
               `\n    \"a\", `\n    \"b\"]\n";
    let expected = format!("\u{feff}# escape=`\nFROM lab\n\n{BEGIN}{run}{END}");
    assert_eq!(crlf, expected.replace('\n', "\r\n"));
    let files = theirs(&crlf);
    assert_eq!(
        edited(&files, "", "", "a b").dockerfile,
        "\u{feff}# escape=`\r\nFROM lab\r\n"
    );
    let again = edited(&edited(&files, "c", "", "a b"), "a b", "", "c");
    assert_eq!(again.dockerfile, crlf);
}

#[test]
fn a_block_runs_as_root_and_gives_the_user_back() {
    let user = |text: &str| {
        let new = edited(&theirs(text), "a", "", "").dockerfile;
        let block = new.split(BEGIN).nth(1).unwrap().split(END).next().unwrap();
        let user = block
            .strip_prefix("USER root\n")
            .and_then(|rest| rest.split("USER ").nth(1));
        user.map(|user| user.trim_end().to_string())
    };
    for (text, expected) in [
        ("FROM a\nUSER app\n", Some("app")),
        ("FROM a\nuser \\\n  $NB_USER\nCMD x\n", Some("$NB_USER")),
        ("FROM a AS base\nUSER app\nFROM base\n", Some("app")),
        (
            "FROM a AS base\nUSER app\nFROM --platform=x Base AS n\nUSER 0\n",
            None,
        ),
        ("FROM a AS base\nUSER app\nFROM other\n", None),
        ("FROM a\nUSER app\nUSER root\n", None),
        ("FROM a\n", None),
    ] {
        assert_eq!(user(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn debians_packages_come_before_what_may_need_them() {
    let block = |user: &str| {
        let [before, after] = match user {
            "" => [String::new(), String::new()],
            user => ["USER root\n".into(), format!("USER {user}\n")],
        };
        format!(
            "{BEGIN}{before}RUN apt-get update \\\n    && DEBIAN_FRONTEND=noninteractive apt-get install -y \
             --no-install-recommends \\\n        gcc \\\n    && rm -rf /var/lib/apt/lists/*\n{after}{END}\n"
        )
    };
    let before = "FROM lab\nUSER app\n\nENV A=b\n# mine\nCOPY requirements.txt ./\n# too\nRUN pip install \\\n  -r requirements.txt\n";
    let new = edited(&theirs(before), "", "gcc", "").dockerfile;
    assert_eq!(
        new,
        before.replace("# mine", &format!("{}# mine", block("app")))
    );
    assert_eq!(edited(&theirs(&new), "", "", "gcc").dockerfile, before);
    let own = ours(texts(PYPROJECT, "# none\n", ""), &[]);
    let new = edited(&own, "", "gcc", "").dockerfile;
    let section = "# As pyproject.toml has them";
    assert_eq!(
        new,
        own.dockerfile
            .replace(section, &format!("{}{section}", block("")))
    );
}

#[test]
fn a_stage_that_was_added_has_the_block_from_then_on() {
    let first = edited(&theirs("FROM lab\n"), "a", "", "");
    let added = theirs(&format!("{}\nFROM slim\n", first.dockerfile));
    let new = edited(&added, "b", "", "").dockerfile;
    let (before, block) = new.split_once(BEGIN).unwrap();
    assert_eq!(before, "FROM lab\n\nFROM slim\n\n");
    assert!(block.contains("\"a\", \\\n    \"b\"]"), "{new}");
}

#[test]
fn a_block_that_was_changed_by_hand_is_left_alone() {
    let whole = edited(&theirs("FROM lab\n"), "a", "tree", "").dockerfile;
    for (odd, line) in [
        (whole.replace("\"a\"]", "\"a\""), 8),
        (whole.replace("RUN [", "RUN pip install x\nRUN ["), 8),
        (whole.replace(END, ""), 3),
        (format!("{whole}{BEGIN}{END}"), 11),
    ] {
        let refused = edit(&theirs(&odd), &change("b", "", ""));
        assert_eq!(refused, Err(Unedited::Block { line }), "{odd}");
    }
    let open = edit(&theirs("FROM lab\nRUN a \\\n"), &change("b", "", ""));
    assert_eq!(open, Err(Unedited::Open));
}
