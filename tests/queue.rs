//! `gpu-queue`, and `ds01-queue`, which serves those who wait beyond their terminal.

mod launched;
mod log;
mod meanwhile;

use ds01_testkit::{As, Signal, TestHost};

use crate::support::{
    duties::{events, pass},
    expect::{created, done, failed, project, running, with_hook, with_limit},
    line::{in_line, waiters, waits},
};

const QUEUE: &str = "gpu-queue";
const DUTY: &str = "ds01-queue";

fn bob(host: &TestHost) -> As<'_> {
    host.as_user("bob")
}

/// Bob joins the line: his ticket.
#[track_caller]
fn joined(host: &TestHost, args: &[&str]) -> String {
    let args = [&["join", "--format=simple"], args].concat();
    bob(host).run(QUEUE, &args).ok().trim().to_string()
}

/// Whether somebody else gets a GPU now.
fn carol_gets_one(host: &TestHost) -> bool {
    let args = ["hers", "ds01-base", "--no-wait"];
    let said = host.as_user("carol").run("container-create", &args);
    assert!(matches!(said.status, Some(0 | 6)), "{said:?}");
    said.status == Some(0)
}

fn holder(host: &TestHost) -> String {
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    let cells: Vec<_> = status.trim_end().split('\t').collect();
    cells[cells.len() - 2..].join(" ")
}

/// A line without the time at its end.
fn timeless(text: &str) -> &str {
    text.split_once(" until ")
        .map_or(text, |(before, _)| before)
}

#[test]
fn who_joined_is_told_when_the_turn_comes_and_the_gpu_is_kept() {
    let host = TestHost::new();
    created(&host, "thesis");
    let said = bob(&host).run(QUEUE, &["join"]);
    let ticket = joined_ticket(&said.stdout);
    let place = "place 1 of 1, no end known: no GPU free: 1 asked for, 0 of 1 free\n";
    let note = format!(
        "when your turn comes it is kept for you for 15m, and you are told; leave with gpu-queue \
         leave {ticket}\n"
    );
    assert_eq!(said, done(&format!("ticket {ticket}, {place}"), &note));
    assert_eq!(pass(&host, DUTY, &[]), done("", ""));
    host.run("container-remove", &["thesis"]).ok();
    assert!(
        !carol_gets_one(&host),
        "it is for who waits, before anybody is told"
    );
    assert_eq!(waiters(&host), [], "and is kept by whoever asks in vain");
    assert_eq!(holder(&host), "bob (kept)");
    let kept = format!("ticket {ticket}: GPU 0 would be kept for bob, and they would be told\n");
    assert_eq!(pass(&host, DUTY, &["--dry-run"]), done(&kept, ""));
    let kept = pass(&host, DUTY, &[]).ok();
    assert_eq!(
        timeless(&kept),
        format!("ticket {ticket}: GPU 0 is kept for bob")
    );
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "once");
    let told = bob(&host).run("ds01-notices", &[]).ok();
    assert!(
        told.contains("your turn has come: GPU 0 is kept for you until "),
        "{told}"
    );
    let status = bob(&host).run(QUEUE, &["--format=simple"]).ok();
    let row = format!("{ticket}\tkept\tbob\t1\t-\tnow\tGPU 0 is kept");
    assert_eq!(timeless(&status), row);
    // Any container of his may have it; then it is used up.
    let made = bob(&host).run("container-create", &["his", "ds01-base"]);
    assert_eq!(made, done("his with GPU 0\n", ""));
    assert_eq!(holder(&host), "bob his");
    assert_eq!(
        bob(&host).run(QUEUE, &["list", "--format=simple"]),
        done("", "")
    );
    let kinds: Vec<_> = events(&host, "queue.")
        .iter()
        .map(|event| event["event_type"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(kinds, ["queue.joined", "queue.served", "queue.notified"]);
}

fn joined_ticket(stdout: &str) -> String {
    let ticket = stdout.strip_prefix("ticket ").unwrap();
    ticket.split(',').next().unwrap().to_string()
}

#[test]
fn a_free_gpu_is_kept_at_once_and_can_be_given_up() {
    let host = TestHost::new();
    let said = bob(&host).run(QUEUE, &["join", "his"]);
    assert_eq!(timeless(&said.stdout), "GPU 0 is kept for you");
    assert_eq!(said.stderr, "use it with container-create his\n");
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "he knows");
    assert!(!carol_gets_one(&host));
    let ticket = said.stdout.trim_end().rsplit(' ').next().unwrap();
    let others = host.as_user("carol").run(QUEUE, &["leave", ticket]);
    assert_eq!(others.status, Some(3), "{others:?}");
    let left = format!("ticket {ticket} gave up its turn, GPU 0 is free\n");
    assert_eq!(bob(&host).run(QUEUE, &["leave"]), done(&left, ""));
    assert!(carol_gets_one(&host));
}

