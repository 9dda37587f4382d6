//! `project-launch`: one command to begin work, whatever is there of it already.

use std::time::Duration;

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{
    all_containers, done, failed, image, inside, project, running, state, uuid, with_config,
};

mod building;

const LAUNCH: &str = "project-launch";
const PROMPT: &str = "alice@thesis:/workspace$ ";
const IMAGE: &str = "ds01-20001/thesis:latest";

/// What a build's standard error has beside the engine's own ids and what its cache has to do with it.
fn told(outcome: &Outcome) -> String {
    let odd = [" ---> Using cache", "Successfully "];
    let lines = outcome.stderr.lines();
    let lines = lines.filter(|line| !odd.iter().any(|id| line.starts_with(id)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn id_of_image(host: &TestHost) -> String {
    host.docker(&["images", "-q", "--no-trunc", IMAGE]).ok()
}

/// Changes a file of alice's project, an hour from now.
fn change_later(host: &TestHost, file: &str) {
    let script = format!("touch -d '1 hour' workspace/thesis/{file}");
    host.run("sh", &["-c", &script]).ok();
}

#[test]
fn off_a_terminal_a_missing_image_is_built_and_its_container_runs() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nCOPY word /word\nRUN echo from $(cat /word)\n";
    let files = [("Dockerfile", dockerfile), ("word", "here")];
    project(&host, "alice", "thesis", &files);
    let launched = host.run(LAUNCH, &["thesis"]);
    let built = "Step 1/3 : FROM ds01-base\nStep 2/3 : COPY word /word\n\
                 Step 3/3 : RUN echo from $(cat /word)\nfrom here\n\
                 image ds01-20001/thesis:latest built\n";
    assert_eq!(told(&launched), built);
    assert_eq!(launched.ok(), "thesis runs with GPU 0\n");
    assert_eq!(host.gpus().given().last().unwrap().devices, [uuid(0)]);
    assert_eq!(inside(&host, "thesis", "cat /word word\n"), "herehere");

    let again = host.run(LAUNCH, &["thesis"]);
    assert_eq!(again, done("thesis runs already with GPU 0\n", ""));
    let shell = host.as_user("alice").stdin("hostname; exit 3\n");
    let attached = shell.run(LAUNCH, &["thesis", "--open"]);
    assert_eq!(
        (attached.status, &*attached.stdout, &*attached.stderr),
        (Some(3), "thesis\n", "")
    );
    assert_eq!(all_containers(&host), "thesis._.20001\n");

    host.run("container-stop", &["thesis"]).ok();
    let started = host.run(LAUNCH, &["thesis", "--background"]);
    assert_eq!(started, done("thesis runs with GPU 0\n", ""));
    host.run("container-pause", &["thesis"]).ok();
    let paused = "project-launch: container thesis is paused\n\
                  hint: let it go on with container-unpause thesis\n";
    assert_eq!(host.run(LAUNCH, &["thesis"]), failed(4, paused));
    assert_eq!(all_containers(&host), "thesis._.20001\n");
}

#[test]
fn on_a_terminal_it_offers_to_build_and_opens_a_shell() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nRUN echo some words\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let launch = |args: &[&str]| host.as_user("alice").pty(LAUNCH, args);
    let offer = "Project thesis has no image yet. Build it from its Dockerfile? [Y/n] ";
    for (keys, status) in [("n\r", 1), ("\x03", 130)] {
        let mut asked = launch(&["thesis"]);
        assert_eq!(asked.expect(offer), offer);
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status));
        assert_eq!((&*id_of_image(&host), &*all_containers(&host)), ("", ""));
    }
    let mut asked = launch(&["thesis", "--open"]);
    asked.expect(offer);
    asked.send("y\r");
    asked.expect("Step 2/2 : RUN echo some words\r\n");
    // In passing: written over by what comes next.
    asked.expect("\r\x1b[Ksome words");
    asked.expect("\r\x1b[Kimage ds01-20001/thesis:latest built\r\n");
    asked.expect("thesis runs with GPU 0; exit or Ctrl-D leaves it running\r\n");
    asked.expect(PROMPT);
    asked.send("exit 5\r");
    assert_eq!(asked.wait(), Some(5));
    let mut again = launch(&["thesis"]);
    let already = "thesis runs already with GPU 0; exit or Ctrl-D leaves it running\r\n";
    assert_eq!(again.expect(already), already);
    again.expect(PROMPT);
    again.send("exit\r");
    assert_eq!(again.wait(), Some(0));
}

