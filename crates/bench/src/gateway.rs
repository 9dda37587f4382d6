//! What the gateway adds: to a call, to a stream, and for many users at once.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use crate::{
    FEW, Result,
    figure::{Goal, figure, medians, note, time},
    raw,
};

const ROUNDS: usize = 201;
const STREAMS: usize = 5;
const USERS: u32 = 200;
/// Bytes of a stream.
const LENGTH: u64 = 256 << 20;
/// The first uid of theirs.
const FIRST_UID: u32 = 50_000;

/// Measures on a host of its own, whose engine is reached both ways by root.
pub(crate) fn measure() -> Result<()> {
    let host = TestHost::behind_gateway(1);
    for uid in FIRST_UID..FIRST_UID + USERS {
        host.add_user(&format!("user{uid}"), uid, false);
    }
    host.as_user(FEW)
        .run("container-create", &["bench", "ds01-base"])
        .ok();
    host.as_user(FEW).run("container-start", &["bench"]).ok();
    let (direct, gateway) = (host.engine().socket(), host.gateway_socket());
    let outcome = host.as_user("root").within(Duration::from_secs(600)).run(
        "ds01-bench",
        &[
            "gateway",
            &direct.to_string_lossy(),
            &gateway.to_string_lossy(),
        ],
    );
    crate::figure::pass_on(&outcome.stdout, &outcome.stderr)?;
    match outcome.status {
        Some(0) => Ok(()),
        status => Err(format!("the gateway's part ended with {status:?}").into()),
    }
}

/// Runs in the host's namespace, as root.
pub(crate) fn part(direct: &str, gateway: &str) -> Result<()> {
    let (direct, gateway) = (Path::new(direct), Path::new(gateway));
    let alice = ds01_host::users::uid_of(FEW)?;
    let as_alice = |path: &'static str| move || as_user(alice, gateway, path);
    let [plain, through] = medians(
        ROUNDS,
        [
            ("a call", &mut || {
                time(|| raw::call(direct, "GET", "/v1.41/_ping", ""))
            }),
            ("through the gateway", &mut as_alice("/v1.41/_ping")),
        ],
    )?;
    figure(
        "a ping through the gateway, ms added",
        through - plain,
        Goal::AtMost(0.3),
    )?;
    let inspect = "/v1.41/containers/bench/json";
    let engine = format!("/v1.41/containers/bench._.{alice}/json");
    let [plain, through] = medians(
        ROUNDS,
        [
            ("an inspection", &mut || {
                time(|| raw::call(direct, "GET", &engine, ""))
            }),
            ("through the gateway", &mut as_alice(inspect)),
        ],
    )?;
    figure(
        "an inspection through the gateway, ms added",
        through - plain,
        Goal::AtMost(0.3),
    )?;
    let name = format!("bench._.{alice}");
    let [plain, through] = medians(
        STREAMS,
        [
            ("a stream", &mut || stream(0, direct, &name)),
            ("through the gateway", &mut || {
                stream(alice, gateway, "bench")
            }),
        ],
    )?;
    figure(
        "a stream through the gateway, its rate against direct",
        plain / through,
        Goal::AtLeast(0.9),
    )?;
    crowd(gateway)
}

/// The time of one call as another user, made by a process that is that user: the kernel tells
/// who connects.
fn as_user(uid: u32, socket: &Path, path: &str) -> Result<Duration> {
    let begin = Instant::now();
    let mut stream = connect_as(uid, socket)?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&answer).into_owned().into());
    }
    Ok(begin.elapsed())
}

/// A connection of `uid`'s: the kernel notes the effective uid of the thread that connects.
fn connect_as(uid: u32, socket: &Path) -> Result<UnixStream> {
    use nix::unistd::{Gid, Uid, setegid, seteuid};
    setegid(Gid::from_raw(uid))?;
    seteuid(Uid::from_raw(uid))?;
    let stream = UnixStream::connect(socket);
    seteuid(Uid::from_raw(0))?;
    setegid(Gid::from_raw(0))?;
    Ok(stream?)
}

/// The time that [`LENGTH`] bytes of a process in the container take to arrive.
fn stream(uid: u32, socket: &Path, container: &str) -> Result<Duration> {
    let mebibytes = (LENGTH >> 20).to_string();
    let command = ["dd", "if=/dev/zero", "bs=1M", &format!("count={mebibytes}")];
    let mut docker = Command::new("docker");
    docker
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .args(["exec", container])
        .args(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    std::os::unix::process::CommandExt::uid(&mut docker, uid);
    let begin = Instant::now();
    let mut child = docker.spawn()?;
    let out = child.stdout.as_mut().ok_or("no output")?;
    let count = std::io::copy(out, &mut std::io::sink())?;
    child.wait()?;
    match count == LENGTH {
        true => Ok(begin.elapsed()),
        false => Err(format!("{count} bytes arrived").into()),
    }
}

/// Users at once, each with a connection that waits: how long all take to be answered, and what
/// memory the gateway has for them.
fn crowd(gateway: &Path) -> Result<()> {
    let before = memory()?;
    let begin = Instant::now();
    let mut waiting = Vec::new();
    for uid in FIRST_UID..FIRST_UID + USERS {
        let mut stream = connect_as(uid, gateway)?;
        write!(stream, "GET /events HTTP/1.1\r\nHost: d\r\n\r\n")?;
        waiting.push(stream);
    }
    for stream in &mut waiting {
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        if &start != b"HTTP/1.1 200" {
            return Err("a user of the crowd was not served".into());
        }
    }
    note(format_args!(
        "  {USERS} users' event streams open after {:.0} ms",
        begin.elapsed().as_secs_f64() * 1000.0
    ));
    let each = (memory()? - before) / f64::from(USERS);
    figure(
        "memory of the gateway for each of 200 users at once, MiB",
        each,
        Goal::AtMost(2.0),
    )?;
    figure(
        "memory of the gateway with nobody, MiB",
        before,
        Goal::AtMost(12.0),
    )
}

/// The memory of all processes of the gateway, each with its share of what they share, in MiB.
fn memory() -> Result<f64> {
    let mut kibibytes = 0;
    let here = fs::read_link("/proc/self/ns/mnt")?;
    for process in fs::read_dir("/proc")?.flatten() {
        let path: PathBuf = process.path();
        // Others may have a gateway of their own.
        if !fs::read_link(path.join("ns/mnt")).is_ok_and(|namespace| namespace == here) {
            continue;
        }
        let of_gateway =
            fs::read_link(path.join("exe")).is_ok_and(|exe| exe.ends_with("ds01-gateway"));
        let text = fs::read_to_string(path.join("smaps_rollup")).unwrap_or_default();
        let pss = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kibibytes += pss.filter(|_| of_gateway).unwrap_or(0);
    }
    Ok(kibibytes as f64 / 1024.0)
}
