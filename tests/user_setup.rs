//! `user-setup`: the first steps of a user, each of which can be skipped, and done again.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use ds01_testkit::TestHost;

use crate::support::expect::{failed, project, with_config};

const SETUP: &str = "user-setup";

/// The public half of alice's key, with its mode and the other half's.
fn key(host: &TestHost) -> (String, [u32; 3]) {
    let folder = host.home("alice").join(".ssh");
    let mode = |path: &str| {
        fs::metadata(folder.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    let public = fs::read_to_string(folder.join("id_ed25519.pub")).unwrap();
    (
        public,
        [mode(""), mode("id_ed25519"), mode("id_ed25519.pub")],
    )
}

#[test]
fn off_a_terminal_every_step_is_to_be_answered() {
    let host = TestHost::new();
    let unanswered = "user-setup: this asks for what to set up, and there is no terminal to ask on\n\
                      hint: answer beforehand: user-setup --no-key --no-project, or --key \
                      --project=<name>\n";
    for args in [&[][..], &["--no-key"], &["--project=thesis"]] {
        assert_eq!(host.run(SETUP, args), failed(2, unanswered), "{args:?}");
    }
    for (one, other) in [("--key", "--no-key"), ("--project=x", "--no-project")] {
        let both = host.run(SETUP, &[one, other]);
        assert_eq!(both.status, Some(2), "{}", both.stderr);
        assert!(
            both.stderr.contains("exclude each other"),
            "{}",
            both.stderr
        );
    }
    assert_eq!(fs::read_dir(host.home("alice")).unwrap().count(), 0);

    let skipped = host.run(SETUP, &["--no-key", "--no-project"]).ok();
    assert_eq!(skipped.matches("Skipped.\n").count(), 2, "{skipped}");
    let limits = host.run("check-limits", &[]).ok();
    assert!(skipped.contains(&limits), "{skipped}");
    let left = host.run("ls", &["-A"]).ok();
    assert_eq!(left, ".ds01-limits\n", "but for check-limits' own");
}

#[test]
fn what_is_asked_for_is_made_once() {
    let host = TestHost::new();
    with_config(&host, "[containers]\ndefault_image = \"ds01-base\"\n");
    let all = ["--key", "--project=thesis"];
    let first = host.run(SETUP, &all).ok();
    let (public, modes) = key(&host);
    assert!(
        public.starts_with("ssh-ed25519 ") && public.contains(" alice@"),
        "{public}"
    );
    assert_eq!(modes, [0o700, 0o600, 0o644]);
    assert!(first.contains(&public), "{first}");
    let limits = || fs::read_to_string(host.home("alice").join(".ds01-limits")).unwrap();
    let at_setup = limits();
    host.run("check-limits", &[]).ok();
    assert_eq!(at_setup, limits());
    assert!(
        first.contains("thesis in /home/alice/workspace/thesis\n"),
        "{first}"
    );
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let config =
        format!("    Host {name}        HostName <this host's address>\n        User alice\n");
    assert!(first.contains(&config), "{first}");
    assert!(first.contains("~/workspace/thesis\n"), "{first}");

    let changed = |path: &str| {
        fs::metadata(host.home("alice").join(path))
            .unwrap()
            .ctime_nsec()
    };
    let paths = [
        ".ssh",
        ".ssh/id_ed25519",
        ".ssh/id_ed25519.pub",
        "workspace/thesis/Dockerfile",
    ];
    let before = paths.map(changed);
    let again = host.run(SETUP, &all).ok();
    assert!(
        again.contains("There is one already: /home/alice/.ssh/id_ed25519\n"),
        "{again}"
    );
    assert!(again.contains(&public), "{again}");
    assert!(again.contains("There is one already: thesis\n"), "{again}");
    let other = host.run(SETUP, &["--no-key", "--no-project"]).ok();
    assert!(
        other.contains("There are some already: thesis\n"),
        "{other}"
    );
    assert_eq!((paths.map(changed), key(&host).0), (before, public));
}

#[test]
fn what_it_ends_with_can_be_typed() {
    let host = TestHost::new();
    // The folder of a container without a project.
    project(&host, "alice", "hog", &[("data.csv", "1")]);
    let setup = || host.run(SETUP, &["--no-key", "--no-project"]).ok();
    let said = setup();
    assert!(said.contains("Skipped.\n"), "{said}");
    assert!(
        said.ends_with("\nBegin to work: project-launch <project> --open\n"),
        "{said}"
    );
    let mut asked = host.as_user("alice").pty(SETUP, &["--no-key"]);
    asked.expect("You have none. Make one? [Y/n] ");
    asked.send("n\r");
    assert_eq!(asked.wait(), Some(0));
    project(&host, "alice", "blank", &[("pyproject.toml", "")]);
    let said = setup();
    assert!(said.contains("There are some already: blank\n"), "{said}");
    let end = "\nBegin to work: image-create blank && project-launch blank --open\n";
    assert!(said.ends_with(end), "{said}");
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    let said = setup();
    assert!(
        said.contains("There are some already: blank, thesis\n"),
        "{said}"
    );
    assert!(
        said.ends_with("\nBegin to work: project-launch thesis --open\n"),
        "{said}"
    );
    let long: Vec<_> = said
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn a_key_of_another_kind_is_a_key() {
    let host = TestHost::new();
    host.run(
        "sh",
        &[
            "-c",
            "mkdir -m 700 .ssh; echo private >.ssh/id_rsa; echo ssh-rsa AAAA me >.ssh/id_rsa.pub",
        ],
    )
    .ok();
    let said = host.run(SETUP, &["--key", "--no-project"]).ok();
    assert!(
        said.contains("There is one already: /home/alice/.ssh/id_rsa\nssh-rsa AAAA me\n"),
        "{said}"
    );
    assert!(!said.contains("private\n"), "{said}");
    let left = host.run("ls", &[".ssh"]).ok();
    assert_eq!(left, "id_rsa\nid_rsa.pub\n");
}

#[test]
fn on_a_terminal_each_step_is_offered() {
    let host = TestHost::new();
    with_config(&host, "[containers]\ndefault_image = \"ds01-base\"\n");
    let setup = || host.as_user("alice").pty(SETUP, &[]);
    const KEY: &str = "You have none. Make one? [Y/n] ";
    let mut ended = setup();
    ended.expect("Max Containers");
    ended.expect(KEY);
    ended.send("\x03");
    assert_eq!(ended.wait(), Some(130), "{}", ended.output());
    let mut skipped = setup();
    for keys in ["n\r", "\x04"] {
        skipped.expect(KEY);
        skipped.send(keys);
        skipped.expect("Skipped.");
    }
    skipped.expect("Remote-SSH: Connect to Host...");
    assert_eq!(skipped.wait(), Some(0), "{}", skipped.output());
    let mut asked = setup();
    asked.expect(KEY);
    asked.send("\r");
    asked.expect("Enter passphrase");
    // ssh-keygen loses a Ctrl-C that comes between its prompt and its read.
    let child = format!("/proc/{0}/task/{0}/children", asked.pid());
    let child = fs::read_to_string(child).unwrap();
    let status = format!("/proc/{}/status", child.trim());
    while !fs::read_to_string(&status).unwrap().contains("State:\tS") {}
    asked.send("\x03");
    assert_eq!(asked.wait(), Some(130), "{}", asked.output());
    assert_eq!(host.run("sh", &["-c", "ls -A .ssh"]).ok(), "");
    assert!(!host.home("alice").join("workspace").exists());

    let mut all = setup();
    let before = all.modes();
    for (prompt, keys) in [
        (KEY, "\r"),
        ("Enter passphrase", "some words\r"),
        ("again: ", "some words\r"),
        ("ssh-ed25519 ", ""),
        (KEY, "\r"),
        ("Name of the project [my-project]: ", "thesis\r"),
        ("What is it about?", "\r"),
        ("xgboost]: ", "\r"),
        ("[Y/n] ", "\r"),
        ("thesis in /home/alice/workspace/thesis\r\n", ""),
        ("project-launch thesis --open\r\n", ""),
    ] {
        all.expect(prompt);
        all.send(keys);
    }
    assert_eq!(all.wait(), Some(0), "{}", all.output());
    assert_eq!(all.modes(), before);
    assert_eq!(key(&host).1, [0o700, 0o600, 0o644]);
    let empty = ["-y", "-P", "", "-f", ".ssh/id_ed25519"];
    assert_ne!(
        host.run("ssh-keygen", &empty).status,
        Some(0),
        "it has a passphrase"
    );
}

#[test]
fn it_is_a_word_of_user() {
    let host = TestHost::new();
    let args = ["--no-key", "--no-project"];
    let whole = host.run(SETUP, &args);
    assert_eq!(
        host.run("user", &["setup", "--no-key", "--no-project"]),
        whole
    );
}
