//! `image-list` and `image-delete`.

use ds01_testkit::{As, TestHost};

use crate::support::expect::{ALICE, done, failed};

/// Gives the image that has bash another name.
fn named(host: &TestHost, name: &str) {
    host.docker(&["tag", "ds01-base", name]).ok();
}

fn names(who: As<'_>, args: &[&str]) -> String {
    let args = [args, &["--format=simple"]].concat();
    let lines = who.run("image-list", &args).ok();
    let name = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join(":");
    lines.lines().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn one_sees_ones_own_images_and_with_all_those_of_everybody() {
    let host = TestHost::new();
    let own = format!("ds01-{ALICE}/thesis");
    named(&host, &format!("{own}:latest"));
    named(&host, &format!("{own}:old"));
    named(&host, "ds01-20002/theirs:latest");
    assert_eq!(
        names(host.as_user("alice"), &[]),
        format!("{own}:latest {own}:old")
    );
    let all = names(host.as_user("alice"), &["--all"]);
    assert!(
        all.starts_with(&format!("{own}:latest {own}:old ")),
        "{all}"
    );
    assert!(
        all.contains(" ds01-base:latest") && !all.contains("theirs"),
        "{all}"
    );
    assert_eq!(names(host.as_user("bob"), &[]), "ds01-20002/theirs:latest");

    // What a container was made from, with an account on top, is not for the list.
    host.run("container-create", &["thesis"]).ok();
    assert_eq!(
        names(host.as_user("alice"), &[]),
        format!("{own}:latest {own}:old")
    );

    let json = host.run("image-list", &["--format=json"]).ok();
    let images: serde_json::Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<_> = images[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["created", "id", "repository", "shared", "size_bytes", "tag"]
    );
    assert!(images[0]["size_bytes"].as_u64().unwrap() > 1000);
    let table = host.run("image-list", &[]).ok();
    assert!(table.starts_with("REPOSITORY "), "{table}");
    assert!(table.contains(" ago\n"), "{table}");
}

#[test]
fn one_deletes_ones_own_when_no_container_uses_it() {
    let host = TestHost::new();
    let own = format!("ds01-{ALICE}/thesis:latest");
    named(&host, &own);
    named(&host, "ds01-20002/theirs:latest");
    let delete = |name: &str| host.run("image-delete", &[name]);
    for none in [
        "ds01-20002/theirs",
        "ds01-20002/theirs:latest",
        "ds01-base",
        "theirs",
        "a b",
    ] {
        let missing =
            format!("image-delete: you have no image {none}\nhint: see yours with image-list\n");
        assert_eq!(delete(none), failed(3, &missing));
    }
    host.run("container-create", &["one", "--image=thesis", "--cpu-only"])
        .ok();
    host.run("container-create", &["two", "--image=thesis", "--cpu-only"])
        .ok();
    let used = "image-delete: image thesis is in use by containers one, two\n\
                hint: retire it first: container-retire one two\n";
    assert_eq!(delete("thesis"), failed(4, used));
    host.run("container-remove", &["one", "two"]).ok();
    assert_eq!(delete("thesis"), done("", &format!("{own} is deleted\n")));
    assert_eq!(names(host.as_user("alice"), &[]), "");
    assert!(names(host.as_user("bob"), &["--all"]).contains("ds01-base"));
}

#[test]
fn a_spare_tag_goes_while_a_container_runs_by_another() {
    let host = TestHost::new();
    let own = format!("ds01-{ALICE}/thesis");
    named(&host, &format!("{own}:latest"));
    named(&host, &format!("{own}:e2"));
    host.run("container-deploy", &["one", "--image=thesis"])
        .ok();
    let deleted = done("", &format!("{own}:e2 is deleted\n"));
    assert_eq!(host.run("image-delete", &["thesis:e2"]), deleted);
    assert_eq!(names(host.as_user("alice"), &[]), format!("{own}:latest"));
    let used = "image-delete: image thesis is in use by container one\n\
                hint: retire it first: container-retire one\n";
    assert_eq!(host.run("image-delete", &["thesis"]), failed(4, used));
    host.run("container-stop", &["one"]).ok();
    host.run("container-start", &["one"]).ok();
}

#[test]
fn what_cannot_be_deleted_is_said_before_the_question() {
    let host = TestHost::new();
    named(&host, &format!("ds01-{ALICE}/thesis:latest"));
    named(&host, &format!("ds01-{ALICE}/spare:latest"));
    host.run("container-create", &["one", "--image=thesis", "--cpu-only"])
        .ok();
    for (name, status, said) in [
        ("nonsuch", 3, "you have no image nonsuch"),
        ("thesis", 4, "is in use by container one"),
    ] {
        let mut asked = host.as_user("alice").pty("image-delete", &[name]);
        asked.expect(said);
        assert_eq!(asked.wait(), Some(status));
        assert!(!asked.output().contains("[y/N]"), "{}", asked.output());
    }
    let mut asked = host
        .as_user("alice")
        .pty("image-delete", &["thesis", "spare"]);
    asked.expect("Delete image spare? [y/N] ");
    asked.send("y\r");
    asked.expect("is in use by container one");
    assert_eq!(asked.wait(), Some(4), "{}", asked.output());
    let left = names(host.as_user("alice"), &[]);
    assert_eq!(left, format!("ds01-{ALICE}/thesis:latest"));
}

#[test]
fn ones_login_can_stand_for_ones_uid() {
    let host = TestHost::new();
    named(&host, &format!("ds01-{ALICE}/thesis:latest"));
    named(&host, "ds01-20002/theirs:latest");
    let create =
        |name: &str, image: &str| host.run("container-create", &[name, image, "--cpu-only"]);
    assert_eq!(create("one", "ds01-alice/thesis").status, Some(0));
    assert_eq!(create("two", "ds01-bob/theirs").status, Some(3));
    host.run("container-remove", &["one"]).ok();
    let deleted = format!("ds01-{ALICE}/thesis:latest is deleted\n");
    let delete = host.run("image-delete", &["ds01-alice/thesis"]);
    assert_eq!(delete, done("", &deleted));
}

#[test]
fn a_question_comes_first_on_a_terminal() {
    let host = TestHost::new();
    let own = format!("ds01-{ALICE}/thesis:latest");
    named(&host, &own);
    for (keys, status) in [("n\r", 1), ("\x03", 130)] {
        let mut asked = host.as_user("alice").pty("image-delete", &["thesis"]);
        asked.expect("Delete image thesis? [y/N] ");
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status), "{}", asked.output());
    }
    assert_eq!(names(host.as_user("alice"), &[]), own);
    let needs = "image-delete: this needs a confirmation, and there is no terminal to ask on\n\
                 hint: --force answers yes\n";
    assert_eq!(host.run("image-delete", &["--all"]), failed(2, needs));
    let mut menu = host.as_user("alice").pty("image-delete", &[]);
    menu.expect("Delete which image?");
    menu.send("\r");
    menu.expect("[y/N] ");
    menu.send("y\r");
    assert_eq!(menu.wait(), Some(0), "{}", menu.output());
    assert_eq!(names(host.as_user("alice"), &[]), "");
}
