//! Engines that hang, break off or talk nonsense: a time limit ends each call, with one clear line.

use std::{fs::File, time::Duration};

use ds01_testkit::Outcome;

use super::*;
use crate::support::{
    awaited::is_awaited,
    duties::pass,
    expect::{done, failed},
};

/// Each call of the engine has so many seconds.
fn answers_within(host: &TestHost, seconds: u32) {
    let limit = format!("[engine]\ntimeout_s = {seconds}\n");
    host.config(&host.config_text().replace("[engine]\n", &limit));
}

/// An engine with a second to answer, and alice's container thesis, which holds GPU 0.
fn impatient(host: &TestHost) -> ScriptedEngine {
    let engine = scripted(host);
    answers_within(host, 1);
    host.run("container-create", &["thesis", "pytorch:2.8"])
        .ok();
    show(&engine, "created", "Created");
    engine
}

/// What an engine does in place of answering.
fn silences() -> Vec<(&'static str, Answer)> {
    vec![
        (
            "hangs",
            Answer::new(200, "").after(Duration::from_secs(3600)),
        ),
        ("hangs up", Answer::close()),
        (
            "answers what is not HTTP",
            Answer::raw("SSH-2.0-OpenSSH\r\n"),
        ),
    ]
}

/// And what it may do to an answer that has a body.
fn faults() -> Vec<(&'static str, Answer)> {
    let body = || Answer::new(200, r#"[{"Id":"#);
    let more = [
        ("never sends the body", body().stall_after_head()),
        (
            "sends half of the body",
            Answer::new(200, "[] ").half_body(),
        ),
        ("answers what is not JSON", body()),
    ];
    silences().into_iter().chain(more).collect()
}

/// Status 8, and a line that begins so: what became of it can be seen.
#[track_caller]
fn unreachable(outcome: &Outcome, fault: &str, start: &str) {
    let hint = "hint: see what became of it with container-list --all";
    unreachable_with(outcome, fault, start, hint);
}

/// The same with this hint below.
#[track_caller]
fn unreachable_with(outcome: &Outcome, fault: &str, start: &str, hint: &str) {
    assert_eq!(
        (outcome.status, outcome.stdout.as_str()),
        (Some(8), ""),
        "{fault}: {outcome:?}"
    );
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{fault}: {outcome:?}");
    assert!(
        lines[0].starts_with(start) && lines[1] == hint,
        "{fault}: {outcome:?}"
    );
}

#[test]
fn a_sweep_gives_up_with_the_first_name_that_an_engine_does_not_take_away() {
    let host = TestHost::with_gpus(2);
    let engine = impatient(&host);
    let names = ["a", "b", "c"].map(|name| format!("ds01-20001/of.container:{name}._.20001"));
    let unused =
        json!([{"Id": "sha256:0123456789abcdef", "RepoTags": names, "Created": 0, "Size": 0}]);
    engine.on("GET", "/images/json", [answer(200, &unused)]);
    engine.on("DELETE", "/images/*", [silences()[0].1.clone()]);
    let swept = pass(&host, "container-cleanup", &["--system"]);
    let asked = engine.requests();
    let asked = asked
        .iter()
        .filter(|asked| asked.method == "DELETE" && asked.path.contains("/of.container"));
    assert_eq!(asked.count(), 1, "{swept:?}");
    assert_eq!(swept.status, Some(8), "{swept:?}");
}

#[test]
fn a_call_that_only_asks_fails_alone() {
    let host = TestHost::with_gpus(2);
    let engine = impatient(&host);
    let ledger = host.ledger().bytes();
    let inspect = format!("/containers/{ID}/json");
    for (fault, bad) in faults() {
        engine.on("GET", "/containers/json", [bad.clone()]);
        engine.on("GET", &inspect, [bad]);
        // Where an inspection hangs, a list is asked for.
        let look = match fault {
            "hangs" => "list",
            _ => "inspect",
        };
        for (command, args, asks) in [
            ("container-list", &[][..], "list"),
            ("container-create", &["other", "pytorch:2.8"], "list"),
            ("container-start", &["thesis"], look),
            ("container-stop", &["thesis"], look),
            ("container-remove", &["thesis"], look),
            ("gpu-status", &[], "list"),
        ] {
            let start = format!("{command}: the Docker Engine did not {asks} containers");
            let hint = "hint: try again; if that fails too, tell an admin: systemctl status docker";
            unreachable_with(&host.run(command, args), fault, &start, hint);
        }
        assert!(
            host.ledger().bytes() == ledger,
            "{fault}: the ledger was changed"
        );
    }
}

/// An engine inspects no container while somebody copies its files.
#[test]
fn a_container_whose_files_are_being_copied_is_found_in_a_list() {
    let host = TestHost::with_gpus(2);
    let engine = impatient(&host);
    show(&engine, "running", "Up 2 hours");
    let (_, hangs) = silences().swap_remove(0);
    engine.on("GET", &format!("/containers/{ID}/json"), [hangs]);
    let start = host.run("container-start", &["thesis"]);
    assert_eq!(start, done("", "thesis runs already\n"));
}

#[test]
fn whoever_waits_at_a_terminal_is_told_what_for() {
    let host = TestHost::with_gpus(1);
    let engine = scripted(&host);
    answers_within(&host, 6);
    let (_, hangs) = silences().swap_remove(0);
    engine.on("GET", "/containers/json", [hangs.clone()]);
    let alice = || host.as_user("alice");
    let elsewhere = alice().spawn("container-list", &[]);
    let mut list = alice().pty("container-list", &[]);
    list.expect("the Docker Engine takes long to list containers: it is waited for, up to 6 s\r\n");
    assert_eq!(list.wait(), Some(8), "{}", list.output());
    let hint = "hint: try again; if that fails too, tell an admin: systemctl status docker";
    let failed = "container-list: the Docker Engine did not list containers within 6 s";
    unreachable_with(&elsewhere.wait(), "hangs", failed, hint);

    // The same of a call that goes another way.
    engine.on("GET", "/containers/json", [answer(200, &json!([]))]);
    engine.on("GET", "/images/*", [hangs]);
    let mut create = alice().pty("container-create", &["thesis", "pytorch:2.8"]);
    create.expect("the Docker Engine takes long to look up the image: ");
    assert_eq!(create.wait(), Some(8), "{}", create.output());
}

#[test]
fn an_engine_that_is_ill_is_quoted() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    engine.on(
        "GET",
        "/containers/json",
        [Answer::error(500, "layer store is\nout of order")],
    );
    let quoted = "container-list: the Docker Engine did not list containers: layer store is out \
                  of order\n\
                  hint: tell an admin; journalctl -u docker shows more\n";
    assert_eq!(host.run("container-list", &[]), failed(1, quoted));
}

