//! `container-create`: limits, names and files that stand in the way.

use std::fs;

use ds01_testkit::{Answer, OUTSIDER, TestHost, USERS};
use serde_json::json;

use super::CREATE;
use crate::support::expect::{all_containers, created, failed, image, with_limit};

#[test]
fn each_limit_is_named_with_its_numbers_and_a_way_on() {
    let host = TestHost::with_gpus(2);
    let create = |name: &str, more: &[&str]| {
        host.run(CREATE, &[&[name, "--image=ds01-base"], more].concat())
    };
    let too_many = "container-create: more devices asked for (2) than one container may have (1)\n\
                    hint: ask for fewer, with --gpu=1\n";
    assert_eq!(create("one", &["--gpu=2"]), failed(5, too_many));

    create("one", &[]).ok();
    let quota = "container-create: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(create("two", &[]), failed(5, quota));

    create("two", &["--cpu-only"]).ok();
    create("three", &["--cpu-only"]).ok();
    let containers = "container-create: container limit reached: 3 of 3, stopped ones count too\n\
                      hint: remove one with container-retire\n";
    assert_eq!(create("four", &["--cpu-only"]), failed(5, containers));

    with_limit(&host, "max_containers_per_user", "null");
    with_limit(&host, "max_gpu_equivalents", "null");
    with_limit(&host, "max_gpu_slots_per_container", "null");
    let too_few = "container-create: more devices asked for (3) than this host has for you (2)\n\
                   hint: ask for fewer, with --gpu=2\n";
    assert_eq!(create("four", &["--gpu=3"]), failed(5, too_few));

    with_limit(&host, "max_gpu_equivalents", "0");
    let small = "container-create: your GPU quota of 0 is smaller than the smallest GPU here, 1\n\
                 hint: ask an admin for a larger one\n";
    assert_eq!(create("four", &[]), failed(5, small));

    with_limit(&host, "allow_full_gpu", "false");
    let none = "container-create: more devices asked for (1) than this host has for you (0)\n\
                hint: a container without GPU can be made: container-create <name> --cpu-only\n";
    assert_eq!(create("four", &[]), failed(5, none));
}

#[test]
fn that_no_device_is_free_is_another_matter_than_a_limit() {
    let host = TestHost::new();
    created(&host, "thesis");
    let bob = || {
        host.as_user("bob")
            .run(CREATE, &["thesis", "ds01-base", "--no-wait"])
    };
    let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                hint: see who holds what with gpu-status\n";
    assert_eq!(bob(), failed(6, busy));
    host.run("container-remove", &["thesis"]).ok();
    host.gpus().edit(|sim| {
        sim["gpus"][0]["processes"] = json!([{ "pid": 4242, "memory_bytes": 1 << 30 }]);
    });
    assert_eq!(bob(), failed(6, busy));
}

#[test]
fn a_free_device_that_is_larger_than_what_is_left_of_the_quota_is_not_given() {
    let host = TestHost::with_topology("a100-mig");
    with_limit(&host, "max_gpu_equivalents", "0.15");
    for user in &USERS[1..7] {
        host.as_user(user).run(CREATE, &["small", "ds01-base"]).ok();
    }
    let expected = "container-create: no GPU free that fits: 0 of 0.14 in use, the smallest free \
                    needs 0.29\nhint: see who holds what with gpu-status\n";
    assert_eq!(
        host.run(CREATE, &["thesis", "ds01-base", "--no-wait"]),
        failed(6, expected)
    );
}

