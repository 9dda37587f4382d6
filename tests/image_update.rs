//! `image-update`: a project's image with other packages, which are changed where they are listed.

use std::fs;

use ds01_testkit::{Outcome, TestHost};

use crate::support::{
    expect::{all_containers, failed, project, with_config},
    python::python,
};

mod anew;
mod corpus;
mod menu;
mod renewed;

const UPDATE: &str = "image-update";
const IMAGE: &str = "ds01-20001/thesis:latest";
const BEGIN: &str =
    "# >>> packages of image-update, which writes what is between these lines >>>\n";
const END: &str = "# <<< packages of image-update <<<\n";

/// A host with an image that pip and apt-get work in, from which projects begin.
fn host() -> TestHost {
    let host = TestHost::with_gpus(2);
    python(&host, &["lab"]);
    with_config(&host, "[containers]\ndefault_image = \"lab\"\n");
    host
}

/// A file of alice's project.
fn read(host: &TestHost, file: &str) -> String {
    fs::read_to_string(host.home("alice").join("workspace/thesis").join(file)).unwrap()
}

/// What stands in alice's workspace, to the byte and second.
fn workspace(host: &TestHost) -> String {
    let script = "ls -lAR --full-time workspace 2>&1; cat $(find workspace -type f) /dev/null 2>&1";
    host.run("sh", &["-c", script]).stdout
}

/// What Python says in an image of alice's.
#[track_caller]
fn python_says(host: &TestHost, script: &str) -> String {
    let run = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "python3",
        "-c",
        script,
    ];
    host.docker(&run).ok()
}

/// What Debian's stand-ins left in an image of alice's.
#[track_caller]
fn debian_has(host: &TestHost) -> String {
    let script = "ls /usr/share/stand-in 2>/dev/null | tr '\\n' ' '";
    host.docker(&["run", "--rm", "--network=none", IMAGE, "sh", "-c", script])
        .ok()
}

/// What is said before the first step of the build.
fn told(outcome: &Outcome) -> &str {
    outcome.stderr.split("Step 1/").next().unwrap_or_default()
}

#[test]
fn packages_are_changed_where_the_project_lists_them() {
    let host = host();
    let requirements = "# mine\r\nnumpy==1.25.0 # pinned\r\npandas\r\n";
    let pyproject = "[tool.ds01]\napt = [ 'ffmpeg' ] # sound\n";
    let files = [
        ("requirements.txt", requirements),
        ("pyproject.toml", pyproject),
    ];
    project(&host, "alice", "thesis", &files);
    host.run("chmod", &["640", "workspace/thesis/requirements.txt"])
        .ok();
    host.run("image-create", &["thesis"]).ok();
    let dockerfile = read(&host, "Dockerfile");
    let args = [
        "thesis",
        "--add",
        "numpy>=2,<2.1 Timm",
        "--add=with.extras[one]",
        "--remove=Pandas",
        "-s",
        "tree",
    ];
    let updated = host.run(UPDATE, &args);
    assert_eq!(
        told(&updated),
        "pandas removed from requirements.txt\n\
         tree added to Dockerfile and pyproject.toml\n\
         numpy>=2,<2.1 in requirements.txt, in place of numpy==1.25.0\n\
         Timm added to requirements.txt\n\
         with.extras[one] added to requirements.txt\n"
    );
    let end = format!("image {IMAGE} built\nnext: container-deploy thesis\n");
    assert!(updated.stderr.ends_with(&end), "{}", updated.stderr);
    assert_eq!(updated.ok(), format!("{IMAGE}\n"));
    let expected = "# mine\r\nnumpy>=2,<2.1 # pinned\r\nTimm\r\nwith.extras[one]\r\n";
    assert_eq!(read(&host, "requirements.txt"), expected);
    let expected = pyproject.replace("'ffmpeg'", "'ffmpeg', 'tree'");
    assert_eq!(read(&host, "pyproject.toml"), expected);
    let expected = dockerfile.replace(
        "        ffmpeg \\\n",
        "        ffmpeg \\\n        tree \\\n",
    );
    assert_eq!(read(&host, "Dockerfile"), expected);
    let mode = host.run(
        "stat",
        &["-c", "%a %U", "workspace/thesis/requirements.txt"],
    );
    assert_eq!(mode.ok(), "640 alice\n");
    let script = "import numpy, timm, with_extras, einops; print(numpy.version)\nimport pandas";
    let run = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "python3",
        "-c",
        script,
    ];
    let said = host.docker(&run);
    assert_eq!(said.stdout, "2.0.1\n", "{said:?}");
    assert!(said.stderr.contains("No module named 'pandas'"), "{said:?}");
    assert_eq!(debian_has(&host), "ffmpeg tree ");
}