#[test]
fn without_a_name_a_project_is_chosen_by_what_is_known_of_it() {
    let host = TestHost::new();
    let missing = "project-launch: missing argument <project>\n\
                   hint: without a terminal it must be given: see project-launch --help\n";
    assert_eq!(host.run(LAUNCH, &[]), failed(2, missing));
    let mut none = host.as_user("alice").pty(LAUNCH, &[]);
    none.expect("you have no project in ~/workspace\r\n");
    assert_eq!(none.wait(), Some(3));
    let dockerfile = ("Dockerfile", "FROM ds01-base\n");
    project(&host, "alice", "a", &[]);
    project(&host, "alice", "b", &[dockerfile]);
    project(&host, "alice", "thesis", &[dockerfile, ("x", "")]);
    host.run(LAUNCH, &["thesis"]).ok();
    let mut menu = host.as_user("alice").pty(LAUNCH, &["--background"]);
    menu.expect("Launch which project?");
    let rows = menu.expect("running");
    for words in [
        &["b", "ds01-base", "no image yet", "no container"][..],
        &["thesis", "ds01-base", "image ", " old", "running"],
    ] {
        let fits = |row: &str| words.iter().all(|word| row.contains(word));
        assert!(rows.lines().any(fits), "{words:?} is not in {rows}");
    }
    assert!(!rows.contains("Dockerfile"), "a cannot be launched: {rows}");
    // Up from the first is the last.
    menu.send("\x1b[A\r");
    menu.expect("thesis runs already with GPU 0\r\n");
    assert_eq!(menu.wait(), Some(0));
}

#[test]
fn what_is_not_there_is_said_with_what_to_type() {
    let host = TestHost::new();
    project(&host, "alice", "my-thesis", &[]);
    let no = |name: &str, hint: &str| {
        let text = format!(
            "project-launch: you have no project {name}: there is no folder ~/workspace/{name}\n\
             hint: {hint}\n"
        );
        assert_eq!(host.run(LAUNCH, &[name]), failed(3, &text));
    };
    no(
        "my-tesis",
        "did you mean my-thesis? project-launch my-thesis",
    );
    no(
        "other",
        "make it first: project-init other; or do without: container-deploy other \
         --image=<image>",
    );
    let none = "project-launch: project my-thesis has no image, and no Dockerfile to build one \
                from\n\
                hint: make one with image-create my-thesis, or choose from image-list --all: \
                container-deploy my-thesis --image=<image>\n";
    assert_eq!(host.run(LAUNCH, &["my-thesis"]), failed(3, none));
    let bobs = host.as_user("bob").run(LAUNCH, &["my-thesis"]);
    assert_eq!(bobs.status, Some(3), "{}", bobs.stderr);
    // No name is read as this, so it is not what may be meant.
    host.run("mkdir", &["-p", "workspace/Other"]).ok();
    let upper = host.run(LAUNCH, &["Other"]);
    let hint = "hint: a project's folder has no capitals: mv /home/alice/workspace/Other ";
    assert!(upper.stderr.contains(hint), "{upper:?}");

    image(&host, "ds01-20001/my-thesis", "ds01-base", &[], &[]);
    let none = "project-launch: project my-thesis has no Dockerfile to build its image from\n\
                hint: leave --rebuild out, or make one with image-create my-thesis\n";
    let rebuild = host.run(LAUNCH, &["my-thesis", "--rebuild"]);
    assert_eq!(rebuild, failed(3, none));
    let launched = host.run(LAUNCH, &["my-thesis"]);
    assert_eq!(launched, done("my-thesis runs with GPU 0\n", ""));
}

