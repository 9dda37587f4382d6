//! `image-create`: an image from a project's Dockerfile, which is made if there is none.

use std::fs;

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{all_containers, failed, image, inside, outcome, project};

mod made;

const CREATE: &str = "image-create";
const FOLDER: &str = "/home/alice/workspace/thesis";
const IMAGE: &str = "ds01-20001/thesis:latest";
const LOG: &str = "/home/alice/.cache/ds01/thesis.build.log";

/// What a build's standard error has beside what the engine's cache has to do with it.
fn told(outcome: &Outcome) -> String {
    let odd = [" ---> Using cache", "Successfully "];
    let lines = outcome.stderr.lines();
    let lines = lines.filter(|line| !odd.iter().any(|id| line.starts_with(id)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn id_of_image(host: &TestHost) -> String {
    host.docker(&["images", "-q", "--no-trunc", IMAGE]).ok()
}

/// A file of alice's, by its path in her home.
fn read(host: &TestHost, path: &str) -> String {
    fs::read_to_string(host.home("alice").join(path)).unwrap()
}

/// What stands in alice's workspace, to the byte and second.
fn workspace(host: &TestHost) -> String {
    let script = "ls -lAR --full-time workspace 2>&1; cat $(find workspace -type f) /dev/null 2>&1";
    host.run("sh", &["-c", script]).stdout
}

#[test]
fn a_dockerfile_that_is_there_is_built_as_it_is() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nCOPY word /word\nRUN echo from $(cat /word)\n";
    let files = [("Dockerfile", dockerfile), ("word", "here")];
    project(&host, "alice", "thesis", &files);
    let built = host.run(CREATE, &["thesis"]);
    let steps = "Step 1/3 : FROM ds01-base\nStep 2/3 : COPY word /word\n\
                 Step 3/3 : RUN echo from $(cat /word)\nfrom here\n";
    let expected = format!("{steps}image {IMAGE} built\nnext: container-deploy thesis\n");
    assert_eq!(told(&built), expected);
    assert_eq!(built.ok(), format!("{IMAGE}\n"));
    assert_eq!(
        read(&host, "workspace/thesis/Dockerfile"),
        dockerfile,
        "it is the user's"
    );
    let log = read(&host, ".cache/ds01/thesis.build.log");
    assert_eq!(
        log.replace("\nSuccessfully ", "\n#").split("\n#").next(),
        Some(steps.trim_end())
    );

    host.run("container-deploy", &["thesis"]).ok();
    assert_eq!(
        inside(&host, "thesis", "cat /word; whoami\n"),
        "herealice\n"
    );
    let same = host.run(CREATE, &["thesis"]);
    let next = "container thesis, running, is made from this image\n";
    assert!(same.stderr.ends_with(next), "{}", same.stderr);
    let again = host.run(CREATE, &["thesis", "--no-cache"]);
    let next = "container thesis, running, is made from the image of before: \
                container-retire thesis && project-launch thesis\n";
    assert!(again.stderr.ends_with(next), "{}", again.stderr);
}

#[test]
fn no_cache_takes_every_step_anew() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nRUN head -c 8 /dev/urandom | od -An -tx1 >/chance\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let built = |args: &[&str]| {
        host.run(CREATE, &[&["thesis"], args].concat()).ok();
        host.docker(&["run", "--rm", "--network=none", IMAGE, "cat", "/chance"])
            .ok()
    };
    let first = built(&[]);
    assert_eq!(built(&[]), first);
    assert_ne!(built(&["--no-cache"]), first);
}

#[test]
fn arguments_of_the_dockerfile_are_given_and_tell_who_builds() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nARG DS01_USER_ID=1000\nARG DS01_GROUP_ID\nARG DS01_USERNAME\n\
                      ARG WORD=none\n\
                      RUN echo $DS01_USER_ID $DS01_GROUP_ID $DS01_USERNAME $WORD $http_proxy >/told\n";
    for (uid, login) in [(20100, "4711"), (20101, "a.b@dom")] {
        host.add_user(login, uid, true);
        project(&host, login, "thesis", &[("Dockerfile", dockerfile)]);
        let args = [
            "thesis",
            "--build-arg",
            "WORD=a b=$c",
            "--build-arg=http_proxy=p:1",
        ];
        host.as_user(login).run(CREATE, &args).ok();
        host.as_user(login)
            .run("container-deploy", &["thesis"])
            .ok();
        let script = "cat /told; whoami; id -u; echo x >~/mine && ls ~\n";
        let said = host
            .as_user(login)
            .stdin(script)
            .run("container-attach", &["thesis"]);
        let expected = format!("{uid} {uid} {login} a b=$c p:1\n{login}\n{uid}\nmine\n");
        assert_eq!(said.ok(), expected);
        host.as_user(login)
            .run("container-retire", &["thesis"])
            .ok();
    }
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let unknown = host.run(CREATE, &["thesis", "--build-arg", "WROD=x"]);
    let said = "image-create: the Dockerfile has no ARG WROD\n\
                hint: add the line ARG WROD where it is used, or leave --build-arg out\n";
    assert_eq!(unknown, failed(2, said));
    for odd in ["WORD", "=x", "A B=x"] {
        let refused = host.run(CREATE, &["thesis", "--build-arg", odd]);
        assert_eq!(refused.status, Some(2), "{odd}");
    }
}