#[test]
fn a_dockerfile_of_the_users_own_gets_a_block_and_is_otherwise_left_alone() {
    let host = host();
    let hand = "FROM lab AS other\nFROM lab\n# mine\nENV WHO=me\nUSER nobody\nCMD [\"true\"]\n";
    project(&host, "alice", "thesis", &[("Dockerfile", hand)]);
    let args = [
        "thesis",
        "--add",
        "numpy",
        "--add=einops ; python_version > \"3\"",
        "--apt=tree",
    ];
    let updated = host.run(UPDATE, &args);
    let said = "tree added to Dockerfile\nnumpy added to Dockerfile\n\
                einops ; python_version > \"3\" added to Dockerfile\n";
    assert_eq!(told(&updated), said);
    updated.ok();
    let dockerfile = read(&host, "Dockerfile");
    let block = dockerfile
        .strip_prefix(&format!("{hand}\n{BEGIN}USER root\n"))
        .unwrap();
    assert!(
        block.ends_with(&format!("USER nobody\n{END}")),
        "{dockerfile}"
    );
    assert_eq!(
        python_says(&host, "import numpy, einops; print(numpy.version)"),
        "2.1.0\n"
    );
    assert_eq!(debian_has(&host), "tree ");
    let config = [
        "image",
        "inspect",
        "-f",
        "{{.Config.User}} {{.Config.Cmd}}",
        IMAGE,
    ];
    assert_eq!(host.docker(&config).ok(), "nobody [true]\n");

    host.run(
        UPDATE,
        &["thesis", "--add=numpy==1.25.0", "--remove", "einops tree"],
    )
    .ok();
    assert_eq!(
        python_says(&host, "import numpy; print(numpy.version)"),
        "1.25.0\n"
    );
    assert_eq!(debian_has(&host), "");
    // Names without an option belong to the only one that there is.
    host.run(UPDATE, &["thesis", "--add", "timm", "peft"]).ok();
    python_says(&host, "import timm, peft");
    host.run(UPDATE, &["thesis", "--remove=NumPy", "Timm", "peft"])
        .ok();
    assert_eq!(read(&host, "Dockerfile"), hand);
    let files = host.run("ls", &["-A", "workspace/thesis"]).ok();
    assert_eq!(files, ".made\nDockerfile\n");
}

#[test]
fn what_the_dockerfile_repeats_of_other_files_is_changed_in_both() {
    let host = host();
    let pyproject = "[project]\nname = 'thesis'\ndependencies = [\n  \"timm\",  # models\n  'pandas', # tables\n]\n";
    let environment =
        "dependencies:\n- python=3.11\n- numpy=1.25 # arrays\n- pip:\n  - 'peft'\n  - prophet\n";
    let files = [
        ("pyproject.toml", pyproject),
        ("environment.yml", environment),
    ];
    project(&host, "alice", "thesis", &files);
    host.run("image-create", &["thesis"]).ok();
    let args = [
        "thesis",
        "--add=einops",
        "peft==1.0",
        "--remove=pandas prophet numpy",
    ];
    let updated = host.run(UPDATE, &args);
    assert_eq!(
        updated.status,
        Some(2),
        "of which list is peft? {updated:?}"
    );
    let updated = host.run(
        UPDATE,
        &[
            "thesis",
            "--add=einops peft==1.0",
            "--remove=pandas prophet numpy",
        ],
    );
    assert_eq!(
        told(&updated),
        "pandas removed from pyproject.toml and Dockerfile\n\
         prophet removed from environment.yml and Dockerfile\n\
         numpy=1.25 removed from environment.yml and Dockerfile\n\
         einops added to pyproject.toml and Dockerfile\n\
         peft==1.0 in environment.yml and Dockerfile, in place of peft\n"
    );
    updated.ok();
    let expected = pyproject.replace("  'pandas', # tables\n", "  \"einops\",\n");
    assert_eq!(read(&host, "pyproject.toml"), expected);
    let expected = "dependencies:\n- python=3.11\n- pip:\n  - \"peft==1.0\"\n";
    assert_eq!(read(&host, "environment.yml"), expected);
    let script = "import importlib.util as u\n\
                  print([n for n in 'timm einops peft pandas prophet numpy'.split() if u.find_spec(n)])";
    assert_eq!(python_says(&host, script), "['timm', 'einops', 'peft']\n");
}