/// Whether it exists nobody knows: its device stays with its intent until that lapses.
#[test]
fn a_create_without_an_answer_keeps_its_device_until_it_lapses() {
    for (fault, bad) in faults() {
        let host = TestHost::with_gpus(1);
        let engine = scripted(&host);
        answers_within(&host, 1);
        engine.on("POST", "/containers/create", [bad]);
        let start = "container-create: the Docker Engine did not create the container";
        let create = |name| host.run("container-create", &[name, "pytorch:2.8"]);
        unreachable(&create("thesis"), fault, start);
        let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                    hint: see who holds what with gpu-status\n";
        let bob = || {
            host.as_user("bob")
                .run("container-create", &["his", "pytorch:2.8", "--no-wait"])
        };
        let status = "container-create: container thesis is being created\n\
                      hint: see what became of it with container-list --all\n";
        assert_eq!(create("thesis"), failed(4, status), "{fault}");
        engine.on(
            "POST",
            "/containers/create",
            [answer(201, &json!({"Id": ID, "Warnings": []}))],
        );
        assert_eq!(bob(), failed(6, busy), "{fault}");
        host.ledger().edit(|ledger| {
            ledger["allocations"][0]["holding"]["pending"]["lapses"] = 1.into();
        });
        assert_eq!(bob(), done("his with GPU 0\n", ""), "{fault}");
    }
}

#[test]
fn a_create_without_an_answer_is_its_owners_once_it_shows() {
    let host = TestHost::with_gpus(1);
    let engine = scripted(&host);
    engine.on("POST", "/containers/create", [Answer::close()]);
    let lost = host.run("container-create", &["thesis", "pytorch:2.8"]);
    unreachable(
        &lost,
        "hangs up",
        "container-create: the Docker Engine did not create the container",
    );
    show(&engine, "created", "Created");
    engine.on(
        "POST",
        &format!("/containers/{ID}/start"),
        [Answer::new(204, "")],
    );
    assert_eq!(host.run("container-start", &["thesis"]), done("", ""));
    let exists = "container-create: container thesis exists already\n\
                  hint: use it with container-run thesis, or remove it with container-retire thesis\n";
    assert_eq!(
        host.run("container-create", &["thesis", "pytorch:2.8"]),
        failed(4, exists)
    );
}

/// It may start yet: its device is nobody else's until it has shown, or the intent lapses.
#[test]
fn a_start_without_an_answer_keeps_its_device() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    // It had stopped, and given its device back.
    show(&engine, "exited", "Exited (0) 2 hours ago");
    host.ledger()
        .edit(|ledger| ledger["allocations"][0]["holding"] = "released".into());
    for (fault, bad) in silences() {
        engine.on("POST", &format!("/containers/{ID}/start"), [bad]);
        let start = "container-start: the Docker Engine did not start it";
        unreachable(&host.run("container-start", &["thesis"]), fault, start);
        let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                    hint: see who holds what with gpu-status\n";
        let bob = host
            .as_user("bob")
            .run("container-create", &["his", "pytorch:2.8", "--no-wait"]);
        assert_eq!(bob, failed(6, busy), "{fault}");
    }
}