#[test]
fn a_failed_build_names_the_line_and_keeps_all_that_it_printed() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\n\nRUN seq 1 50 && exit 3\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    image(&host, IMAGE, "ds01-base", &[], &["LABEL a=1"]);
    let before = id_of_image(&host);
    let mut build = host.as_user("alice").pty(CREATE, &["thesis", "--no-cache"]);
    let (status, shown) = build.rest();
    assert_eq!(status, Some(1), "{shown}");
    let last: String = (31..=50).map(|number| format!("{number}\r\n")).collect();
    let end = format!(
        "\r\x1b[K{last}all that it printed is in {LOG}\r\n\
         image-create: the build failed at line 3 of {FOLDER}/Dockerfile: RUN seq 1 50 && exit 3: \
         The command '/bin/sh -c seq 1 50 && exit 3' returned a non-zero code: 3\r\n\
         hint: mend it, and build again: image-create thesis --no-cache\r\n"
    );
    assert!(shown.ends_with(&end), "{shown}");
    assert_eq!(id_of_image(&host), before, "the image of before stays");
    let all: String = (1..=50).map(|number| format!("{number}\n")).collect();
    let log = format!("Step 1/2 : FROM ds01-base\nStep 2/2 : RUN seq 1 50 && exit 3\n{all}");
    assert_eq!(read(&host, ".cache/ds01/thesis.build.log"), log);
    let mode = host.run("stat", &["-c", "%a %U", LOG]).ok();
    assert_eq!(mode, "600 alice\n");

    // Where it cannot be kept, the build goes on without.
    host.run(
        "sh",
        &["-c", "rm -r .cache && mkdir .cache && chmod 500 .cache"],
    )
    .ok();
    let refused = host.run(CREATE, &["thesis"]);
    let warned = "image-create: warning: what the build prints is not kept: cannot write \
                  /home/alice/.cache/ds01/thesis.build.log: Permission denied";
    assert!(refused.stderr.starts_with(warned), "{}", refused.stderr);
    assert!(
        !refused.stderr.contains("all that it printed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn ctrl_c_ends_the_build_and_the_image_of_before_stays() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nRUN echo begun; sleep 1000\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    image(&host, IMAGE, "ds01-base", &[], &["LABEL a=1"]);
    let before = id_of_image(&host);
    let mut build = host.as_user("alice").pty(CREATE, &["thesis"]);
    build.expect("\r\x1b[Kbegun");
    while all_containers(&host).is_empty() {}
    build.send("\x03");
    build.expect("image-create: interrupted\r\n");
    assert_eq!(build.wait(), Some(130));
    while !all_containers(&host).is_empty() {}
    assert_eq!(id_of_image(&host), before);
}

#[test]
fn a_dockerfile_that_is_there_is_written_anew_only_if_agreed() {
    let host = TestHost::new();
    let mine = "# mine\nFROM ds01-base\n";
    project(&host, "alice", "thesis", &[("Dockerfile", mine)]);
    let before = workspace(&host);
    let refused = "image-create: project thesis has a Dockerfile, which this would write anew\n\
                   hint: build it as it is: image-create thesis; or add --force: the one of now is \
                   kept as Dockerfile.old\n";
    for flag in [
        "--image=ds01-base",
        "-pnumpy",
        "-tml",
        "-stree",
        "-r/etc/hostname",
    ] {
        let run = host.run(CREATE, &["thesis", flag]);
        assert_eq!(run, failed(4, refused), "{flag}");
    }
    let question = "~/workspace/thesis/Dockerfile is there. Write it anew? The one of now is kept as \
                    Dockerfile.old. [y/N] ";
    for (keys, status) in [("\r", 1), ("\x03", 130)] {
        let mut asked = host.as_user("alice").pty(CREATE, &["thesis", "-pnumpy"]);
        asked.expect(question);
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status));
    }
    assert_eq!(workspace(&host), before);

    let args = ["thesis", "-pnumpy", "--image=ds01-base", "--no-build"];
    let mut agreed = host.as_user("alice").pty(CREATE, &args);
    agreed.expect(question);
    agreed.send("y\r");
    agreed.expect(
        "the Dockerfile of before is Dockerfile.old\r\nDockerfile made, from ds01-base\r\n",
    );
    assert_eq!(agreed.wait(), Some(0));
    assert_eq!(read(&host, "workspace/thesis/Dockerfile.old"), mine);
    let first = read(&host, "workspace/thesis/Dockerfile");
    let forced = host.run(CREATE, &[&args[..], &["--force"]].concat());
    let said = "the Dockerfile of before is Dockerfile.old-2\nDockerfile made, from ds01-base\n";
    assert_eq!(forced, outcome(0, &format!("{FOLDER}/Dockerfile\n"), said));
    assert_eq!(read(&host, "workspace/thesis/Dockerfile.old"), mine);
    assert_eq!(read(&host, "workspace/thesis/Dockerfile.old-2"), first);
}