#[test]
fn a_file_of_packages_is_taken_in() {
    let host = host();
    let files = [
        ("Dockerfile", "FROM lab\n"),
        ("more.txt", "# some\nnumpy==1.25.0 # why\ntimm\n"),
    ];
    project(&host, "alice", "thesis", &files);
    host.run(UPDATE, &["thesis", "-r", "workspace/thesis/more.txt"])
        .ok();
    assert_eq!(
        python_says(&host, "import numpy, timm; print(numpy.version)"),
        "1.25.0\n"
    );
    let odd = [("odd.txt", "--pre\n"), ("local.txt", "./lib\n")];
    project(&host, "alice", "other", &odd);
    let before = workspace(&host);
    for (file, status, said) in [
        (
            "odd.txt",
            4,
            "image-update: the line \"--pre\" can stand in requirements.txt alone, which the Dockerfile does not install\nhint: with image-update thesis --edit, add: COPY requirements.txt ./ and RUN pip install -r requirements.txt\n",
        ),
        (
            "local.txt",
            2,
            "image-update: the line \"./lib\" names a file beside it, which the project does not have\nhint: copy the files into the project's folder, and name them there\n",
        ),
        (
            "none.txt",
            3,
            "image-update: cannot read workspace/other/none.txt: there is no such file\n",
        ),
    ] {
        let file = format!("workspace/other/{file}");
        assert_eq!(
            host.run(UPDATE, &["thesis", "-r", &file]),
            failed(status, said)
        );
    }
    assert_eq!(workspace(&host), before);
}