#[test]
fn a_name_is_given_once() {
    let host = TestHost::with_gpus(2);
    created(&host, "thesis");
    let again = "container-create: container thesis exists already\n\
                 hint: use it with container-run thesis, or remove it with container-retire thesis\n";
    assert_eq!(host.run(CREATE, &["thesis", "ds01-base"]), failed(4, again));
    assert_eq!(
        host.run(CREATE, &["thesis._.20001", "ds01-base"]),
        failed(4, again)
    );

    host.docker(&["create", "--name", "other._.20001", "ds01-base"])
        .ok();
    let taken = "container-create: the engine has a container other._.20001 that DS01 did not make\n\
                 hint: choose another name, or remove that one with docker\n";
    assert_eq!(
        host.run(CREATE, &["other", "ds01-base", "--cpu-only"]),
        failed(4, taken)
    );
    let again = host.run(CREATE, &["third", "ds01-base", "--cpu-only"]);
    assert_eq!(
        again.status,
        Some(0),
        "the refused one does not count: {again:?}"
    );

    let foreign = "container-create: a container is made for its owner by its owner\n\
                   hint: make one of your own: container-create thesis\n";
    assert_eq!(
        host.run(CREATE, &["thesis._.20002", "ds01-base"]),
        failed(7, foreign)
    );
}