#[test]
fn a_turn_that_is_not_used_in_time_is_over() {
    let host = TestHost::new();
    joined(&host, &[]);
    host.ledger()
        .edit(|ledger| ledger["line"]["turns"][0]["until"] = 1.into());
    assert!(carol_gets_one(&host));
    let [event] = &events(&host, "gpu.release")[..] else {
        panic!("one event for it");
    };
    assert_eq!(event["user"], "bob");
    assert_eq!(
        event["details"]["reason"],
        "not used in time when their turn had come"
    );
}

#[test]
fn what_was_kept_is_kept_again_if_no_container_comes_of_it() {
    let host = TestHost::new();
    joined(&host, &[]);
    host.docker(&["create", "--name", "his._.20002", "ds01-base"])
        .ok();
    let taken = bob(&host).run("container-create", &["his", "ds01-base"]);
    assert_eq!(taken.status, Some(4), "{taken:?}");
    assert_eq!(holder(&host), "bob (kept)");
    let made = bob(&host).run("container-create", &["other", "ds01-base"]);
    assert_eq!(made, done("other with GPU 0\n", ""));
}

#[test]
fn a_project_is_launched_when_its_turn_comes() {
    let host = TestHost::new();
    project(&host, "bob", "his", &[("Dockerfile", "FROM ds01-base\n")]);
    let unbuilt = "gpu-queue: project his has no image yet: nobody is there to see it built\n\
                   hint: build it first: image-create his\n";
    assert_eq!(
        bob(&host).run(QUEUE, &["join", "--launch=his"]),
        failed(3, unbuilt)
    );
    host.docker(&["tag", "ds01-base", "ds01-20002/his:latest"])
        .ok();
    created(&host, "thesis");
    let ticket = joined(&host, &["--launch=his"]);
    assert_eq!(pass(&host, DUTY, &[]), done("", ""));
    host.run("container-remove", &["thesis"]).ok();
    let would = format!("ticket {ticket}: his of bob would be started with GPU 0\n");
    assert_eq!(pass(&host, DUTY, &["--dry-run"]), done(&would, ""));
    let runs = format!("ticket {ticket}: his of bob runs with GPU 0\n");
    assert_eq!(pass(&host, DUTY, &[]), done(&runs, ""));
    let list = bob(&host).run("container-list", &["--format=simple"]).ok();
    assert!(list.starts_with("his\trunning\t"), "{list}");
    let who = bob(&host)
        .stdin("id -un; pwd\n")
        .run("container-attach", &["his"]);
    assert_eq!(who.stdout, "bob\n/workspace\n");
    let told = bob(&host).run("ds01-notices", &[]).ok();
    let text = "your turn has come: his runs with GPU 0: container-attach his\n";
    assert!(told.ends_with(text), "{told}");
}

