//! The build of a project's image: what is sent, how it fails, how it is ended.

use std::time::Duration;

use ds01_testkit::TestHost;

use super::{IMAGE, LAUNCH, id_of_image, told};
use crate::support::expect::{all_containers, image, project};

/// Files of a folder that an image has, in order, with their contents and where links lead.
fn files_in(host: &TestHost, image: &str) -> String {
    let script = "cd /folder && find . | sort | while read -r f; do \
                  if [ -L \"$f\" ]; then echo \"$f -> $(readlink \"$f\")\"; \
                  elif [ -f \"$f\" ]; then echo \"$f $(stat -c '%a %u' \"$f\") $(cat \"$f\")\"; \
                  else echo \"$f\"; fi; done";
    let args = ["run", "--rm", "--network=none", image, "sh", "-c", script];
    host.docker(&args).ok()
}

#[test]
fn a_folder_arrives_as_dockers_own_client_sends_it() {
    let host = TestHost::new();
    let files = [
        ("Dockerfile", "FROM ds01-base\nCOPY . /folder\n"),
        ("keep.txt", "kept"),
        ("secret.txt", "not"),
        ("data/big", "not"),
        ("data/small/keep", "kept"),
        ("data/small/other", "not"),
        ("src/a.pyc", "not"),
        ("src/deep/b.pyc", "not"),
        ("src/deep/a.py", "kept"),
        (".git/config", "not"),
        ("with space/ünï", "kept"),
        ("run.sh", "#!/bin/sh\n"),
    ];
    let ignore = "# what is left out\n.git\ndata\n!data/small\ndata/small/o*\n**/*.pyc\n\
                  *.txt\n!keep.txt\n";
    let long = "a-long-name-".repeat(12);
    for ignore in [
        "",
        ignore,
        "*\n!src\n!keep*\n",
        "Dockerfile\n.dockerignore\nsrc/*\n",
    ] {
        project(&host, "alice", "thesis", &files);
        project(&host, "alice", "thesis", &[(".dockerignore", ignore)]);
        let script = format!(
            "cd workspace/thesis && mkdir -p {long}/{long} empty && echo long >{long}/{long}/{long} \
             && chmod 751 run.sh && ln -sf keep.txt link && ln -sfn /nowhere/{long} away && \
             rm -f pipe && mkfifo pipe"
        );
        host.run("sh", &["-c", &script]).ok();
        host.run(LAUNCH, &["thesis", "--rebuild"]).ok();
        host.run("container-retire", &["thesis"]).ok();

        let socket = format!("unix://{}", host.engine().socket().display());
        let docker = host.as_user("root").in_dir("/home/alice/workspace/thesis");
        let docker = docker
            .env("DOCKER_HOST", &socket)
            .env("DOCKER_BUILDKIT", "0");
        docker
            .run(
                "docker",
                &["build", "-q", "-t", "by-docker", "--no-cache", "."],
            )
            .ok();
        let (ours, dockers) = (files_in(&host, IMAGE), files_in(&host, "by-docker"));
        // Docker's client sends pipes, which nobody has in an image.
        let dockers = dockers.replace("./pipe\n", "");
        assert_eq!(ours, dockers, "with {ignore:?}");
        assert!(ours.contains(" kept\n"), "{ours}");
    }
}

#[test]
fn what_is_kept_anywhere_is_kept_in_a_folder_that_is_left_out() {
    let host = TestHost::new();
    let files = [
        ("Dockerfile", "FROM ds01-base\nCOPY . /folder\n"),
        (".dockerignore", "*\n!**/keep*\n"),
        ("data/small/keep", "kept"),
        ("data/other", "not"),
    ];
    project(&host, "alice", "thesis", &files);
    host.run(LAUNCH, &["thesis"]).ok();
    let expected = ".\n./data\n./data/small\n./data/small/keep 644 0 kept\n";
    assert_eq!(files_in(&host, IMAGE), expected);
}

