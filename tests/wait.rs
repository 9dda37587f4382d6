//! Commands that wait in line for a GPU.

use ds01_testkit::{Signal, TestHost};

use crate::support::{
    duties::{events, hours},
    expect::{all_containers, created, done, failed, project, running, with_config, with_limit},
    line::{has_used, in_line, waiters, waits},
};

const CREATE: &str = "container-create";

const ALONE: &str = "waiting in line for up to 3m, place 1 of 1, no end known: no GPU free: 1 asked \
                     for, 0 of 1 free\n";

#[test]
fn who_waits_has_the_device_as_soon_as_it_is_given_back() {
    let host = TestHost::new();
    created(&host, "thesis");
    let bob = waits(&host, "bob", &["his"], 1);
    assert_eq!(waiters(&host), [(20002, "his".to_string())]);
    assert_eq!(all_containers(&host), "thesis._.20001\n");
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(bob.wait(), done("his with GPU 0\n", ALONE));
    assert_eq!(waiters(&host), []);
    let [joined] = &events(&host, "queue.")[..] else {
        panic!("one event: {:?}", events(&host, "queue."));
    };
    assert_eq!(
        (&joined["event_type"], &joined["user"]),
        (&"queue.joined".into(), &"bob".into())
    );
    let reason = "no GPU free: 1 asked for, 0 of 1 free";
    assert_eq!(joined["details"]["reason"], reason);
    assert_eq!(events(&host, "gpu.reject"), [] as [serde_json::Value; 0]);
}

#[test]
fn the_end_of_a_hold_wakes_who_waits_though_nobody_does_anything() {
    let host = TestHost::new();
    with_limit(&host, "gpu_hold_after_stop_h", &hours(4.0).to_string());
    running(&host, "thesis");
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    let bob = host.as_user("bob").run(CREATE, &["his", "ds01-base"]);
    assert_eq!((bob.status, &*bob.stdout), (Some(0), "his with GPU 0\n"));
    assert!(bob.stderr.contains("place 1 of 1, in "), "{}", bob.stderr);
}

#[test]
fn the_line_is_served_by_priority_then_recent_use_then_arrival() {
    let host = TestHost::new();
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}  first: {{members: [frank], priority: 90}}\n"
    ));
    created(&host, "thesis");
    has_used(&host, 20002, 5);
    let names = ["bob", "dave", "carol", "frank"];
    let came: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(user, count)| waits(&host, user, &["c"], count))
        .collect();
    let mut came: std::collections::BTreeMap<_, _> = names.iter().zip(came).collect();
    // Who comes now is behind them, even as the device is given back.
    host.run("container-remove", &["thesis"]).ok();
    let erin = host
        .as_user("erin")
        .run(CREATE, &["c", "ds01-base", "--no-wait"]);
    assert_eq!(erin.status, Some(6), "{erin:?}");
    for user in ["frank", "dave", "carol", "bob"] {
        let said = came.remove(&user).unwrap().wait();
        assert_eq!(
            (said.status, &*said.stdout),
            (Some(0), "c with GPU 0\n"),
            "{user}: {said:?}"
        );
        host.as_user(user).run("container-remove", &["c"]).ok();
    }
}

#[test]
fn a_terminal_shows_the_place_and_ctrl_c_leaves_the_line_at_once() {
    let host = TestHost::new();
    created(&host, "thesis");
    let carol = waits(&host, "carol", &["hers"], 1);
    let args = ["his", "ds01-base"];
    let mut bob = host.as_user("bob").pty(CREATE, &args);
    bob.expect("place 2 of 2, no end known: no GPU free: 1 asked for, 0 of 1 free");
    carol.signal(Signal::SIGTERM);
    let left = format!("{ALONE}{CREATE}: interrupted\n");
    assert_eq!(carol.wait(), failed(130, &left));
    bob.expect("place 1 of 1, ");
    assert_eq!(waiters(&host), [(20002, "his".to_string())]);
    bob.send("\x03");
    assert_eq!(bob.wait(), Some(130));
    assert_eq!(waiters(&host), []);
    let left = events(&host, "queue.left");
    let reasons: Vec<_> = left
        .iter()
        .map(|event| &event["details"]["reason"])
        .collect();
    assert_eq!(reasons, ["its owner left", "its owner left"]);
}

