//! `container-retire`: a container goes, what should be kept is kept.

use std::{fs, os::unix::fs::MetadataExt};

use ds01_testkit::TestHost;

use crate::support::expect::{
    ALICE, all_containers, created, done, engine_name, failed, image, inside, outcome, project,
    running, state,
};

const RETIRE: &str = "container-retire";

/// A package of pip's and one of conda's in a running container, and what is none.
const INSTALL: &str = "cd ~ && mkdir -p lib/site-packages/Some_Package-2.0.dist-info \
                       lib/site-packages/known-1.dist-info lib/site-packages/odd.dist-info \
                       lib/vendored/x-1.dist-info conda/conda-meta && \
                       echo {} >conda/conda-meta/cuda-toolkit-12.4-0.json\n";

fn requirements(host: &TestHost) -> std::path::PathBuf {
    host.home("alice").join("workspace/thesis/requirements.txt")
}

#[test]
fn off_a_terminal_it_stops_removes_and_frees_unasked() {
    let host = TestHost::new();
    running(&host, "thesis");
    let retired = host.run(RETIRE, &["thesis"]);
    assert_eq!(retired, done("", "thesis retired, GPU 0 is free\n"));
    assert_eq!(all_containers(&host), "");
    assert!(host.home("alice").join("workspace/thesis").is_dir());
    let none = "container-retire: you have no container thesis\n\
                hint: see what you have with container-list --all\n";
    assert_eq!(host.run(RETIRE, &["thesis"]), failed(3, none));
    let bob = host
        .as_user("bob")
        .run("container-create", &["first", "ds01-base"]);
    assert_eq!(bob, done("first with GPU 0\n", ""));
}

#[test]
fn each_of_several_is_tried() {
    let host = TestHost::new();
    created(&host, "b");
    host.run("container-create", &["c", "ds01-base", "--cpu-only"])
        .ok();
    let retired = host.run(RETIRE, &["b", "a", "c", "--force"]);
    let said = "b retired, GPU 0 is free\n\
                container-retire: you have no container a\n\
                hint: see what you have with container-list --all\n\
                c retired\n";
    assert_eq!(retired, outcome(3, "", said));
    assert_eq!(all_containers(&host), "");
}

#[test]
fn two_users_containers_of_one_name_are_two() {
    let host = TestHost::new();
    for user in ["alice", "bob"] {
        image(
            &host,
            &format!(
                "ds01-{}/thesis",
                if user == "bob" { ALICE + 1 } else { ALICE }
            ),
            "ds01-base",
            &[],
            &[&format!("LABEL of={user}")],
        );
        host.as_user(user)
            .run("container-create", &["thesis", "--cpu-only"])
            .ok();
    }
    let gone = "thesis retired\nimage ds01-20002/thesis:latest removed\n";
    let bob = host.as_user("bob").run(RETIRE, &["thesis", "--images"]);
    assert_eq!(bob, done("", gone));
    assert_eq!(all_containers(&host), "thesis._.20001\n");
    let images = host.docker(&["images", "-q", "ds01-20001/thesis"]).ok();
    assert_eq!(images.lines().count(), 1);
    let none = "container-retire: you have no container thesis._.20001\n\
                hint: see what you have with container-list --all\n";
    let bob = host.as_user("bob").run(RETIRE, &["thesis._.20001"]);
    assert_eq!(bob, failed(3, none));
}

#[test]
fn an_image_goes_only_if_it_is_ones_own_and_unused() {
    let host = TestHost::with_direct_access(1);
    let create = |args: &[&str]| {
        let args = [args, &["--cpu-only"]].concat();
        host.run("container-create", &args).ok();
    };
    let there = |name: &str| !host.docker(&["images", "-q", name]).ok().is_empty();
    image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=1"]);
    image(&host, "ds01-20002/bobs", "ds01-base", &[], &["LABEL a=2"]);
    create(&["a", "ds01-base"]);
    let stays = "image ds01-base stays: it is shared\na retired\n";
    assert_eq!(host.run(RETIRE, &["a", "--images"]), done("", stays));
    create(&["a", "ds01-20002/bobs"]);
    let stays = "image ds01-20002/bobs stays: it is somebody else's\na retired\n";
    assert_eq!(host.run(RETIRE, &["a", "--images"]), done("", stays));
    assert!(there("ds01-20002/bobs") && there("ds01-base"));
    create(&["thesis"]);
    create(&["a", "--project=thesis"]);
    let stays = "image ds01-20001/thesis:latest stays: another container of yours uses it\n\
                 a retired\n";
    assert_eq!(host.run(RETIRE, &["a", "--images"]), done("", stays));
    let gone = done(
        "",
        "thesis retired\nimage ds01-20001/thesis:latest removed\n",
    );
    assert_eq!(host.run(RETIRE, &["thesis", "--images"]), gone);
    assert!(!there("ds01-20001/thesis"));
    let both = "container-retire: --keep-image and --images exclude each other\n\
                hint: leave one of them out\n";
    let refused = host.run(RETIRE, &["a", "--images", "--keep-image"]);
    assert_eq!(refused, failed(2, both));
}