#[test]
fn a_name_that_is_being_created_is_taken() {
    let host = TestHost::with_direct_access(2);
    let engine = host.scripted_engine();
    engine.on("GET", "/containers/json", [Answer::new(200, "[]")]);
    let image = r#"{"Id":"sha256:0123456789abcdef","RepoTags":["ds01-20001/with.account:x"],"Config":{},
                    "Author":"DS01 20001:20001:alice"}"#;
    engine.on("GET", "/images/*", [Answer::new(200, image)]);
    engine.on("POST", "/images/*", [Answer::new(201, "")]);
    engine.on(
        "GET",
        "/info",
        [Answer::new(200, r#"{"CgroupDriver":"cgroupfs"}"#)],
    );
    engine.on(
        "POST",
        "/containers/create",
        [Answer::new(201, "").stall_after_head()],
    );
    let first = host.as_user("alice").spawn(CREATE, &["thesis", "any"]);
    while !engine
        .requests()
        .iter()
        .any(|r| r.path.contains("/containers/create"))
    {
        std::thread::yield_now();
    }
    let expected = "container-create: container thesis is being created\n\
                    hint: see what became of it with container-list --all\n";
    assert_eq!(host.run(CREATE, &["thesis", "any"]), failed(4, expected));
    drop(first);
}

#[test]
fn names_that_cannot_be_are_refused_with_the_reason() {
    let host = TestHost::new();
    for (name, reason) in [
        ("", "a name cannot be empty"),
        (
            "a b",
            "a name has only letters a-z, digits, '-' and '_', not ' '",
        ),
        (
            "../x",
            "a name has only letters a-z, digits, '-' and '_', not '.'",
        ),
        (
            "a--b",
            "'-' and '_' stand singly between letters or digits, not at \"a--b\"",
        ),
    ] {
        let expected =
            format!("container-create: {reason}\nhint: choose a name like my-thesis or exp_2\n");
        assert_eq!(host.run(CREATE, &[name, "ds01-base"]), failed(2, &expected));
    }
}

#[test]
fn somebody_without_access_or_login_is_told_whom_to_ask() {
    let host = TestHost::with_direct_access(1);
    let forbidden = format!(
        "container-create: you may not use {}\nhint: ask an admin for access to DS01\n",
        host.state_dir().display()
    );
    let outsider = host.as_user(OUTSIDER).run(CREATE, &["thesis", "ds01-base"]);
    assert_eq!(outsider, failed(7, &forbidden));

    host.add_user("ghost", 30000, true);
    let ghost = host.as_user("ghost");
    let passwd = host.root().join("etc/passwd");
    let others = fs::read_to_string(&passwd).unwrap();
    let others: Vec<_> = others
        .lines()
        .filter(|line| !line.starts_with("ghost:"))
        .collect();
    fs::write(&passwd, others.join("\n") + "\n").unwrap();
    let unknown = "container-create: uid 30000 has no login on this host\n\
                   hint: ask an admin for an account\n";
    assert_eq!(
        ghost.run(CREATE, &["thesis", "ds01-base"]),
        failed(7, unknown)
    );
}

#[test]
fn limits_that_are_wrong_name_file_line_and_key_and_grant_nothing() {
    let host = TestHost::with_direct_access(1);
    let file = host.root().join("etc/resource-limits.yaml");
    let file = file.display();
    let good = host.limits_text();
    let create = || host.run(CREATE, &["thesis", "ds01-base"]);
    let hint = format!(
        "hint: an administrator must correct {file}: nothing is granted on guessed limits\n"
    );
    with_limit(&host, "max_cpus", "many");
    let expected = format!(
        "container-create: {file}:6: defaults.max_cpus: must be a number of CPUs, 0.01 or \
         more, or null for no limit, not \"many\"\n{hint}"
    );
    assert_eq!(create(), failed(2, &expected));
    host.limits_yaml("defaults:\n  memory: [\n");
    let broken = create();
    assert_eq!(broken.status, Some(2));
    assert!(
        broken
            .stderr
            .starts_with(&format!("container-create: {file}:3: ")),
        "{}",
        broken.stderr
    );
    host.limits_yaml(&format!("{good}  admins: {{}}\nunknown_key: 1\n"));
    assert_eq!(create().status, Some(0), "an unknown key is no error");
    host.run("container-remove", &["thesis"]).ok();

    let file = host.root().join("etc/resource-limits.yaml");
    host.as_user("root")
        .run("chmod", &["0", &file.to_string_lossy()])
        .ok();
    let unreadable = format!(
        "container-create: cannot read {}: Permission denied\n\
         hint: ask an admin: nothing is allocated without limits\n",
        file.display()
    );
    assert_eq!(create(), failed(8, &unreadable));
    fs::remove_file(&file).unwrap();
    assert_eq!(create().status, Some(8));
    let free = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(free.ends_with("\tfree\t-\n"), "{free}");
}

#[test]
fn what_would_fill_the_memory_is_not_read_from_an_image() {
    let host = TestHost::new();
    let large = "daemon:x:1:1::/:/bin/sh\n".repeat(1 << 16);
    for file in ["/etc/passwd", "/etc/group"] {
        image(&host, "odd", "ds01-base", &[(file, &large)], &[]);
        let refused = format!(
            "container-create: {file} in the image is larger than 1 MiB\n\
             hint: name another image, with --image=<image>; see image-list --all\n"
        );
        assert_eq!(host.run(CREATE, &["thesis", "odd"]), failed(2, &refused));
        assert_eq!(all_containers(&host), "");
    }
}

#[test]
fn without_a_home_one_is_told_so() {
    let host = TestHost::new();
    host.as_user("root")
        .run("mv", &["/home/alice", "/home/moved"])
        .ok();
    for command in [CREATE, "container-deploy"] {
        let alice = host.as_user("alice").in_dir("/");
        let said = alice.run(command, &["nh", "--image=ds01-base"]);
        let expected = format!(
            "{command}: your home /home/alice does not exist\n\
             hint: ask an admin to make it: mkhomedir_helper alice\n"
        );
        assert_eq!(said, failed(4, &expected));
    }
}

#[test]
fn that_a_folder_may_not_be_mounted_is_among_the_statuses() {
    let host = TestHost::new();
    for (command, args) in [
        (CREATE, &["one", "ds01-base"][..]),
        ("container-deploy", &["one", "ds01-base"]),
        ("mlc-create", &["one", "pytorch"]),
    ] {
        let listed = host.run(command, &["--info"]).ok();
        let statuses = listed.split("Exit status").nth(1).unwrap();
        let is_7 = |line: &str| line.trim_start().starts_with("7 ");
        assert!(statuses.lines().any(is_7), "{command}: {statuses}");
        if command != "mlc-create" {
            let refused = host.run(command, &[args, &["--workspace=/etc"]].concat());
            assert_eq!(refused.status, Some(7), "{refused:?}");
        }
    }
}