#[test]
fn who_is_killed_or_sleeps_keeps_nobody_waiting() {
    let host = TestHost::new();
    created(&host, "thesis");
    let killed = waits(&host, "bob", &["his"], 1);
    let sleeps = waits(&host, "dave", &["his"], 2);
    let carol = waits(&host, "carol", &["hers"], 3);
    killed.signal(Signal::SIGKILL);
    sleeps.signal(Signal::SIGSTOP);
    host.run("container-remove", &["thesis"]).ok();
    let said = carol.wait();
    assert_eq!(
        (said.status, &*said.stdout),
        (Some(0), "hers with GPU 0\n"),
        "{said:?}"
    );
    assert_eq!(waiters(&host), []);
    let left = events(&host, "queue.left");
    let mut reasons: Vec<_> = left
        .iter()
        .map(|event| event["details"]["reason"].as_str().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "it did not take what was free for it",
            "its process has ended"
        ]
    );
    // Awake again, it comes as the last.
    sleeps.signal(Signal::SIGCONT);
    in_line(&host, 1);
    host.as_user("carol")
        .run("container-remove", &["hers"])
        .ok();
    assert_eq!(sleeps.wait().stdout, "his with GPU 0\n");
}

#[test]
fn who_does_not_want_to_wait_or_not_for_long_is_told_why() {
    let host = TestHost::new();
    created(&host, "thesis");
    let bob = |args: &[&str]| {
        let args = [&["his", "ds01-base"], args].concat();
        host.as_user("bob").run(CREATE, &args)
    };
    let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                hint: see who holds what with gpu-status\n";
    for flag in ["--no-wait", "--wait=0", "--dry-run"] {
        assert_eq!(bob(&[flag]), failed(6, busy), "{flag}");
    }
    let in_vain = "container-create: no GPU free: 1 asked for, 0 of 1 free; waited for 1s\n\
                   hint: wait longer with --wait=1h, or beyond this terminal with gpu-queue join\n";
    let told = ALONE.replace("3m", "1s") + in_vain;
    assert_eq!(bob(&["--wait=1"]), failed(6, &told));
    assert_eq!(bob(&["--wait", "1s"]), failed(6, &told));
    assert_eq!(waiters(&host), []);
    let both = "container-create: --wait and --no-wait exclude each other\n\
                hint: leave one of them out\n";
    assert_eq!(bob(&["--wait=1", "--no-wait"]), failed(2, both));
    assert_eq!(bob(&["--wait=soon"]).status, Some(2));
}

#[test]
fn a_limit_that_waiting_does_not_change_is_told_at_once() {
    let host = TestHost::with_gpus(2);
    created(&host, "thesis");
    let quota = "container-create: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    let second = host.run(CREATE, &["second", "ds01-base"]);
    assert_eq!(second, failed(5, quota));
    assert_eq!(waiters(&host), []);
}

#[test]
fn a_large_request_is_not_starved_by_small_ones() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    created(&host, "thesis");
    host.as_user("carol")
        .run(CREATE, &["hers", "ds01-base"])
        .ok();
    let bob = waits(&host, "bob", &["large", "--gpu=2"], 1);
    host.as_user("carol")
        .run("container-remove", &["hers"])
        .ok();
    let dave = host
        .as_user("dave")
        .run(CREATE, &["small", "ds01-base", "--no-wait"]);
    let behind = "container-create: no GPU free for you yet: 1 asked for, 1 free, and 1 ahead of you \
                  in line\nhint: see who waits with gpu-queue list\n";
    assert_eq!(dave, failed(6, behind));
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(bob.wait().stdout, "large with GPU 0 1\n");
}