#[test]
fn packages_are_saved_as_pinned_lines_and_what_stood_there_stays() {
    let host = TestHost::new();
    let text = "# mine\r\nKnown >= 1  # kept\r\n\r\nother";
    project(&host, "alice", "thesis", &[("requirements.txt", text)]);
    let script = "chmod 640 workspace/thesis/requirements.txt";
    host.run("sh", &["-c", script]).ok();
    running(&host, "thesis");
    inside(&host, "thesis", INSTALL);
    host.run("container-stop", &["thesis"]).ok();

    let dry = host.run(RETIRE, &["thesis", "--save-packages", "--dry-run"]);
    let file = "/home/alice/workspace/thesis/requirements.txt";
    let would = format!(
        "# conda: cuda-toolkit=12.4, some-package==2.0 would be saved in {file}\n\
         thesis would be retired, GPU 0 would be free\n"
    );
    assert_eq!(dry, done(&would, ""));
    assert_eq!(fs::read_to_string(requirements(&host)).unwrap(), text);
    assert_eq!(state(&host, "thesis"), "exited");

    let saved = format!(
        "saved in {file}: # conda: cuda-toolkit=12.4, some-package==2.0\n\
         what conda installed is a comment there: add it to the Dockerfile\n\
         project-launch thesis --rebuild takes them into the image, if its Dockerfile installs \
         that file\n\
         thesis retired, GPU 0 is free\n"
    );
    let retired = host.run(RETIRE, &["thesis", "--save-packages"]);
    assert_eq!(retired, done("", &saved));
    let now = format!("{text}\r\n# conda: cuda-toolkit=12.4\r\nsome-package==2.0\r\n");
    assert_eq!(fs::read_to_string(requirements(&host)).unwrap(), now);
    let about = fs::metadata(requirements(&host)).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o777), (ALICE, 0o640));

    running(&host, "thesis");
    inside(&host, "thesis", INSTALL);
    let again = done(
        "",
        "thesis has no packages to save\nthesis retired, GPU 0 is free\n",
    );
    let retired = host.run(RETIRE, &["thesis", "--save-packages"]);
    assert_eq!(retired, again);
    assert_eq!(fs::read_to_string(requirements(&host)).unwrap(), now);
}

#[test]
fn packages_are_saved_in_a_new_file_and_in_no_odd_one() {
    let host = TestHost::new();
    running(&host, "thesis");
    inside(&host, "thesis", INSTALL);
    let in_workspace = |script: &str| {
        let script = format!("cd workspace/thesis && {script}");
        host.run("sh", &["-c", &script]).ok();
    };
    in_workspace("echo precious >../precious");
    for (odd, why) in [
        ("ln -s ../precious requirements.txt", "it is a link to "),
        ("ln -s nowhere requirements.txt", "No such file"),
        ("mkfifo requirements.txt", "it is no ordinary file"),
        ("mkdir requirements.txt", "Is a directory"),
        ("printf 'a\\377' >requirements.txt", "valid UTF-8"),
        (
            "touch requirements.txt; chmod 400 requirements.txt",
            "Permission denied",
        ),
    ] {
        in_workspace(odd);
        let refused = host.run(RETIRE, &["thesis", "--save-packages"]);
        let text = format!(
            "container-retire: cannot change /home/alice/workspace/thesis/requirements.txt: {why}"
        );
        assert_eq!(refused.status, Some(1), "{odd}");
        let said = refused.stderr.starts_with(&text)
            || refused.stderr.contains(why) && refused.stderr.starts_with(&text[..40]);
        assert!(said, "{}", refused.stderr);
        assert_eq!(state(&host, "thesis"), "running", "{odd}");
        in_workspace("rm -rf requirements.txt");
    }
    let precious = host.home("alice").join("workspace/precious");
    assert_eq!(fs::read_to_string(precious).unwrap(), "precious\n");

    in_workspace("mkdir sub; ln -s sub/deps requirements.txt; echo a >sub/deps");
    host.run(RETIRE, &["thesis", "--save-packages"]).ok();
    let link = fs::symlink_metadata(requirements(&host)).unwrap();
    assert!(link.is_symlink(), "a link inside stays one");
    let expected = "a\n# conda: cuda-toolkit=12.4\nknown==1\nsome-package==2.0\n";
    assert_eq!(fs::read_to_string(requirements(&host)).unwrap(), expected);
    in_workspace("rm requirements.txt");
    running(&host, "thesis");
    inside(&host, "thesis", INSTALL);
    host.run(RETIRE, &["thesis", "--save-packages"]).ok();
    let text = fs::read_to_string(requirements(&host)).unwrap();
    assert_eq!(text, &expected[2..]);
    let left = fs::read_dir(requirements(&host).parent().unwrap()).unwrap();
    let mut left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["requirements.txt", "sub"], "no draft is left");
}

