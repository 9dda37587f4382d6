use super::*;
use crate::dockerfile;

fn thesis() -> ContainerName {
    "thesis".parse().unwrap()
}

fn recipe(sources: Vec<Source>) -> Recipe {
    Recipe {
        base: "pytorch:2.8".into(),
        choice: None,
        apt: Vec::new(),
        sources,
    }
}

fn requirements(needs_folder: bool) -> Source {
    Source {
        file: "requirements.txt",
        needs_folder,
        ..Source::default()
    }
}

#[test]
fn a_dockerfile_can_be_read_from_top_to_bottom() {
    let mut recipe = recipe(vec![requirements(false)]);
    recipe.apt = vec!["ffmpeg".into(), "libc6=2.36-9+deb12u4".into()];
    assert_eq!(
        recipe.dockerfile(&thesis()).unwrap(),
        "# The image of thesis. After a change: project-launch thesis --rebuild\n\
         FROM pytorch:2.8\n\
         \n\
         # Whoever its containers run as, what follows is for everybody.\n\
         USER root\n\
         \n\
         # So that pip installs beside Debian's own packages too, in the container as well.\n\
         ENV PIP_BREAK_SYSTEM_PACKAGES=1\n\
         \n\
         RUN apt-get update \\\n\
         \x20   && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\\n\
         \x20       ffmpeg \\\n\
         \x20       libc6=2.36-9+deb12u4 \\\n\
         \x20   && rm -rf /var/lib/apt/lists/*\n\
         \n\
         # Where the project's folder is mounted in the container: nothing of it need be copied\n\
         # but what pip reads.\n\
         WORKDIR /workspace\n\
         \n\
         # Installed again when requirements.txt has changed, and only then.\n\
         COPY requirements.txt ./\n\
         RUN pip install --no-cache-dir -r requirements.txt\n"
    );
}

#[test]
fn what_another_file_lists_is_quoted_for_no_shell() {
    let odd = Source {
        file: "pyproject.toml",
        arguments: Some(vec![
            r#"a[x,y]>=1,<2 ; python_version < "3.12" and os_name != 'nt'"#.into(),
            "b @ https://x/y?a=$HOME&c=`id`#sha256=0".into(),
            r"back\slash".into(),
        ]),
        left_out: vec!["cuda\nRUN id".into()],
        ..Source::default()
    };
    let text = recipe(vec![odd]).dockerfile(&thesis()).unwrap();
    let end = text.split("WORKDIR /workspace\n").nth(1).unwrap();
    assert_eq!(
        end,
        "\n# pyproject.toml lists these, which are not pip's to install.\n\
         # Not from pip: cuda RUN id\n\
         \n# As pyproject.toml has them; a build writes them anew, unless this Dockerfile was edited.\n\
         RUN [\"pip\", \"install\", \"--no-cache-dir\", \\\n    \
         \"a[x,y]>=1,<2 ; python_version < \\\"3.12\\\" and os_name != 'nt'\", \\\n    \
         \"b @ https://x/y?a=$HOME&c=`id`#sha256=0\", \\\n    \
         \"back\\\\slash\"]\n"
    );
}

#[test]
fn the_folder_is_copied_once_and_only_for_those_that_name_files_of_it() {
    let text = |sources| recipe(sources).dockerfile(&thesis()).unwrap();
    let both = text(vec![requirements(true), requirements(true)]);
    assert_eq!(both.matches("COPY ").count(), 1, "{both}");
    assert_eq!(both.matches("RUN pip install").count(), 2, "{both}");
    let nothing = Source {
        arguments: Some(Vec::new()),
        ..requirements(false)
    };
    assert!(text(vec![nothing]).ends_with("WORKDIR /workspace\n"));
}

#[test]
fn what_is_no_name_is_refused() {
    for base in ["", "-x", "a b", "a\nRUN id", "$A", "a\\"] {
        let recipe = Recipe {
            base: base.into(),
            ..Recipe::default()
        };
        assert_eq!(
            recipe.dockerfile(&thesis()),
            Err(Unfit::Image(base.into())),
            "{base}"
        );
    }
    for package in ["", "-o", "a b", "a;id", "a=", "a=1;id", "a=-1"] {
        let mut recipe = recipe(Vec::new());
        recipe.apt.push(package.into());
        assert_eq!(
            recipe.dockerfile(&thesis()),
            Err(Unfit::Apt(package.into())),
            "{package}"
        );
    }
}

#[test]
fn the_engine_is_asked_for_the_base_alone() {
    let text = recipe(vec![requirements(true)])
        .dockerfile(&thesis())
        .unwrap();
    let images = dockerfile::images(&text, &Default::default()).unwrap();
    assert_eq!(images, ["pytorch:2.8"]);
}