#[test]
fn what_cannot_be_changes_nothing() {
    let host = TestHost::new();
    project(&host, "alice", "thesis", &[("notes", "x")]);
    project(
        &host,
        "alice",
        "odd",
        &[("pyproject.toml", "[tool.ds01]\napt = ['a;id']\n")],
    );
    let before = workspace(&host);
    let list = "hint: name an image with --image=<image>, of those that image-list --all shows\n";
    for (args, status, said) in [
        (&["thesis"][..], 3, format!("image-create: this host's catalogue of images has no pytorch\n{list}")),
        (&["thesis", "-f", "jax"], 3, format!("image-create: this host's catalogue of images has no jax\n{list}")),
        (&["new", "-f", "jax"], 3, format!("image-create: this host's catalogue of images has no jax\n{list}")),
        (&["thesis", "--image=a b"], 2, "image-create: no image can be called \"a b\"\nhint: see the images with image-list --all\n".into()),
        (&["thesis", "--image=a", "-fjax"], 2, "image-create: --image and --framework exclude each other\nhint: leave one of them out\n".into()),
        (&["odd", "--image=a"], 2, "image-create: no package of apt's can be called \"a;id\"\nhint: mend it in apt of [tool.ds01] in pyproject.toml: name, or name=version\n".into()),
        (&["thesis", "--image=a", "-p--pre"], 2, "image-create: \"--pre\" is no package\nhint: as pip has them: numpy>=1.26; what has blanks, in requirements.txt\n".into()),
        (&["thesis", "--image=a", "-rnone"], 3, "image-create: cannot read none: there is no such file\n".into()),
        (&["new"], 3, "image-create: you have no project new: there is no folder ~/workspace/new\nhint: make it first: project-init new; or do without: container-deploy new --image=<image>\n".into()),
        (&["thesi"], 3, "image-create: you have no project thesi: there is no folder ~/workspace/thesi\nhint: did you mean thesis? image-create thesis\n".into()),
        (&["thesis._.20002"], 7, "image-create: a container is made for its owner by its owner\nhint: make one of your own: image-create thesis\n".into()),
    ] {
        assert_eq!(host.run(CREATE, args), failed(status, &said), "{args:?}");
    }
    assert_eq!(workspace(&host), before);
    assert_eq!(all_containers(&host), "");
}

#[test]
fn on_a_terminal_a_project_without_a_dockerfile_is_asked_about() {
    let host = made::with_python();
    project(&host, "alice", "thesis", &[]);
    let missing = "image-create: missing argument <project>\n\
                   hint: without a terminal it must be given: see image-create --help\n";
    assert_eq!(host.run(CREATE, &[]), failed(2, missing));
    // What a container has left behind is no project.
    let left_behind = "workspace/zz-leftover";
    host.as_user("alice").run("mkdir", &[left_behind]).ok();
    let before = workspace(&host);
    let mut left = host.as_user("alice").pty(CREATE, &[]);
    left.expect("Build the image of which project?");
    left.send("thesis\r");
    let shown = left.expect("What is it about?");
    assert!(!shown.contains("zz-leftover"), "{shown}");
    left.send("custom\r");
    left.expect("Python packages, with blanks between [none]: ");
    left.send("\x03");
    assert_eq!(left.wait(), Some(130));
    assert_eq!(workspace(&host), before);

    let mut made = host.as_user("alice").pty(CREATE, &["thesis"]);
    made.expect("What is it about?");
    made.send("custom\r");
    made.expect("Python packages, with blanks between [none]: ");
    made.send("einops\r");
    made.expect("Dockerfile made, from lab\r\n");
    made.expect("Build it now? [Y/n] ");
    made.send("\r");
    made.expect(&format!("\r\x1b[Kimage {IMAGE} built\r\n"));
    assert_eq!(made.wait(), Some(0));
    let script = "import einops; print(einops.version)";
    let run = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "python3",
        "-c",
        script,
    ];
    assert_eq!(host.docker(&run).ok(), "1.0\n");
}