#[test]
fn on_a_terminal_it_shows_asks_and_offers() {
    let host = TestHost::new();
    image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=1"]);
    let deploy = || {
        host.run("container-deploy", &["thesis"]).ok();
        inside(&host, "thesis", INSTALL);
    };
    deploy();
    let retire = |args: &[&str]| host.as_user("alice").pty(RETIRE, args);
    let question = "Retire it? The workspace stays, all else in it goes. [y/N] ";
    for (keys, status) in [("n\r", 1), ("\x03", 130)] {
        let mut asked = retire(&["thesis"]);
        assert!(asked.expect(question).starts_with("thesis: running, up "));
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status));
        assert_eq!(state(&host, "thesis"), "running");
    }
    let offer = "Save them in /home/alice/workspace/thesis/requirements.txt? [y/N] ";
    let image = "Remove its image ds01-20001/thesis:latest too? It can be built again from its \
                 Dockerfile. [y/N] ";
    let mut asked = retire(&["thesis"]);
    asked.expect(question);
    asked.send("y\r");
    asked.expect("installed by hand: # conda: cuda-toolkit=12.4, known==1, some-package==2.0\r\n");
    asked.expect(offer);
    asked.send("y\r");
    asked.expect(image);
    asked.send("\x03");
    assert_eq!(asked.wait(), Some(130));
    assert_eq!(state(&host, "thesis"), "running");
    assert!(!requirements(&host).exists(), "everything is as it was");

    let mut asked = retire(&["thesis", "--keep-image"]);
    asked.expect(question);
    asked.send("y\r");
    asked.expect(offer);
    asked.send("n\r");
    asked.expect("thesis retired, GPU 0 is free\r\n");
    assert_eq!(asked.wait(), Some(0));
    assert!(!requirements(&host).exists());

    deploy();
    let mut asked = retire(&["thesis"]);
    for (question, answer) in [(question, "y\r"), (offer, "y\r"), (image, "y\r")] {
        asked.expect(question);
        asked.send(answer);
    }
    asked.expect("saved in /home/alice/workspace/thesis/requirements.txt: ");
    asked.expect("image ds01-20001/thesis:latest removed\r\n");
    assert_eq!(asked.wait(), Some(0));
    assert_eq!(host.docker(&["images", "-q", "ds01-20001/*"]).ok(), "");

    running(&host, "thesis");
    let mut forced = retire(&["thesis", "--force"]);
    let said = "thesis retired, GPU 0 is free\r\n";
    assert_eq!(forced.expect(said), said);
    assert_eq!(forced.wait(), Some(0));
}

#[test]
fn an_admin_retires_another_users_container_but_touches_nothing_of_theirs() {
    let host = TestHost::new();
    let limits = host.limits_text();
    let admins = "access_control:\n  admin_users: [bob]\n";
    host.limits_yaml(&format!("{limits}{admins}"));
    image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=1"]);
    host.run("container-deploy", &["thesis"]).ok();
    inside(&host, "thesis", INSTALL);
    let bob = |args: &[&str]| host.as_user("bob").run(RETIRE, args);
    let name = engine_name("thesis");
    let refused = "container-retire: the packages of thesis are its owner's to save\n\
                   hint: leave --save-packages out\n";
    assert_eq!(bob(&[&name, "--save-packages"]), failed(7, refused));
    assert_eq!(state(&host, "thesis"), "running");
    let retired = "image ds01-20001/thesis:latest stays: it is its owner's to remove\n\
                   thesis retired, GPU 0 is free\n";
    assert_eq!(bob(&[&name, "--images"]), done("", retired));
    assert!(!requirements(&host).exists());
}
