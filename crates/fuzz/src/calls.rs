//! Calls of the API, decided by `core` alone.

use std::collections::BTreeMap;

use ds01_core::{
    device::Uuid,
    docker::{
        self, Allow, CreateBody, ExecBody, ExecStartBody, Finished, Given, NetworkBody, Owner,
        Peer, Planned, Rules, VolumeBody,
        names::{Noun, to_engine, to_user},
    },
    dockerfile, image,
    limits::Limits,
    policy::{Policy, PolicyFiles, Source},
    route::{self, Action, Route},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{OTHER, UID, bodies};

/// The user, as the engine runs their processes.
const USER: &str = "65534:65534";

/// Decides about a call: its method and path on a line, then its body.
pub fn calls(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let line = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    names(&String::from_utf8_lossy(line));
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let Ok(found) = route::route(method, path, query) else {
        return;
    };
    written_again(method, &found);
    let one = |key: &str| found.query.get(key)?.first().map(String::as_str);
    let _ = docker::ps_args(one("ps_args").unwrap_or_default());
    names(found.target.as_deref().unwrap_or_default());
    found
        .query
        .values()
        .flatten()
        .for_each(|value| names(value));
    match found.action {
        Action::ContainerCreate => create(body, one("name").unwrap_or_default()),
        Action::ContainerExec => exec(body),
        Action::ExecStart => drop(read_again::<ExecStartBody>(body)),
        Action::VolumeCreate => volume(body),
        Action::NetworkCreate => network(body),
        Action::NetworkConnect => connect(body),
        Action::NetworkDisconnect => drop(docker::read(body).map(|body| docker::disconnect(&body))),
        Action::Build => from(body),
        _ => {}
    }
}

/// What is written for the engine is the same call, and nothing else.
fn written_again(method: &str, found: &Route) {
    let query = route::write_query(&found.query);
    let line = format!("{}{query}", found.path);
    assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{line:?}");
    assert!(!found.path.contains(['?', '#', '%']), "{line:?}");
    let again = route::route(method, &found.path, query.strip_prefix('?')).unwrap();
    let version = found.version;
    assert_eq!(&Route { version, ..again }, found);
}

/// A name never becomes another user's.
fn names(text: &str) {
    for noun in [Noun::Volume, Noun::Network, Noun::Container] {
        if let Ok(engine) = to_engine(noun, text, UID) {
            assert_eq!(to_user(&engine, OTHER), None, "{engine:?}");
            let own = to_user(&engine, UID).unwrap();
            assert_eq!(to_engine(noun, own, UID).unwrap(), engine);
        }
    }
    for candidate in image::candidates(text, UID) {
        assert!(
            image::owner(&candidate).is_none_or(|owner| owner == UID),
            "{candidate:?}"
        );
    }
    if let Ok(own) = image::own_name(text, UID) {
        assert_eq!(image::owner(&own), Some(UID), "{own:?}");
        assert_eq!(image::own_name(&own, UID).unwrap(), own);
    }
    if let Some(pulled) = image::pulled(text, "latest") {
        assert_eq!(image::owner(&pulled), None, "{pulled:?}");
    }
}

/// The body, which is still the same after the parser has written it anew.
fn read_again<T>(body: &[u8]) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let read: T = docker::read(body).ok()?;
    let written = docker::write(&read).unwrap();
    assert_eq!(docker::read::<T>(&written).unwrap(), read);
    Some(read)
}

fn owner() -> Owner<'static> {
    Owner {
        uid: UID,
        gid: UID,
        login: "nobody",
    }
}

fn limits() -> Limits {
    let files = PolicyFiles {
        limits: Source {
            path: String::new(),
            text: "defaults: {}\n".into(),
        },
        overrides: None,
        exemptions: None,
        members: Vec::new(),
    };
    Policy::parse(&files).unwrap().0.limits_for("nobody")
}