#[test]
fn a_line_that_fails_is_named_and_the_image_of_before_stays() {
    let host = TestHost::new();
    let dockerfile =
        "FROM ds01-base\n\n# why\nRUN echo fine\nRUN echo some words && \\\n  exit 3\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let file = "/home/alice/workspace/thesis/Dockerfile";
    let failure = |again: &str| {
        format!(
            "all that it printed is in /home/alice/.cache/ds01/thesis.build.log\n\
             project-launch: the build failed at line 5 of {file}: RUN echo some words &&: \
             The command '/bin/sh -c echo some words && exit 3' returned a non-zero code: 3\n\
             hint: mend it, and build again: {again}\n"
        )
    };
    let first = host.run(LAUNCH, &["thesis"]);
    assert_eq!((first.status, &*first.stdout), (Some(1), ""));
    let steps = "Step 1/3 : FROM ds01-base\nStep 2/3 : RUN echo fine\nfine\n\
                 Step 3/3 : RUN echo some words &&   exit 3\nsome words\n";
    let expected = steps.to_string() + &failure("project-launch thesis");
    assert_eq!(told(&first), expected);
    assert_eq!((&*id_of_image(&host), &*all_containers(&host)), ("", ""));

    image(&host, IMAGE, "ds01-base", &[], &["LABEL a=1"]);
    let before = id_of_image(&host);
    let mut second = host.as_user("alice").pty(LAUNCH, &["thesis", "--rebuild"]);
    second.expect("Step 3/3 : ");
    second.expect("\r\x1b[Ksome words");
    let again = "project-launch thesis --rebuild; the image of before is still there";
    let end = format!("\r\x1b[Ksome words\n{}", failure(again)).replace('\n', "\r\n");
    second.expect(&end);
    assert_eq!(second.wait(), Some(1));
    assert_eq!(id_of_image(&host), before);
    host.run(LAUNCH, &["thesis"]).ok();
}

