//! `container-list`.

use ds01_testkit::TestHost;

use crate::support::expect::{created, done, engine_name, failed, inspect, running};

const LIST: &str = "container-list";

/// Alice has one container of each kind, bob one that runs.
fn populated() -> TestHost {
    let host = TestHost::with_gpus(2);
    let cpu_only = |name: &str| {
        ["thesis", "ds01-busybox", "--cpu-only"].map(|a| match a {
            "thesis" => name.to_string(),
            other => other.to_string(),
        })
    };
    for name in ["paused", "stopped"] {
        let args = cpu_only(name);
        let args = args.each_ref().map(String::as_str);
        host.run("container-create", &args).ok();
        host.run("container-start", &[name]).ok();
    }
    host.run("container-pause", &["paused"]).ok();
    host.run("container-stop", &["stopped"]).ok();
    created(&host, "thesis");
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args).ok();
    bob("container-create", &["other", "ds01-base"]);
    bob("container-start", &["other"]);
    host
}

/// The output with lengths of time replaced, such as `12s`: they are always the last.
fn timeless(output: String) -> String {
    let is_time = |word: &str| {
        let seconds = word.trim_start().strip_suffix('s');
        seconds.is_some_and(|seconds| seconds.parse::<u32>().is_ok())
    };
    let line = |line: &str| match line.rfind('\t').or(line.rfind("  ")) {
        Some(at) if is_time(&line[at..]) => {
            let end = at + line[at..].len() - line[at..].trim_start().len();
            format!("{}TIME\n", &line[..end])
        }
        _ => format!("{line}\n"),
    };
    output.lines().map(line).collect()
}

#[test]
fn running_ones_are_listed_and_with_all_the_others_too() {
    let host = populated();
    let list = |args: &[&str]| timeless(host.run(LIST, args).ok());
    assert_eq!(
        list(&[]),
        "NAME    STATUS  IMAGE         GPU  UPTIME\n\
         paused  paused  ds01-busybox  -    TIME\n"
    );
    assert_eq!(
        list(&["--all"]),
        "NAME     STATUS   IMAGE         GPU  UPTIME\n\
         paused   paused   ds01-busybox  -    TIME\n\
         stopped  stopped  ds01-busybox  -    -\n\
         thesis   created  ds01-base     0    -\n"
    );
    assert_eq!(
        list(&["-a", "--format=simple"]),
        "paused\tpaused\tds01-busybox\t-\tTIME\n\
         stopped\tstopped\tds01-busybox\t-\t-\n\
         thesis\tcreated\tds01-base\t0\t-\n"
    );
    let mut shown = host.as_user("alice").pty(LIST, &[]);
    shown.expect("2 more not running: container-list --all\r\n");
    assert_eq!(shown.wait(), Some(0));
    let nobody = host.as_user("carol").run(LIST, &["--all"]);
    assert_eq!(nobody, done("NAME  STATUS  IMAGE  GPU  UPTIME\n", ""));
}

#[test]
fn json_is_the_documented_shape() {
    let host = TestHost::new();
    created(&host, "thesis");
    let id = inspect(&host, &engine_name("thesis"), "{{.Id}}");
    let json = host.run(LIST, &["--all", "--format=json"]).ok();
    let created = json.lines().find(|line| line.contains("\"created\": "));
    let expected = format!(
        r#"[
  {{
    "name": "thesis",
    "uid": 20001,
    "login": "alice",
    "id": "{id}",
    "state": "created",
    "image": "ds01-base",
    "project": "thesis",
    "slots": [
      "0"
    ],
{}
    "uptime": "",
    "status": "Created",
    "framework": "ds01-base"
  }}
]
"#,
        created.unwrap()
    );
    assert_eq!(json, expected);
    host.run("container-start", &["thesis"]).ok();
    let json = host.run(LIST, &["--format=json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["state"], "running");
    assert!(json[0]["created"].is_u64(), "{json}");
    let uptime = json[0]["uptime"].as_str().unwrap();
    let seconds = uptime.trim_end_matches('s');
    assert!(seconds.parse::<u32>().is_ok(), "as in 12s: {json}");
    host.run("container-stop", &["thesis"]).ok();
    assert_eq!(host.run(LIST, &["--format=json"]), done("[]\n", ""));
    let wrong = "container-list: invalid value 'xml' for --format: expected table, json or simple\n\
                 Try 'container-list --help' for more information.\n";
    assert_eq!(host.run(LIST, &["--format=xml"]), failed(2, wrong));
}

#[test]
fn labels_make_nobody_an_owner() {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    let socket = format!("unix://{}", host.engine().socket().display());
    let forged = |name: &str| {
        let args = [
            "-H",
            &socket,
            "run",
            "-d",
            "--name",
            name,
            "--init",
            "-l",
            "ds01.managed=true",
            "-l",
            "ds01.uid=20001",
            "-l",
            "ds01.user=alice",
            "-l",
            "ds01.name=thesis",
            "ds01-busybox",
            "sleep",
            "1000",
        ];
        host.as_user("bob").run("docker", &args).ok();
    };
    forged("forged");
    forged("forged._.20001");
    let list = host.run(LIST, &["--all", "--format=simple"]).ok();
    assert_eq!(list.lines().count(), 1, "{list}");
    let socket = host.engine().socket().display().to_string();
    for command in ["container-stop", "container-remove", "container-attach"] {
        let refused = host.run(command, &["forged"]);
        let expected = format!(
            "{command}: DS01 did not make the container forged._.20001, and has no record of whose \
             it is\nhint: whoever made it can use it with docker; an admin can remove it: docker \
             -H unix://{socket} rm -f forged._.20001\n"
        );
        assert_eq!(refused, failed(4, &expected));
    }
}

#[test]
fn only_admins_see_all_users() {
    let host = populated();
    let refused = "container-list: only admins see the containers of all users\n\
                   hint: see yours with container-list --all\n";
    let bob = || host.as_user("bob").run(LIST, &["--all-users"]);
    assert_eq!(bob(), failed(7, refused));
    let limits = host.limits_text();
    // The policy group gives quota, nothing else.
    host.limits_yaml(&limits.replace("student: {}", "student: {}\n  admin:\n    members: [bob]"));
    assert_eq!(bob(), failed(7, refused));
    host.limits_yaml(&format!("{limits}access_control:\n  admin_users: [bob]\n"));
    let all = "USER   NAME    STATUS   IMAGE         GPU  UPTIME\n\
               bob    other   running  ds01-base     1    TIME\n\
               alice  paused  paused   ds01-busybox  -    TIME\n";
    assert_eq!(timeless(bob().ok()), all);
    assert_eq!(
        timeless(host.as_user("root").run(LIST, &["--all-users"]).ok()),
        all
    );
    let none = "container-stop: you have no container paused\n\
                hint: see what you have with container-list --all; another's is paused._.<uid>: \
                container-list --all-users --format=json\n";
    let stop = host.as_user("bob").run("container-stop", &["paused"]);
    assert_eq!(stop, failed(3, none));
    host.limits_yaml(&format!("{limits}access_control:\n  admin_group: bob\n"));
    assert_eq!(timeless(bob().ok()), all, "by a Unix group");
}
