//! Faults at each system call of a kind: death where a command writes to a file, a directory or
//! the engine; a broken connection where it reads the engine's answer.

use std::{collections::BTreeMap, env, fs};

use ds01_testkit::TestHost;

/// The calls, where this machine has them. A change of mode comes after the making of a file.
const CALLS: &str = "?open,openat,?creat,write,pwrite64,writev,sendto,sendmsg,ftruncate,fchmod,\
                     ?chmod,fchmodat,fchown,?rename,renameat,?renameat2,?unlink,unlinkat,?mkdir,\
                     mkdirat,?link,linkat,?symlink,symlinkat";

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is killed as it is about to write.
    Killed,
    /// The connection to the engine breaks as it is about to read the answer.
    CutOff,
}

/// At which call of a command: the `nth` of that name, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    fault: Fault,
    call: String,
    nth: usize,
    /// As strace printed it.
    text: String,
}

/// The points of a command of this user's, which runs once to its good end. What is dead before a call
/// is dead after the one before, and after the last there is nothing left to do.
///
/// Only the command's own thread counts: the process that asks the driver writes nothing but its
/// answer.
pub(crate) fn points(host: &TestHost, user: &str, fault: Fault, command: &[&str]) -> Vec<Point> {
    let trace = match fault {
        Fault::Killed => format!("trace={CALLS}"),
        Fault::CutOff => "trace=recvfrom".to_string(),
    };
    let file = match user {
        "root" => host.root().join("strace.txt"),
        user => host.home(user).join("strace.txt"),
    };
    let traced = if user == "root" {
        &*file.to_string_lossy()
    } else {
        "strace.txt"
    };
    let mut args = vec!["-o", traced, "-e", &trace, "-e", "signal=none"];
    args.extend(command);
    host.as_user(user).run("strace", &args).ok();
    let text = fs::read_to_string(file).unwrap();
    let mut counts = BTreeMap::new();
    let mut points = Vec::new();
    for line in text.lines() {
        let Some((call, _)) = line.split_once('(') else {
            continue;
        };
        let nth = counts.entry(call.to_owned()).or_insert(0);
        *nth += 1;
        if call != "openat" || line.contains("O_CREAT") {
            points.push(Point {
                fault,
                call: call.into(),
                nth: *nth,
                text: line.into(),
            });
        }
    }
    points
}

/// Those of `points` that this run tries: each with `DS01_ALL=1`, else every `step`th, which
/// differ from one command to the next.
pub(crate) fn chosen(points: Vec<Point>, step: usize) -> Vec<Point> {
    let step = env::var_os("DS01_ALL").map_or(step, |_| 1);
    points.into_iter().skip(step / 2).step_by(step).collect()
}

/// Runs a command of this user's with its fault. Whether it came to that: another run may make fewer
/// calls, and a connection may break after what it was for.
pub(crate) fn fails_at(host: &TestHost, user: &str, point: &Point, command: &[&str]) -> bool {
    let Point {
        fault, call, nth, ..
    } = point;
    let trace = format!("trace={call}");
    let (inject, status) = match fault {
        Fault::Killed => (format!("inject={call}:signal=KILL:when={nth}"), None),
        // Broken from there on.
        Fault::CutOff => (
            format!("inject={call}:error=ECONNRESET:when={nth}+"),
            Some(8),
        ),
    };
    let mut args = vec!["-o", "/dev/null", "-e", &trace, "-e", &inject];
    args.extend(command);
    let outcome = host.as_user(user).run("strace", &args);
    assert!(
        outcome.status == status || outcome.status == Some(0),
        "{point:?}: {outcome:#?}"
    );
    outcome.status == status
}
