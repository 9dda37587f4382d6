//! An engine for the keeper: it has things of two users, and notes what it is asked.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use ds01_core::{
    docker::names::to_user,
    image,
    route::{self, Action, Route},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{OTHER, UID, bodies};

/// Is in everything of the other user's.
pub(crate) const SECRET: &str = "5ec2e7-and-nobody-elses";

/// A process in one's own container, and in another's.
const EXECS: [(&str, &str); 2] = [("e1", "mine._.65534"), ("e2", "quietotter._.1002")];

/// Containers, by the engine's names.
const CONTAINERS: [(&str, &str); 3] = [
    (
        "mine._.65534",
        "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    ),
    (
        "binds._.65534",
        "a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2",
    ),
    (
        "quietotter._.1002",
        "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2",
    ),
];

/// Networks: name and id.
const NETWORKS: [(&str, &str); 5] = [
    ("bridge", "c1c1c1c1"),
    ("host", "c2c2c2c2"),
    ("none", "c3c3c3c3"),
    ("net._.65534", "c4c4c4c4"),
    ("quietotter._.1002", "c5c5c5c5"),
];

const VOLUMES: [&str; 2] = ["data._.65534", "quietotter._.1002"];

/// Images: name and id.
const IMAGES: [(&str, &str); 3] = [
    ("busybox:latest", "sha256:d1d1d1d1d1d1"),
    ("ds01-65534/mine:latest", "sha256:d2d2d2d2d2d2"),
    ("ds01-1002/quietotter:latest", "sha256:d3d3d3d3d3d3"),
];

/// The id of a container.
pub(crate) fn id(container: &str) -> &'static str {
    let mut known = CONTAINERS.iter();
    known
        .find(|(name, _)| *name == container)
        .map_or("", |(_, id)| id)
}

/// What is secret about a thing of this name.
fn secret(name: &str) -> &'static str {
    match name.contains(&OTHER.to_string()) {
        true => SECRET,
        false => "nothing",
    }
}

/// A request that reached the engine: its head, and its body if that is JSON.
#[derive(Debug)]
struct EngineRequest {
    head: String,
    body: Vec<u8>,
}

/// The engine, on a socket.
pub(crate) struct Engine(Arc<Mutex<Vec<EngineRequest>>>);

impl Engine {
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let asked = Arc::<Mutex<Vec<EngineRequest>>>::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&noted)));
            }
        });
        Self(asked)
    }

    /// Looks at everything that was asked since.
    pub(crate) fn check(&self) {
        let asked = std::mem::take(&mut *self.0.lock().unwrap());
        asked.iter().for_each(check);
    }
}

async fn serve(client: UnixStream, noted: Arc<Mutex<Vec<EngineRequest>>>) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut body = vec![0; json_length(&head)];
    client.read_exact(&mut body).await?;
    // First: what the table does not know fails there, where somebody sees it.
    let asked = EngineRequest {
        head: head.clone(),
        body,
    };
    noted.lock().unwrap().push(asked);
    let answer = answer(&head);
    client.write_all(&answer).await
}

/// The length of the body if that is JSON; other bodies are not looked at.
fn json_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .filter(|_| head.contains("json"));
    length
        .and_then(|rest| rest.lines().next()?.parse().ok())
        .unwrap_or(0)
}

/// The call, as the table knows it.
fn routed(head: &str) -> (String, Route) {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let version = words.next().unwrap();
    assert!(
        words.next().is_none() && ["HTTP/1.0", "HTTP/1.1"].contains(&version),
        "{head}"
    );
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    (method.into(), route::route(method, path, query).unwrap())
}