#[test]
fn a_stop_or_remove_without_an_answer_changes_nothing() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    show(&engine, "running", "Up 2 hours");
    engine.on(
        "GET",
        &format!("/containers/{ID}/top"),
        [answer(200, &json!({"Processes": [["1"]]}))],
    );
    let ledger = host.ledger().bytes();
    for (fault, bad) in silences() {
        engine.on("POST", &format!("/containers/{ID}/stop"), [bad.clone()]);
        let killed = host.run("container-stop", &["thesis", "--timeout=0"]);
        unreachable(
            &killed,
            fault,
            "container-stop: the Docker Engine did not stop it",
        );
        show(&engine, "exited", "Exited (0) 2 seconds ago");
        engine.on("DELETE", &format!("/containers/{ID}"), [bad]);
        let removed = host.run("container-remove", &["thesis"]);
        unreachable(
            &removed,
            fault,
            "container-remove: the Docker Engine did not remove it",
        );
        show(&engine, "running", "Up 2 hours");
        assert!(
            host.ledger().bytes() == ledger,
            "{fault}: the ledger was changed"
        );
    }
}

#[test]
fn a_stop_may_take_as_long_as_its_processes_were_given() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    show(&engine, "running", "Up 2 hours");
    // Longer than the engine's own time, and than twice that.
    let stopped = Answer::new(204, "").after(Duration::from_secs(3));
    engine.on("POST", &format!("/containers/{ID}/stop"), [stopped]);
    let stop = host.run("container-stop", &["thesis", "--timeout=30"]);
    assert_eq!(stop, done("", "thesis keeps GPU 0 for 15m\n"));
}

#[test]
fn a_container_that_ends_as_it_is_run_is_said_to() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    let of = |call: &str| format!("/containers/{ID}/{call}");
    engine.on("POST", &of("start"), [Answer::new(204, "")]);
    let not_running = json!({"message": "Container thesis is not running"});
    engine.on("POST", &of("exec"), [answer(409, &not_running)]);
    let hint = "it ended at once; what it printed says why: docker logs thesis\n";
    let said = host.run("container-run", &["thesis"]);
    assert_eq!(said.status, Some(4), "{said:?}");
    assert!(
        said.stderr.ends_with(&format!("\nhint: {hint}")),
        "{said:?}"
    );
}

#[test]
fn a_shell_without_an_answer_is_given_up() {
    let host = TestHost::with_gpus(1);
    let engine = impatient(&host);
    show(&engine, "running", "Up 2 hours");
    let attach = || host.run("container-attach", &["thesis"]);
    let start = "container-attach: the Docker Engine did not open a shell";
    for (fault, bad) in faults() {
        engine.on("POST", &format!("/containers/{ID}/exec"), [bad]);
        unreachable(&attach(), fault, start);
    }
    let made = json!({"Id": "e1"});
    engine.on(
        "POST",
        &format!("/containers/{ID}/exec"),
        [answer(201, &made)],
    );
    for (fault, bad) in silences() {
        engine.on("POST", "/exec/e1/start", [bad]);
        unreachable(&attach(), fault, start);
    }
}

#[test]
fn while_a_container_of_others_is_being_made_no_device_is_given() {
    let host = TestHost::with_gpus(1);
    let engine = scripted(&host);
    // Release 20.10 lists a container before it can be inspected.
    let mut other = listed("created", "Created");
    other["Names"] = json!(["/other"]);
    other["Labels"] = json!({});
    engine.on("GET", "/containers/json", [answer(200, &json!([other]))]);
    let no_such = Answer::error(404, "No such container");
    let inspect = format!("/containers/{ID}/json");
    engine.on("GET", &inspect, [no_such]);
    let busy = "container-create: docker does not tell which GPUs other has: it is being made, or \
                somebody copies its files\n\
                hint: try again in a moment\n";
    let create = || host.run("container-create", &["thesis", "pytorch:2.8", "--no-wait"]);
    assert_eq!(create(), failed(6, busy));

    // Once it can be inspected, it turns out to have the only one.
    engine.on("GET", &inspect, [answer(200, &inspected("created"))]);
    let taken = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                 hint: see who holds what with gpu-status\n";
    assert_eq!(create(), failed(6, taken));
}

/// Made and removed by others between a look and its lock: whoever looked has seen it, and no entry
/// tells that it has gone.
#[test]
fn a_container_that_has_come_and_gone_since_the_look_is_nobodys() {
    let host = TestHost::with_gpus(2);
    let engine = scripted(&host);
    host.run("gpu-status", &[]).ok();
    show(&engine, "created", "Created");
    let lock = File::open(host.state_dir().join("ledger.json.lock")).unwrap();
    lock.lock().unwrap();
    let create = host
        .as_user("bob")
        .spawn("container-create", &["his", "pytorch:2.8"]);
    while !is_awaited(&host, "ledger.json.lock") {}
    engine.on("GET", "/containers/json", [answer(200, &json!([]))]);
    let generation = host.ledger().read()["generation"].as_u64().unwrap();
    host.ledger()
        .edit(|ledger| ledger["generation"] = (generation + 2).into());
    drop(lock);
    assert_eq!(create.wait(), done("his with GPU 0\n", ""));
    let ledger = host.ledger().read();
    assert_eq!(ledger["unmanaged"], json!([]));
    assert_eq!(ledger["allocations"].as_array().unwrap().len(), 1);
}
