//! Many processes of several users at once, judged by the engine and the hook alone.

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ds01_testkit::{Outcome, Signal, TestHost, USERS};

use crate::support::engine_view::{
    Container, assert_never_given_twice, assert_no_device_twice, containers,
};

/// What each user may have: parts of a GPU in 28ths, as sevenths and quarters share no smaller one.
const QUOTA: u64 = 28;
const CONTAINERS: usize = 3;
const EACH: usize = 8;

/// 16 devices: four whole GPUs, and three with four MIG devices each.
fn host() -> TestHost {
    let host = TestHost::with_topology("a100-mig");
    host.gpus().edit(|sim| {
        for number in 1..4_u32 {
            let mut gpu = sim["gpus"][0].clone();
            gpu["uuid"] = format!("GPU-5eed0000-0000-4000-8000-{number:012x}").into();
            gpu["minor_number"] = (3 + number).into();
            gpu["pci_bus_id"] = format!("00000000:{:02X}:00.0", 0xc0 + number).into();
            sim["gpus"].as_array_mut().unwrap().push(gpu);
        }
    });
    host.add_user("judge", 20100, true);
    host.limits_yaml(&format!(
        "defaults:\n  max_gpu_equivalents: 1.0\n  max_gpu_slots_per_container: 2\n  \
         max_containers_per_user: {CONTAINERS}\n  max_cpus: 1\n  memory: 64m\n  \
         gpu_hold_after_stop_h: 0.25\n\
         default_group: student\ngroups:\n  student: {{}}\n\
         user_overrides:\n  judge:\n    max_gpu_equivalents: null\n    \
         max_gpu_slots_per_container: null\n"
    ));
    host
}

/// The share of each device, by the topology.
fn shares(host: &TestHost) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    host.gpus().edit(|sim| {
        for gpu in sim["gpus"].as_array().unwrap() {
            let uuid = |device: &str| device.to_owned();
            if gpu["mig_enabled"] != true {
                shares.insert(uuid(gpu["uuid"].as_str().unwrap()), 28);
                continue;
            }
            for mig in gpu["mig"].as_array().unwrap() {
                let share = mig["slices"].as_u64().unwrap() * 28;
                let of = gpu["max_mig_devices"].as_u64().unwrap();
                shares.insert(uuid(mig["uuid"].as_str().unwrap()), share / of);
            }
        }
    });
    shares
}

/// Fails if the engine has more for one user than the policy allows.
fn assert_within_limits(containers: &[Container], shares: &BTreeMap<String, u64>) {
    for uid in 20001..20009 {
        let uid = uid.to_string();
        let own: Vec<_> = containers.iter().filter(|c| c.uid() == uid).collect();
        let held: u64 = own
            .iter()
            .flat_map(|c| &c.devices)
            .map(|device| shares[device])
            .sum();
        assert!(
            held <= QUOTA && own.len() <= CONTAINERS,
            "{uid} has {held}/28: {own:#?}"
        );
    }
}

/// What process number `number` of a user does in a round.
fn script(round: usize, number: usize) -> String {
    let gpus = 1 + (round + number / 2) % 2;
    let create = format!("container-create r{number} --image=ds01-base --gpu={gpus} --no-wait");
    let remove = format!("container-remove r{number}");
    match (round + number) % EACH {
        0 => format!("{create} && container-start r{number}"),
        1 => format!(
            "{create} && container-start r{number} && container-stop r{number} -t 1 && {remove}"
        ),
        2 | 3 => format!("{create} && {remove} && {create}"),
        4 | 5 => format!("{create} && {remove}"),
        _ => create,
    }
}

/// Runs the same command as every user at once.
fn as_everybody(host: &TestHost, command: &str, args: &[&str]) -> Vec<Outcome> {
    let running: Vec<_> = USERS
        .iter()
        .map(|user| {
            host.as_user(user)
                .within(Duration::from_secs(300))
                .spawn(command, args)
        })
        .collect();
    running.into_iter().map(|running| running.wait()).collect()
}

/// 64 processes, and a detector beside them. How many of them got what they asked for.
fn race(host: &TestHost, round: usize, shares: &BTreeMap<String, u64>) -> usize {
    let over = AtomicBool::new(false);
    let outcomes = thread::scope(|scope| {
        let detector = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let seen = containers(host);
                assert_no_device_twice(host, &seen);
                assert_within_limits(&seen, shares);
            }
        });
        let running: Vec<_> = (0..EACH)
            .flat_map(|number| USERS.map(|user| (number, user)))
            .map(|(number, user)| {
                let user = host.as_user(user).within(Duration::from_secs(300));
                user.spawn("sh", &["-c", &script(round, number)])
            })
            .collect();
        let outcomes: Vec<_> = running.into_iter().map(|running| running.wait()).collect();
        over.store(true, Ordering::Relaxed);
        detector.join().unwrap();
        outcomes
    });
    for outcome in &outcomes {
        // Done, a limit was reached, or no device is free: nothing else may come of a race.
        assert!(matches!(outcome.status, Some(0 | 5 | 6)), "{outcome:#?}");
    }
    outcomes
        .iter()
        .filter(|outcome| outcome.status == Some(0))
        .count()
}

#[test]
fn racing_processes_get_no_device_twice_pass_no_quota_and_leak_nothing() {
    let rounds = env::var("DS01_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let host = host();
    let shares = shares(&host);
    let all = host.gpus().uuids();
    assert_eq!((all.len(), shares.len()), (16, 16));
    let socket = format!("unix://{}", host.engine().socket().display());
    let events = host.as_user("root").spawn(
        "docker",
        &[
            "-H",
            &socket,
            "events",
            // Also those from before it listens.
            "--since=0",
            "--filter=type=container",
            "--filter=event=create",
            "--filter=event=destroy",
            "--format={{.TimeNano}} {{.Action}} {{.ID}}",
        ],
    );
    // The first container of each user makes an image, which is another matter.
    for outcome in as_everybody(
        &host,
        "container-create",
        &["first", "--image=ds01-base", "--cpu-only"],
    ) {
        outcome.ok();
    }
    let mut granted = 0;
    for round in 0..rounds {
        granted += race(&host, round, &shares);
        for outcome in as_everybody(&host, "container-remove", &["--all", "--stop", "--force"]) {
            outcome.ok();
        }
        assert_eq!(containers(&host), []);
        assert_eq!(
            host.ledger().read()["allocations"]
                .as_array()
                .unwrap()
                .len(),
            0
        );
        let judge = |command, args: &[&str]| host.as_user("judge").run(command, args).ok();
        judge(
            "container-create",
            &["all", "--image=ds01-base", "--gpu=16"],
        );
        let mut held = containers(&host).pop().unwrap().devices;
        held.sort_unstable();
        let mut whole = all.clone();
        whole.sort_unstable();
        assert_eq!(held, whole, "after round {round}");
        judge("container-remove", &["all"]);
    }
    events.signal(Signal::SIGINT);
    let started = assert_never_given_twice(&host, &events.wait().stdout);
    // The race is none if nobody gets in, or everybody does.
    assert!(
        granted > 0 && granted < rounds * USERS.len() * EACH,
        "{granted}"
    );
    assert!(started > 0);
    eprintln!(
        "{rounds} rounds of 64 processes: {granted} had what they asked for, {started} devices were used"
    );
}