fn answer(head: &str) -> Vec<u8> {
    let (method, found) = routed(head);
    let target = found.target.as_deref().unwrap_or_default();
    let body = match (method.as_str(), found.action) {
        (_, Action::Ping) => Some(json!("OK")),
        ("GET", Action::ContainerList) => Some(containers(&found)),
        (_, Action::ContainerInspect) => CONTAINERS.iter().find(|(_, id)| *id == target).map(container),
        ("GET", Action::Exec) => EXECS.iter().find(|(id, _)| id.repeat(32) == target).map(|(id, of)| {
            json!({ "ID": id, "ContainerID": self::id(of), "ProcessConfig": secret(of) })
        }),
        ("GET", Action::ImageList) => Some(IMAGES.iter().map(picture).collect()),
        ("GET", Action::Image) => IMAGES.iter().find(|known| is_image(known, target)).map(picture),
        ("GET", Action::VolumeList) => Some(json!({ "Volumes": VOLUMES.map(volume) })),
        ("GET", Action::VolumeInspect) => VOLUMES.into_iter().find(|name| *name == target).map(volume),
        ("GET", Action::NetworkList) => Some(NETWORKS.iter().map(network).collect()),
        ("GET", Action::NetworkInspect) => NETWORKS
            .iter()
            .find(|(name, id)| *name == target || id.starts_with(target))
            .map(network),
        (_, Action::Events) => return [&b"HTTP/1.0 200 OK\r\n\r\n"[..], events().as_bytes()].concat(),
        _ => Some(json!({ "Id": "new", "Name": "new" })),
    };
    let (status, body) = match body {
        Some(body) => (200, body),
        None => (404, json!({ "message": "no such thing" })),
    };
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\nApi-Version: 1.47\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn is_image((name, id): &(&str, &str), asked: &str) -> bool {
    let digits = asked.strip_prefix("sha256:").unwrap_or(asked);
    let is_id = digits.len() > 1
        && id
            .strip_prefix("sha256:")
            .is_some_and(|id| id.starts_with(digits));
    is_id || *name == asked || name.strip_suffix(":latest") == Some(asked)
}

fn container((name, id): &(&str, &str)) -> Value {
    json!({
        "Id": id, "Names": [format!("/{name}")], "Name": format!("/{name}"), "Image": "busybox",
        "State": "running", "Labels": { "about": secret(name), "ds01.managed": "true" },
        "Mounts": [{ "Type": "volume", "Name": "data._.65534", "Destination": "/d" }],
        "NetworkSettings": { "Networks": { "net._.65534": { "NetworkID": "c4c4c4c4" } } },
        "HostConfig": { "NetworkMode": "c4c4c4c4", "Binds": ["data._.65534:/d"] },
        "Config": { "Image": "busybox", "Labels": { "about": secret(name) } },
    })
}

/// Those that have the volume that is asked for, if one is.
fn containers(found: &Route) -> Value {
    let filters = found.query.get("filters").and_then(|values| values.first());
    let filters: Value = filters
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let volume = filters["volume"][0].as_str();
    let has = |name: &str| {
        volume.is_none_or(|volume| volume.split("._.").nth(1) == name.split("._.").nth(1))
    };
    let listed = CONTAINERS.iter().filter(|(name, _)| has(name));
    listed.map(container).collect()
}

fn volume(name: &str) -> Value {
    json!({ "Name": name, "Labels": { "about": secret(name) } })
}

fn network((name, id): &(&str, &str)) -> Value {
    let inside: serde_json::Map<_, _> = CONTAINERS
        .iter()
        .map(|(name, id)| {
            (
                (*id).into(),
                json!({ "Name": name, "IPv4Address": secret(name) }),
            )
        })
        .collect();
    json!({ "Name": name, "Id": id, "Driver": name, "Labels": { "about": secret(name) }, "Containers": inside })
}

fn picture((name, id): &(&str, &str)) -> Value {
    json!({ "Id": id, "RepoTags": [name], "RepoDigests": [], "Comment": secret(name), "Config": {} })
}

/// A line for each thing.
fn events() -> String {
    let line = |kind: &str, name: &str| {
        let attributes = json!({ "name": name, "about": secret(name) });
        let actor = json!({ "ID": name, "Attributes": attributes });
        format!(
            "{}\n",
            json!({ "Type": kind, "Action": "x", "Actor": actor })
        )
    };
    let names = ["container", "volume", "network", "image"].into_iter();
    names
        .flat_map(|kind| CONTAINERS.map(|(name, _)| line(kind, name)))
        .collect()
}

/// A request to the engine is one call of the table, about nothing that is not the user's.
fn check(asked: &EngineRequest) {
    let EngineRequest { head, body } = asked;
    let (method, found) = routed(head);
    headers(head);
    let target = found.target.as_deref().unwrap_or_default();
    let one = |key: &str| {
        found
            .query
            .get(key)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    };
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let mine = |id: &str| CONTAINERS[..2].iter().any(|(_, own)| *own == id);
    match found.action {
        Action::ContainerCreate
        | Action::ContainerStart
        | Action::ContainerRestart
        | Action::ContainerRemove
        | Action::ContainerRename
        | Action::ContainerPrune
        | Action::ImagePrune
        | Action::VolumePrune
        | Action::NetworkPrune
        | Action::BuildPrune
        | Action::Plugin
        | Action::Operation => unreachable!("not the keeper's to ask: {head}"),
        Action::ContainerInspect
        | Action::ContainerRead
        | Action::ContainerTop
        | Action::ContainerStats
        | Action::Container => assert!(mine(target), "{head}"),
        Action::ContainerWrite | Action::ContainerChanges => {
            assert_eq!(target, CONTAINERS[0].1, "{head}")
        }
        Action::ContainerExec => {
            assert!(mine(target) && json["Privileged"] != true, "{head} {json}");
            assert!(
                target == CONTAINERS[0].1 || json["User"] == "65534:65534",
                "{head} {json}"
            );
        }
        Action::ExecStart => assert_eq!(target, EXECS[0].0.repeat(32)),
        Action::Exec => assert!(method == "GET" || target == EXECS[0].0.repeat(32), "{head}"),
        Action::Image => assert!(
            image::owner(target).is_none_or(|owner| owner == UID),
            "{head}"
        ),
        Action::ImageTag => bodies::own_image(one("repo")),
        Action::ImageRemove => assert!(is_image(&IMAGES[1], target), "{head}"),
        Action::ImageCreate => match one("fromImage") {
            "" => bodies::own_image(one("repo")),
            name => assert_eq!(image::owner(name), None, "{head}"),
        },
        Action::ImageSave => {
            let names = found.query.get("names").into_iter().flatten();
            names.for_each(|name| assert!(!is_image(&IMAGES[2], name), "{head}"));
        }
        Action::Build => {
            found.query["t"]
                .iter()
                .for_each(|name| bodies::own_image(name));
            let mode = one("networkmode");
            let host = NETWORKS[1];
            assert!(![host.0, host.1, NETWORKS[4].1].contains(&mode), "{head}");
            for key in ["remote", "cgroupparent", "securityopt", "ulimits"] {
                assert_eq!(one(key), "", "{head}");
            }
        }
        Action::Commit => {
            bodies::own_image(one("repo"));
            assert!(mine(one("container")), "{head}");
        }
        Action::VolumeCreate => bodies::volume(&json),
        Action::VolumeInspect | Action::VolumeRemove => {
            assert!(to_user(target, UID).is_some(), "{head}");
        }
        Action::NetworkCreate => bodies::network(&json),
        Action::NetworkRemove | Action::NetworkConnect => assert_eq!(target, NETWORKS[3].1),
        Action::NetworkDisconnect => assert!(mine(json["Container"].as_str().unwrap()), "{json}"),
        Action::Shared
        | Action::Ping
        | Action::Version
        | Action::Info
        | Action::DiskUsage
        | Action::Events
        | Action::ContainerList
        | Action::ImageList
        | Action::VolumeList
        | Action::NetworkList
        | Action::NetworkInspect => {}
    }
}

/// Each header is one that the keeper writes, once.
fn headers(head: &str) {
    const KNOWN: [&str; 8] = [
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "upgrade",
        "x-registry-auth",
        "x-registry-config",
    ];
    let lines = head.trim_end().split("\r\n").skip(1);
    let mut names: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap().0.to_ascii_lowercase())
        .collect();
    assert!(
        names.iter().all(|name| KNOWN.contains(&name.as_str())),
        "{head}"
    );
    names.sort();
    assert!(names.windows(2).all(|two| two[0] != two[1]), "{head}");
    assert!(
        head.bytes()
            .all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')),
        "{head:?}"
    );
}