#[test]
fn a_build_that_fails_keeps_the_image_and_says_how_to_go_back() {
    let host = host();
    project(
        &host,
        "alice",
        "thesis",
        &[("requirements.txt", "numpy==1.25.0\n")],
    );
    host.run("image-create", &["thesis"]).ok();
    let refused = host.run(UPDATE, &["thesis", "--add", "nunpy"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    let hint = "hint: mend it, and build again: image-update thesis --rebuild; or take out what was \
                added: image-update thesis --remove 'nunpy'\n";
    assert!(refused.stderr.ends_with(hint), "{}", refused.stderr);
    assert_eq!(read(&host, "requirements.txt"), "numpy==1.25.0\nnunpy\n");
    // What this call has not added is not its to take out.
    let again = host.run(UPDATE, &["thesis", "--add", "nunpy numpy"]);
    let hint = "hint: mend it, and build again: image-update thesis --rebuild\n";
    assert!(again.stderr.ends_with(hint), "{}", again.stderr);
    assert_eq!(
        python_says(&host, "import numpy; print(numpy.version)"),
        "1.25.0\n"
    );
    host.run(UPDATE, &["thesis", "--remove", "nunpy"]).ok();
    assert_eq!(read(&host, "requirements.txt"), "numpy==1.25.0\n");
}

#[test]
fn a_rebuild_takes_in_what_was_changed_by_hand() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nRUN head -c 8 /dev/urandom | od -An -tx1 >/chance\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let built = |args: &[&str]| {
        host.run(UPDATE, &[&["thesis"], args].concat()).ok();
        let run = [
            "run",
            "--rm",
            "--network=none",
            IMAGE,
            "cat",
            "/chance",
            "/word",
        ];
        host.docker(&run).stdout
    };
    let first = built(&["--rebuild"]);
    assert_eq!(built(&["--rebuild"]), first);
    assert_ne!(built(&["--no-cache"]), first);
    let more = format!("{dockerfile}RUN echo new >/word\n");
    project(&host, "alice", "thesis", &[("Dockerfile", &more)]);
    assert!(built(&["--rebuild"]).ends_with("new\n"));
    assert_eq!(read(&host, "Dockerfile"), more, "it is the user's");
}

#[test]
fn what_cannot_be_changes_nothing() {
    let host = TestHost::new();
    let files = [
        (
            "Dockerfile",
            "FROM ds01-base\nCOPY . .\nRUN pip install -r requirements.txt scipy\n",
        ),
        ("requirements.txt", "numpy==1.26.4\n"),
    ];
    project(&host, "alice", "thesis", &files);
    project(&host, "alice", "bare", &[]);
    let odd = [
        ("Dockerfile", "FROM ds01-base\n"),
        ("pyproject.toml", "[project\n"),
    ];
    project(&host, "alice", "odd", &odd);
    project(
        &host,
        "alice",
        "linked",
        &[(
            "Dockerfile",
            "FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n",
        )],
    );
    host.run(
        "ln",
        &["-s", "/etc/hostname", "workspace/linked/requirements.txt"],
    )
    .ok();
    let before = workspace(&host);
    let pip = "hint: as pip has them, with blanks between: 'numpy>=1.26 einops'; one with a marker is the last\n";
    for (args, status, said) in [
        (&[][..], 2, "missing argument <project>\nhint: without a terminal it must be given: see image-update --help\n".into()),
        (&["thesis"], 2, "nothing was said to change, and there is no terminal to ask on\nhint: --add, --remove, --apt or --requirements changes packages; --rebuild takes in what you changed\n".into()),
        (&["thesis", "--edit"], 2, "--edit opens an editor, and there is no terminal for it\nhint: --add, --remove, --apt or --requirements changes packages; --rebuild takes in what you changed\n".into()),
        (&["thesis", "odd", "--rebuild"], 2, "unexpected argument \"odd\"\nhint: one project at a time; of several packages say what they are for: --add, --remove, --apt\n".into()),
        (&["thesis", "--add=--pre"], 2, format!("\"--pre\" is no package\n{pip}")),
        (&["thesis", "--add=numpy,einops"], 2, format!("\"numpy,einops\" is no package\n{pip}")),
        (&["thesis", "--add=./lib"], 2, "\"./lib\" is a file\nhint: write it into requirements.txt yourself\n".into()),
        (&["thesis", "--apt=a;id"], 2, "no package of Debian's can be called \"a;id\"\nhint: as apt-get has them, with blanks between: name, or name=version\n".into()),
        (&["thesis", "--add=einops", "--remove=torch"], 3, "no list of this project has the package torch\nhint: they have numpy==1.26.4\n".into()),
        (&["thesis", "--remove=SciPy"], 3, "no list of this project has the package SciPy\nhint: change it yourself in line 3 of the Dockerfile\n".into()),
        (&["bare", "--add=einops"], 3, "project bare has no Dockerfile to change\nhint: make one with image-create bare\n".into()),
        (&["none", "--rebuild"], 3, "you have no project none: there is no folder ~/workspace/none\nhint: make it first: project-init none; or do without: container-deploy none --image=<image>\n".into()),
        (&["odd", "--add=einops"], 2, "pyproject.toml is wrong: line 1: unclosed table, expected `]`\nhint: mend pyproject.toml, and try again\n".into()),
        (&["thesis._.20002", "--rebuild"], 7, "a container is made for its owner by its owner\nhint: make one of your own: image-update thesis\n".into()),
    ] {
        let run = host.run(UPDATE, args);
        assert_eq!(run, failed(status, &format!("image-update: {said}")), "{args:?}");
    }
    let linked = host.run(UPDATE, &["linked", "--add=einops"]);
    let said = "it is a link to /etc/hostname, outside\nhint: put a file in its place\n";
    assert!(linked.stderr.ends_with(said), "{linked:?}");
    assert_eq!(workspace(&host), before);
    assert_eq!(all_containers(&host), "");
}