fn create(body: &[u8], name: &str) {
    let Some(body) = read_again::<CreateBody>(body) else {
        return;
    };
    let name = name.parse().unwrap_or_else(|_| "thesis".parse().unwrap());
    let (limits, allow) = (limits(), Allow::default());
    let rules = Rules {
        owner: owner(),
        limits: &limits,
        host_cpus: 8,
        allow: &allow,
        docker: true,
    };
    let Ok(planned) = docker::plan(body, name, &rules) else {
        return;
    };
    for (devices, as_owner) in [(&[][..], false), (&["GPU-1"], true), (&[], true)] {
        if let Ok(done) = finished(&planned, devices, as_owner) {
            let written = docker::write(&done.body).unwrap();
            assert_eq!(docker::read::<CreateBody>(&written).unwrap(), done.body);
            let seen = serde_json::from_slice(&written).unwrap();
            bodies::create(&seen, &limits, devices);
            let binds = planned.binds.len();
            assert!(binds == 0 || done.as_owner, "{seen}");
            assert!(!done.as_owner || seen["User"] == USER, "{seen}");
        }
    }
}

/// As if everything that it names was found.
fn finished(
    planned: &Planned,
    devices: &[&str],
    as_owner: bool,
) -> Result<Finished, docker::Refused> {
    let peer = |name: &String| {
        let id = format!("{}{name}", bodies::FOUND);
        (name.clone(), Peer { id, as_owner })
    };
    let staged = |bind: &docker::WantedBind| {
        let place = format!("{}{}", bodies::STAGED, bind.source);
        (bind.source.clone(), place)
    };
    let network = |name: &String| (name.clone(), format!("{}{name}", bodies::FOUND));
    let devices: Vec<_> = devices.iter().map(|uuid| Uuid((*uuid).into())).collect();
    docker::finish(
        planned.clone(),
        &Given {
            image: Some("sha256:1234"),
            labels: &BTreeMap::from([("ds01.managed".into(), "true".into())]),
            devices: &devices,
            by_cdi: false,
            log: Some(bodies::LOG),
            logs_json: true,
            cgroup_parent: Some(bodies::SLICE),
            binds: &planned.binds.iter().map(staged).collect(),
            volumes: &BTreeMap::new(),
            unnamed: &BTreeMap::new(),
            networks: &planned.networks.iter().map(network).collect(),
            containers: &planned.joins.union(&planned.links).map(peer).collect(),
            sharers: &[],
            used: &docker::UsedVolumes::default(),
            inherits_binds: false,
        },
    )
}

fn exec(body: &[u8]) {
    let Some(body) = read_again::<ExecBody>(body) else {
        return;
    };
    let value = |body: &ExecBody| serde_json::to_value(body).unwrap();
    if let Ok(done) = docker::exec(body.clone(), true, owner()) {
        assert_eq!(value(&done)["User"], USER);
    }
    if let Ok(done) = docker::exec(body, false, owner()) {
        assert_ne!(value(&done)["Privileged"], true);
    }
}

fn volume(body: &[u8]) {
    if let Some(Ok(done)) = read_again::<VolumeBody>(body).map(|body| docker::volume(body, UID)) {
        bodies::volume(&serde_json::to_value(done).unwrap());
    }
}

fn network(body: &[u8]) {
    if let Some(Ok(done)) = read_again::<NetworkBody>(body).map(|body| docker::network(body, UID)) {
        bodies::network(&serde_json::to_value(done).unwrap());
    }
}

fn connect(body: &[u8]) {
    let Some(Ok(planned)) = read_again(body).map(docker::connect) else {
        return;
    };
    let named = planned.links.iter().chain([&planned.container]);
    let peer = |name: &String| {
        let id = format!("{}{name}", bodies::FOUND);
        (
            name.clone(),
            Peer {
                id,
                as_owner: false,
            },
        )
    };
    let peers = named.map(peer).collect();
    let done = planned.finish(&peers, &"thesis".parse().unwrap()).unwrap();
    bodies::connect(&serde_json::to_value(done).unwrap());
}

fn from(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let given = BTreeMap::from([("A".to_string(), Some("x".to_string()))]);
    let Ok(read) = dockerfile::read(&text, &given) else {
        return;
    };
    // What the builder is given says the same, to whoever reads it.
    let written = read.write(&BTreeMap::new());
    let again = dockerfile::read(&written, &given).unwrap();
    assert!(read.images().eq(again.images()), "{written}");
    assert_eq!(again.write(&BTreeMap::new()), written);
}