#[test]
fn a_project_without_a_dockerfile_has_the_hosts_image() {
    let host = TestHost::new();
    with_config(&host, "[containers]\ndefault_image = \"ds01-busybox\"\n");
    project(&host, "alice", "thesis", &[]);
    let note = "project thesis has no Dockerfile: ds01-busybox is what this host has for such\n";
    let launched = host.run(LAUNCH, &["thesis"]);
    assert_eq!(launched, done("thesis runs with GPU 0\n", note));
    host.run("container-retire", &["thesis"]).ok();
    let rebuild = host.run(LAUNCH, &["thesis", "--rebuild"]);
    assert_eq!(rebuild.status, Some(3), "{rebuild:?}");
}

#[test]
fn files_newer_than_the_image_are_told_until_it_is_built_again() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nCOPY requirements.txt /\n";
    let files = [("Dockerfile", dockerfile), ("requirements.txt", "a\n")];
    project(&host, "alice", "thesis", &files);
    host.run(LAUNCH, &["thesis"]).ok();
    let first = id_of_image(&host);
    let note = |newer: &str| {
        format!("{newer} in: container-retire thesis && project-launch thesis --rebuild\n")
    };
    change_later(&host, "requirements.txt");
    let stale = host.run(LAUNCH, &["thesis"]);
    assert_eq!(
        stale,
        done(
            "thesis runs already with GPU 0\n",
            &note("requirements.txt is newer than the image; a rebuild takes it")
        )
    );
    let exists = "project-launch: container thesis exists, running: a new image would not reach it\n\
                  hint: retire it first: container-retire thesis && project-launch thesis \
                  --rebuild\n";
    assert_eq!(
        host.run(LAUNCH, &["thesis", "--rebuild"]),
        failed(4, exists)
    );
    assert_eq!(id_of_image(&host), first, "nothing was built");

    host.run("container-retire", &["thesis"]).ok();
    change_later(&host, "Dockerfile");
    let stale = host.run(LAUNCH, &["thesis"]);
    let newer = "Dockerfile, requirements.txt are newer than the image; a rebuild takes them";
    let both = note(newer);
    assert_eq!(stale, done("thesis runs with GPU 0\n", &both));
    host.run("container-retire", &["thesis"]).ok();
    // Written anew, though as they were: the engine gives the image that it has its name again.
    host.run("sh", &["-c", "touch workspace/thesis/*"]).ok();
    host.run(LAUNCH, &["thesis", "--rebuild"]).ok();
    assert_eq!(id_of_image(&host), first);
    let fresh = done("thesis runs already with GPU 0\n", "");
    assert_eq!(host.run(LAUNCH, &["thesis"]), fresh);
    host.run("container-retire", &["thesis"]).ok();
    project(&host, "alice", "thesis", &[("requirements.txt", "b\n")]);
    let rebuilt = host.run(LAUNCH, &["thesis", "--rebuild"]);
    assert!(told(&rebuilt).ends_with("\nimage ds01-20001/thesis:latest built\n"));
    assert_ne!(id_of_image(&host), first);
    let gone = host.docker(&["image", "inspect", first.trim()]);
    assert_eq!(gone.status, Some(1), "{}", gone.stdout);
    assert_eq!(inside(&host, "thesis", "cat /requirements.txt\n"), "b\n");
}