#[test]
fn what_is_wrong_before_the_first_step_is_said() {
    let host = TestHost::new();
    let refused = |files: &[(&str, &str)], status: i32, words: &str| {
        project(&host, "alice", "thesis", files);
        let refused = host.run(LAUNCH, &["thesis"]);
        assert_eq!(
            (refused.status, &*refused.stdout),
            (Some(status), ""),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert_eq!(id_of_image(&host), "");
    };
    refused(
        &[("Dockerfile", "FROM ds01-base\nFORM x\n")],
        1,
        "unknown instruction: FORM",
    );
    let dockerfile = ("Dockerfile", "FROM ds01-base\nCOPY . /\n");
    let ignore = (".dockerignore", "a\n[\n");
    refused(
        &[dockerfile, ignore],
        2,
        "line 2 of .dockerignore is no pattern",
    );
    let nowhere = ("Dockerfile", "ARG A\nFROM ds01.invalid/none:1\n");
    let file = "/home/alice/workspace/thesis/Dockerfile";
    let named = format!("the build failed at line 2 of {file}: FROM ds01.invalid/none:1: ");
    refused(&[nowhere, (".dockerignore", "")], 1, &named);
}

#[test]
fn a_base_that_one_does_not_have_is_named_with_its_line() {
    let host = TestHost::behind_gateway(1);
    let dockerfile = "# mine\nFROM ds01-20002/secret\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let said = "project-launch: the build failed at line 2 of the Dockerfile: FROM \
                ds01-20002/secret: you have no image ds01-20002/secret\n\
                hint: see the images with image-list --all, and change \
                /home/alice/workspace/thesis/Dockerfile\n";
    let refused = host.run(LAUNCH, &["thesis"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
}

#[test]
fn a_dockerfile_that_may_not_be_read_is_told_with_what_to_type() {
    let host = TestHost::new();
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    host.run("chmod", &["000", "workspace/thesis/Dockerfile"])
        .ok();
    let path = "/home/alice/workspace/thesis/Dockerfile";
    let hint =
        format!("hint: see whose it is with ls -ld {path}; if it is yours: chmod u+rX {path}\n");
    for (command, args) in [(LAUNCH, &["thesis"][..]), ("image-create", &["thesis"])] {
        let refused = host.run(command, args);
        let said = format!("{command}: cannot read {path}: Permission denied");
        assert!(refused.stderr.starts_with(&said), "{}", refused.stderr);
        assert!(refused.stderr.ends_with(&hint), "{}", refused.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_nothing_is_built() {
    let host = TestHost::new();
    let dockerfile = ("Dockerfile", "FROM ds01-base\nCOPY . /\n");
    project(&host, "alice", "thesis", &[dockerfile, ("sub/mine", "x")]);
    let lock = "chmod 000 workspace/thesis/sub/mine";
    host.run("sh", &["-c", lock]).ok();
    let refused = host.run(LAUNCH, &["thesis"]);
    assert_eq!((refused.status, &*refused.stdout), (Some(1), ""));
    let said = "project-launch: cannot send sub/mine to the engine: Permission denied\n\
                hint: leave it out with .dockerignore\n";
    assert_eq!(refused.stderr, said);
    assert_eq!(id_of_image(&host), "");
    project(&host, "alice", "thesis", &[(".dockerignore", "sub\n")]);
    host.run(LAUNCH, &["thesis"]).ok();
}

#[test]
fn what_says_how_to_build_is_a_file_of_its_size_or_said_to_be_none() {
    let host = TestHost::new();
    let dockerfile = ("Dockerfile", "FROM ds01-base\n");
    let no_file = "it is no file";
    for file in ["Dockerfile", ".dockerignore", "pyproject.toml"] {
        for (make, why) in [
            ("mkfifo", no_file),
            ("ln -s /dev/zero", no_file),
            ("mkdir", no_file),
            ("head -c 1048577 /dev/zero >", "it has more than 1 MiB"),
            ("printf '\\377' >", "it is not valid UTF-8"),
        ] {
            project(&host, "alice", "thesis", &[dockerfile]);
            let script = format!("cd workspace/thesis && rm -rf {file} && {make} {file}");
            host.run("sh", &["-c", &script]).ok();
            let launch = host.as_user("alice").within(Duration::from_secs(20));
            let refused = launch.run(LAUNCH, &["thesis"]);
            let path = format!("/home/alice/workspace/thesis/{file}");
            let said = format!(
                "project-launch: cannot read {path}: {why}\nhint: see what is there with ls -ld \
                 {path}, and mend it or move it away\n"
            );
            assert_eq!(
                (refused.status, &*refused.stderr),
                (Some(1), &*said),
                "{make} {file}"
            );
            let script = format!("rm -rf workspace/thesis/{file}");
            host.run("sh", &["-c", &script]).ok();
        }
    }
    assert_eq!(id_of_image(&host), "");
    // The most that a file may have.
    let script = "cd workspace/thesis && head -c 1048576 /dev/zero | tr '\\0' '\\n' >.dockerignore";
    project(&host, "alice", "thesis", &[dockerfile]);
    host.run("sh", &["-c", script]).ok();
    host.run(LAUNCH, &["thesis"]).ok();
}

#[test]
fn ctrl_c_ends_the_build_and_what_it_runs() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nRUN echo begun; sleep 1000\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    image(&host, IMAGE, "ds01-base", &[], &["LABEL a=1"]);
    let before = id_of_image(&host);
    let mut build = host.as_user("alice").pty(LAUNCH, &["thesis", "--rebuild"]);
    let modes = build.modes();
    // Not the step itself, which has the word too.
    build.expect("\r\x1b[Kbegun");
    // It prints a moment before the engine lists it.
    while all_containers(&host).is_empty() {}
    build.send("\x03");
    build.expect("project-launch: interrupted\r\n");
    assert_eq!(build.wait(), Some(130));
    assert_eq!(build.modes(), modes);
    // The engine ends it in its own time.
    while !all_containers(&host).is_empty() {}
    assert_eq!(id_of_image(&host), before);
}

#[test]
fn an_engine_that_dies_or_hangs_in_a_build_is_noticed() {
    let host = TestHost::new();
    let seconds = "[engine]\ntimeout_s = 5";
    host.config(&host.config_text().replace("[engine]", seconds));
    let dockerfile = "FROM ds01-base\nRUN echo begun; sleep 1000\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let begun = || {
        let mut build = host.as_user("alice").pty(LAUNCH, &["thesis", "--rebuild"]);
        // Not the step itself, which has the word too.
        build.expect("\r\x1b[Kbegun");
        build
    };
    let mut hangs = begun();
    host.engine().signal(ds01_testkit::Signal::SIGSTOP);
    assert_eq!(hangs.wait(), Some(8), "{}", hangs.output());
    host.engine().signal(ds01_testkit::Signal::SIGCONT);
    let mut dies = begun();
    host.engine().kill();
    assert_eq!(dies.wait(), Some(8), "{}", dies.output());
    assert!(
        dies.output().contains("did not build the image"),
        "{}",
        dies.output()
    );
}