#[test]
fn the_line_shows_everybody_and_one_leaves_what_is_ones_own() {
    let host = TestHost::new();
    created(&host, "thesis");
    let first = joined(&host, &["his"]);
    let carol = waits(&host, "carol", &["hers"], 2);
    let second = joined(&host, &["--gpu=1"]);
    let list = host.run(QUEUE, &["list", "--format=simple"]).ok();
    let rows: Vec<Vec<_>> = list.lines().map(|row| row.split('\t').collect()).collect();
    let why = "no GPU free: 1 asked for, 0 of 1 free";
    assert_eq!(rows[0], [&first, "1", "bob", "1", "his", "-", why]);
    assert_eq!(rows[1][1..], ["2", "carol", "1", "hers", "-", why]);
    assert_eq!((rows[2][0], rows[2][2], rows[2][4]), (&*second, "bob", "-"));
    let own = bob(&host).run(QUEUE, &["status", "--format=simple"]).ok();
    assert_eq!(own.lines().count(), 2);
    assert_eq!(host.run(QUEUE, &["--format=simple"]), done("", ""));
    let json: serde_json::Value =
        serde_json::from_str(&bob(&host).run(QUEUE, &["list", "--format=json"]).ok()).unwrap();
    assert_eq!(json["waiting"][1]["user"], "carol");
    assert_eq!(json["waiting"][1]["mine"], false);
    assert_eq!(json["waiting"][0]["standing"]["place"], 1);

    let which = "gpu-queue: you wait in line 2 times: which is to leave?\n\
                 hint: name a ticket or container of gpu-queue status, or leave with --all\n";
    assert_eq!(bob(&host).run(QUEUE, &["leave"]), failed(2, which));
    let left = format!("ticket {first} left the line\n");
    assert_eq!(
        bob(&host).run(QUEUE, &["leave", "His._.20002"]),
        done(&left, "")
    );
    let left = format!("ticket {second} left the line\n");
    assert_eq!(bob(&host).run(QUEUE, &["leave", "--all"]), done(&left, ""));
    let none = "gpu-queue: you do not wait in line\n\
                hint: see what you wait for with gpu-queue status\n";
    assert_eq!(bob(&host).run(QUEUE, &["leave"]), failed(3, none));
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(carol.wait().stdout, "hers with GPU 0\n");
}

#[test]
fn who_gives_up_at_the_terminal_goes_on_waiting_beyond_it() {
    let host = TestHost::new();
    created(&host, "thesis");
    let ticket = joined(&host, &["his"]);
    let args = ["his", "ds01-base", "--wait=1"];
    let in_vain = bob(&host).run("container-create", &args);
    assert_eq!(in_vain.status, Some(6), "{in_vain:?}");
    let mut terminal = bob(&host).pty("container-create", &["his", "ds01-base"]);
    terminal.expect("place 1 of 1, ");
    terminal.send("\x03");
    assert_eq!(terminal.wait(), Some(130));
    let row = format!("{ticket}\t1\tbob\t1\this\t");
    let status = bob(&host).run(QUEUE, &["--format=simple"]).ok();
    assert!(status.starts_with(&row), "{status}");
    // At the terminal he has it as soon as his turn comes there.
    let waits = bob(&host).spawn("container-create", &["his", "ds01-base"]);
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(waits.wait().stdout, "his with GPU 0\n");
    assert_eq!(bob(&host).run(QUEUE, &["--format=simple"]), done("", ""));
}

#[test]
fn who_may_not_have_it_or_waits_already_cannot_join() {
    let host = TestHost::with_gpus(2);
    created(&host, "thesis");
    let alice = |args: &[&str]| host.run(QUEUE, &[&["join"], args].concat());
    let quota = "gpu-queue: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(alice(&[]), failed(5, quota));
    with_limit(&host, "max_gpu_equivalents", "null");
    let many = "gpu-queue: more devices asked for (2) than one container may have (1)\n\
                hint: ask for fewer, with --gpu=1\n";
    assert_eq!(alice(&["--gpu=2"]), failed(5, many));
    let exists = "gpu-queue: container thesis exists already: nothing more is given to it\n\
                  hint: remove it with container-retire thesis, or join for another\n";
    assert_eq!(alice(&["thesis"]), failed(4, exists));
    assert_eq!(alice(&["--gpu=0"]).status, Some(2));
    assert_eq!(alice(&["--launch=none"]).status, Some(3));
    host.as_user("dave")
        .run("container-create", &["x", "ds01-base"])
        .ok();
    let ticket = joined(&host, &[]);
    let twice = format!(
        "gpu-queue: you wait in line already, with ticket {ticket}\n\
         hint: see how far you are with gpu-queue status, or gpu-queue leave {ticket}\n"
    );
    assert_eq!(bob(&host).run(QUEUE, &["join"]), failed(4, &twice));
    for odd in [
        &["jion"][..],
        &["list", "x"],
        &["status", "--gpu=1"],
        &["join", "a", "b"],
        &["join", "--all"],
    ] {
        let said = host.run(QUEUE, odd);
        assert_eq!((said.status, &*said.stdout), (Some(2), ""), "{odd:?}");
    }
}