#[test]
fn on_a_terminal_a_rebuild_makes_the_container_anew() {
    let host = TestHost::new();
    let dockerfile = |word: &str| format!("FROM ds01-base\nRUN echo {word} >/word\n");
    let files = [("Dockerfile", &*dockerfile("old"))];
    project(&host, "alice", "thesis", &files);
    host.run(LAUNCH, &["thesis"]).ok();
    let word = || inside(&host, "thesis", "cat /word\n");
    let files = [("Dockerfile", &*dockerfile("new"))];
    project(&host, "alice", "thesis", &files);
    let answer = |keys: &str, ending: &str| {
        let args = ["thesis", "--rebuild", "--background"];
        let mut asked = host.as_user("alice").pty(LAUNCH, &args);
        asked.expect("Container thesis, running, is made from the image of before. Make it anew?");
        asked.send(keys);
        asked.expect(ending);
        assert_eq!(asked.wait(), Some(0), "{}", asked.output());
    };
    answer("n\r", "thesis runs already with GPU 0\r\n");
    assert_eq!(word(), "old\n");
    answer("y\r", "thesis runs with GPU 0\r\n");
    assert_eq!(word(), "new\n");
    assert_eq!(all_containers(&host), "thesis._.20001\n");
}

#[test]
fn a_limit_is_told_before_anything_is_built() {
    let host = TestHost::with_gpus(2);
    running(&host, "other");
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    let quota = "project-launch: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(host.run(LAUNCH, &["thesis"]), failed(5, quota));
    assert_eq!(id_of_image(&host), "");
}

#[test]
fn an_image_that_has_another_name_survives_a_rebuild() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nCOPY word /\n";
    let files = [("Dockerfile", dockerfile), ("word", "old\n")];
    project(&host, "alice", "thesis", &files);
    host.run(LAUNCH, &["thesis"]).ok();
    let baseline = "ds01-20001/thesis:baseline";
    host.docker(&["tag", IMAGE, baseline]).ok();
    host.run("container-retire", &["thesis"]).ok();
    project(&host, "alice", "thesis", &[("word", "new\n")]);
    host.run(LAUNCH, &["thesis", "--rebuild"]).ok();
    assert_eq!(inside(&host, "thesis", "cat /word\n"), "new\n");
    let args = ["old", "--image=ds01-alice/thesis:baseline", "--cpu-only"];
    host.run("container-deploy", &args).ok();
    assert_eq!(inside(&host, "old", "cat /word\n"), "old\n");
}

#[test]
fn what_was_saved_when_it_was_retired_is_in_the_next_image() {
    let host = TestHost::new();
    let dockerfile = "FROM ds01-base\nCOPY Dockerfile requirements.txt* /\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    let launch = |args: &[&str]| {
        let patient = host.as_user("alice").within(Duration::from_secs(120));
        patient.run(LAUNCH, &[&["thesis"], args].concat()).ok();
    };
    launch(&[]);
    let install = "mkdir -p ~/lib/site-packages/some-2.0.dist-info\n";
    inside(&host, "thesis", install);
    host.run("container-retire", &["thesis", "--save-packages"])
        .ok();
    launch(&["--rebuild"]);
    assert_eq!(
        inside(&host, "thesis", "cat /requirements.txt\n"),
        "some==2.0\n"
    );
    assert_eq!(state(&host, "thesis"), "running");
}

#[test]
fn more_gpus_than_one_may_have_are_named_where_they_stand() {
    let host = TestHost::with_gpus(2);
    let files = [
        ("Dockerfile", "FROM ds01-base\n"),
        ("pyproject.toml", "[tool.ds01]\ngpus = 3\n"),
    ];
    project(&host, "alice", "thesis", &files);
    let refused = host.run(LAUNCH, &["thesis"]);
    let hint =
        "hint: ask for fewer: gpus = 1 in [tool.ds01] of ~/workspace/thesis/pyproject.toml\n";
    assert_eq!(refused.status, Some(5), "{refused:?}");
    assert!(refused.stderr.ends_with(hint), "{}", refused.stderr);
    host.run("image-create", &["thesis"]).ok();
    let refused = host.run(LAUNCH, &["thesis"]);
    assert!(refused.stderr.ends_with(hint), "{}", refused.stderr);
    let option = "project-launch: how many GPUs a project has stands in its pyproject.toml: there is \
                  no --gpu\nhint: write it there: gpus = 1 in [tool.ds01]\n";
    assert_eq!(host.run(LAUNCH, &["thesis", "--gpu=1"]), failed(2, option));
}
