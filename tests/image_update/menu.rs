//! What is asked on a terminal, and the editor.

use ds01_testkit::Pty;

use super::*;

const PROMPT: &str = "What about the image of thesis?";

/// An editor that does this to its file.
fn with_editor(host: &TestHost, script: &str) {
    let make = "printf '#!/bin/sh\\n%s\\n' \"$0\" >editor && chmod 755 editor";
    host.run("sh", &["-c", make, script]).ok();
}

/// Chooses an item. The menu shows itself again with every key: what comes of the item is to be waited
/// for before the next.
fn choose(menu: &mut Pty, item: &str) {
    menu.expect(PROMPT);
    menu.send(format!("{item}\r"));
}

#[test]
fn the_menu_changes_one_thing_after_another() {
    let host = host();
    let files = [
        ("requirements.txt", "numpy==1.25.0\npandas\n"),
        ("more.txt", "timm\n"),
    ];
    project(&host, "alice", "thesis", &files);
    host.run("image-create", &["thesis"]).ok();
    with_editor(&host, "echo edited; echo 'ENV WHO=me' >>\"$1\"");
    let alice = host.as_user("alice").env("EDITOR", "./editor");
    let mut menu = alice.pty(UPDATE, &[]);
    menu.expect("Update the image of which project?");
    menu.send("thesis\r");
    choose(&mut menu, "list");
    menu.expect("numpy==1.25.0  Python  requirements.txt\r\n");
    choose(&mut menu, "add");
    menu.expect("Python packages, with blanks between [none]: ");
    menu.send("-x\r");
    menu.expect("image-update: \"-x\" is no package\r\n");
    menu.expect("Python packages, with blanks between [none]: ");
    menu.send("einops numpy>=2,<2.1\r");
    menu.expect("einops added to requirements.txt\r\n");
    menu.expect("numpy>=2,<2.1 in requirements.txt, in place of numpy==1.25.0\r\n");
    choose(&mut menu, "import");
    menu.expect("File that lists Python packages [none]: ");
    menu.send("workspace/thesis/more.txt\r");
    menu.expect("timm added to requirements.txt\r\n");
    choose(&mut menu, "apt");
    menu.expect("Debian's packages, with blanks between [none]: ");
    menu.send("tree\r");
    menu.expect("tree added to Dockerfile\r\n");
    choose(&mut menu, "remove");
    menu.expect("Remove which package?");
    menu.send("pandas\r");
    menu.expect("pandas removed from requirements.txt\r\n");
    choose(&mut menu, "edit");
    menu.expect("edited\r\n");
    choose(&mut menu, "rebuild");
    menu.expect(&format!("image {IMAGE} built\r\n"));
    assert_eq!(menu.wait(), Some(0), "{}", menu.output());
    assert_eq!(
        read(&host, "requirements.txt"),
        "numpy>=2,<2.1\neinops\ntimm\n"
    );
    assert!(read(&host, "Dockerfile").ends_with("ENV WHO=me\n"));
    let script = "import os, numpy, einops, timm; print(numpy.version, os.environ['WHO'])";
    assert_eq!(python_says(&host, script), "2.0.1 me\n");
    assert_eq!(debian_has(&host), "tree ");
}

#[test]
fn who_leaves_the_menu_builds_nothing() {
    let host = TestHost::new();
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    let before = workspace(&host);
    for (keys, status) in [("leave\r", 0), ("\x1b", 1)] {
        let mut menu = host.as_user("alice").pty(UPDATE, &["thesis"]);
        menu.expect(PROMPT);
        menu.send(keys);
        assert_eq!(menu.wait(), Some(status), "{}", menu.output());
    }
    let mut menu = host.as_user("alice").pty(UPDATE, &["thesis"]);
    choose(&mut menu, "apt");
    menu.expect("[none]: ");
    menu.send("\x03");
    assert_eq!(menu.wait(), Some(130), "{}", menu.output());
    assert_eq!(workspace(&host), before);
    let mut menu = host.as_user("alice").pty(UPDATE, &["thesis"]);
    choose(&mut menu, "add");
    menu.expect("[none]: ");
    menu.send("einops\r");
    menu.expect("einops added to Dockerfile\r\n");
    choose(&mut menu, "leave");
    menu.expect("build it with image-update thesis --rebuild\r\n");
    assert_eq!(menu.wait(), Some(0));
    assert_eq!(host.docker(&["images", "-q", IMAGE]).ok(), "");
}

#[test]
fn the_editor_is_the_users_own_and_what_it_changed_is_built() {
    let host = TestHost::new();
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    let edit = |editor: &str| {
        let alice = host
            .as_user("alice")
            .env("EDITOR", "false")
            .env("VISUAL", editor);
        let mut edit = alice.pty(UPDATE, &["thesis", "--edit"]);
        edit.rest()
    };
    let same = edit("true");
    assert_eq!(same, (Some(0), "the Dockerfile is as it was\r\n".into()));
    let refused =
        "image-update: the editor failed: exit status: 3\r\nhint: choose another: EDITOR=nano\r\n";
    assert_eq!(edit("exit 3 #"), (Some(1), refused.into()));
    assert_eq!(host.docker(&["images", "-q", IMAGE]).ok(), "");
    // A command with an argument, as many have it.
    with_editor(
        &host,
        "[ \"$1\" = --wait ] && echo 'RUN echo by hand >/word' >>\"$2\"",
    );
    let (status, output) = edit("./editor --wait");
    assert_eq!(status, Some(0), "{output}");
    assert!(
        output.ends_with("next: container-deploy thesis\r\n"),
        "{output}"
    );
    let said = host.docker(&["run", "--rm", "--network=none", IMAGE, "cat", "/word"]);
    assert_eq!(said.ok(), "by hand\n");
}