#[test]
fn the_duty_is_for_root() {
    let host = TestHost::new();
    let refused = "ds01-queue: only root may run this\n\
                   hint: as root: sudo ds01-queue --dry-run shows what it would do\n";
    assert_eq!(host.run(DUTY, &[]), failed(7, refused));
}

#[test]
fn the_line_goes_by_what_limits_are_today() {
    let host = TestHost::new();
    created(&host, "thesis");
    joined(&host, &[]);
    host.as_user("carol").run(QUEUE, &["join"]).ok();
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}  first: {{members: [carol], priority: 90}}\n"
    ));
    host.run("container-remove", &["thesis"]).ok();
    pass(&host, DUTY, &[]).ok();
    assert_eq!(holder(&host), "carol (kept)");
    let turn = &host.ledger().read()["line"]["turns"][0];
    assert_eq!(turn["group"], "first");
}

#[test]
fn a_start_that_fails_gives_the_turn_back() {
    let host = TestHost::new();
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host.run(QUEUE, &["join"]).ok();
    assert_eq!(holder(&host), "alice (kept)");
    with_hook(&host, "exit 1");
    let failed = host.run("container-start", &["thesis"]);
    assert_eq!(failed.status, Some(1), "{failed:?}");
    assert_eq!(holder(&host), "alice (kept)");
}

#[test]
fn who_was_let_in_before_others_does_not_start_again_past_their_time() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    let limits = host.limits_text();
    let groups = "  short: {members: [bob], max_runtime_h: 0.1, gpu_hold_after_stop_h: 0.1}\n\
                  \x20 long: {members: [alice], max_runtime_h: 10}\n";
    host.limits_yaml(&format!("{limits}{groups}"));
    running(&host, "thesis");
    let carol = waits(&host, "carol", &["large", "--gpu=2"], 1);
    let ticket = &host.ledger().read()["line"]["waiters"][0]["ticket"];
    for command in [
        &["container-create", "his", "ds01-base", "--no-wait"][..],
        &["container-start", "his"],
        &["container-stop", "his", "-t", "0"],
        &["container-start", "his"],
        &["container-stop", "his", "-t", "0"],
    ] {
        bob(&host).run(command[0], &command[1..]).ok();
    }
    // Ten hours later.
    host.ledger().edit(|ledger| {
        let all = ledger["allocations"].as_array_mut().unwrap();
        let his = all.iter_mut().find(|one| one["container"] == "his._.20002");
        let served = &mut his.unwrap()["passed"]["served"];
        *served = (served.as_u64().unwrap() - 10 * 3600 - 600).into();
    });
    let refused = bob(&host).run("container-start", &["his"]);
    assert_eq!(refused.status, Some(6), "{refused:?}");
    let why = format!(
        "container-start: GPU 1 is promised to who waits in line with ticket {ticket} from 2"
    );
    assert!(refused.stderr.starts_with(&why), "{refused:?}");
    carol.signal(Signal::SIGINT);
    in_line(&host, 0);
    bob(&host).run("container-start", &["his"]).ok();
}

#[test]
fn of_several_requests_one_is_chosen_to_leave() {
    let host = TestHost::new();
    created(&host, "thesis");
    let first = joined(&host, &["his"]);
    let second = joined(&host, &[]);
    let mut asked = bob(&host).pty(QUEUE, &["leave"]);
    asked.expect("Which request is to leave the line?");
    asked.expect(&second);
    asked.send("\r");
    asked.expect(&format!("ticket {first} left the line"));
    assert_eq!(asked.wait(), Some(0));
    assert_eq!(waiters(&host), [(20002, "-".to_string())]);
}
