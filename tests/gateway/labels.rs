//! Labels, which users choose and everybody's lists carry.

use std::fs;

use ds01_testkit::TestHost;

use super::{done, refused, sleeper};

#[test]
fn labels_that_every_list_would_carry_are_refused() {
    let host = TestHost::behind_gateway(1);
    let file = host.home("alice").join("labels");
    fs::write(
        &file,
        ["a", "b"]
            .map(|key| format!("{key}={}\n", "x".repeat(40_000)))
            .concat(),
    )
    .unwrap();
    let file = file.to_string_lossy();
    let run = ["run", "--rm", "--label-file", &file, "ds01-base", "true"];
    let why = "wrong value: Labels=… (more than 64 KiB in all, which every list would carry)";
    let said = refused(&host, "alice", &run);
    assert!(said.contains(why), "{said}");

    // Those of an image count too, for whichever command.
    let long = "x".repeat(40_000);
    let dockerfile = format!("FROM ds01-base\nLABEL a={long}\nLABEL b={long}\n");
    fs::write(host.home("alice").join("Dockerfile"), dockerfile).unwrap();
    let home = host.home("alice").to_string_lossy().into_owned();
    host.docker(&["build", "-q", "-t", "ds01-20001/long", &home])
        .ok();
    let why = "the labels of ds01-20001/long have more than 64 KiB: every list would carry them";
    let said = refused(&host, "alice", &["run", "--rm", "long", "true"]);
    assert!(said.contains(why), "{said}");
    let create = host
        .as_user("alice")
        .run("container-create", &["thesis", "ds01-alice/long"]);
    assert_eq!(create.status, Some(2), "{create:?}");
    assert_eq!(
        create.stderr.lines().next(),
        Some(&*format!("container-create: {why}")),
    );
    assert_eq!(done(&host, "alice", &["ps", "-aq"]), "");
}

#[test]
fn no_label_has_a_meaning_in_others_lists() {
    let host = TestHost::behind_gateway(1);
    // A name that a library of ours gives one, in some of its builds.
    let label = "$serde_json::private::RawValue";
    sleeper(&host, "alice", "odd", &["--label", &format!("{label}=[")]);
    let format = format!("{{{{ index .Config.Labels \"{label}\" }}}}");
    let shown = done(&host, "alice", &["inspect", "--format", &format, "odd"]);
    assert_eq!(shown, "[");
    let names = |user: &str| done(&host, user, &["ps", "--format", "{{.Names}}"]);
    assert_eq!(names("alice"), "odd");
    sleeper(&host, "bob", "plain", &[]);
    assert_eq!(names("bob"), "plain");
    let count = done(&host, "bob", &["info", "--format", "{{.Containers}}"]);
    assert_eq!(count, "1");
    let simple = ["--format=simple"];
    let listed = host.as_user("alice").run("container-list", &simple).ok();
    assert!(listed.starts_with("odd\t"), "{listed}");
}