#[test]
fn a_user_who_waits_often_can_do_other_things() {
    let host = TestHost::new();
    with_limit(&host, "max_containers_per_user", "null");
    created(&host, "thesis");
    let names: Vec<_> = (0..17).map(|number| format!("c{number}")).collect();
    let waiting: Vec<_> = names[..16]
        .iter()
        .zip(1..)
        .map(|(name, count)| waits(&host, "bob", &[name], count))
        .collect();
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args);
    let list = bob("container-list", &["--all", "--format=simple"]);
    assert_eq!(list, done("", ""));
    let most = "container-create: 16 requests of yours wait in line already\n\
                hint: see who waits with gpu-queue list\n";
    assert_eq!(bob(CREATE, &[&names[16], "ds01-base"]), failed(5, most));
    host.run("container-remove", &["thesis"]).ok();
    let mut first = waiting.into_iter();
    assert_eq!(first.next().unwrap().wait().stdout, "c0 with GPU 0\n");
    bob("container-remove", &["c0"]).ok();
    assert_eq!(first.next().unwrap().wait().stdout, "c1 with GPU 0\n");
}

#[test]
fn deploying_and_launching_wait_too() {
    let host = TestHost::new();
    project(
        &host,
        "carol",
        "hers",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    created(&host, "thesis");
    let args = ["his", "--image=ds01-base", "--background"];
    let bob = host.as_user("bob").spawn("container-deploy", &args);
    in_line(&host, 1);
    let args = ["hers", "--background", "--wait=30m"];
    let carol = host.as_user("carol").spawn("project-launch", &args);
    in_line(&host, 2);
    let now = host
        .as_user("carol")
        .run("project-launch", &["hers", "--no-wait"]);
    assert_eq!(now.status, Some(6), "{now:?}");
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(bob.wait(), done("his runs with GPU 0\n", ALONE));
    let retire = ["his", "--force"];
    host.as_user("bob").run("container-retire", &retire).ok();
    assert_eq!(carol.wait().stdout, "hers runs with GPU 0\n");
}

#[test]
fn a_command_waits_no_longer_than_the_host_lets_it() {
    let host = TestHost::new();
    let create = |wait: &str| host.run(CREATE, &["thesis", "ds01-base", wait]);
    let most = "container-create: a command may wait in line for 1day at most on this host\n\
                hint: wait beyond your terminal, for as long as it takes: gpu-queue join\n";
    assert_eq!(create("--wait=25h"), failed(2, most));
    assert_eq!(all_containers(&host), "");
    create("--wait=24h").ok();
    // What they wait without being told to is not refused.
    host.run("container-remove", &["thesis"]).ok();
    with_config(&host, "[containers]\nlongest_wait_s = 60\n");
    assert_eq!(create("--wait=4m").status, Some(2));
    host.run(CREATE, &["thesis", "ds01-base"]).ok();
}

#[test]
fn who_is_taken_out_of_the_line_elsewhere_ends_and_does_not_join_again() {
    let host = TestHost::new();
    created(&host, "thesis");
    let waiting = waits(&host, "bob", &["his"], 1);
    let bob = |args: &[&str]| host.as_user("bob").run("gpu-queue", args);
    let ticket = host.ledger().read()["line"]["waiters"][0]["ticket"].clone();
    let left = format!("ticket {ticket} left the line\n");
    assert_eq!(bob(&["leave", "his"]), done(&left, ""));
    let ends = format!(
        "{ALONE}{CREATE}: you took it out of the line, with gpu-queue leave {ticket}\n\
         hint: ask again to wait anew, as the last\n"
    );
    assert_eq!(waiting.wait(), failed(1, &ends));
    assert_eq!(waiters(&host), []);
    // It can be asked for again.
    let again = waits(&host, "bob", &["his"], 1);
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(again.wait().stdout, "his with GPU 0\n");
}
