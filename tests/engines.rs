//! Engines that cannot be run here: the newest, whose answers are replayed in the form that its API
//! documentation gives them, and those that fail.

mod failing;
mod newest;
mod unfinished;

use ds01_testkit::{Answer, ScriptedEngine, TestHost};
use serde_json::{Value, json};

use crate::support::expect::{ALICE, uuid};

/// The id of the one container that the script knows.
const ID: &str = "5eed000000000000000000000000000000000000000000000000000000000001";

/// An image in which this user has an account, so that none has to be made.
fn image(uid: u32, login: &str) -> Answer {
    let author = format!("DS01 {uid}:{uid}:{login}");
    let config = json!({"Labels": {"org.opencontainers.image.version": "24.04"}});
    let body = json!({
        "Id": "sha256:0123456789abcdef", "RepoTags": [format!("ds01-{uid}/with.account:x")],
        "Author": author, "Config": config,
    });
    answer(200, &body)
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer::new(status, body.to_string())
}

/// The container as the list shows it, in this state.
fn listed(state: &str, status: &str) -> Value {
    json!({
        "Id": ID,
        "Names": [format!("/thesis._.{ALICE}")],
        "Image": "sha256:0123456789abcdef",
        "ImageID": "sha256:0123456789abcdef",
        "ImageManifestDescriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:0123456789abcdef",
            "size": 1024,
            "platform": {"architecture": "amd64", "os": "linux"},
        },
        "Command": "/usr/bin/docker-init -- tail -f /dev/null",
        "Created": 1_790_000_000,
        "Ports": [],
        "Labels": {
            "ds01.managed": "true",
            "ds01.uid": ALICE.to_string(),
            "ds01.user": "alice",
            "ds01.name": "thesis",
            "ds01.container_type": "ds01",
            "ds01.image": "pytorch:2.8",
            "ds01.gpu.uuids": uuid(0),
            "ds01.gpu.slots": "0",
        },
        "State": state,
        "Status": status,
        "Health": {"Status": "none", "FailingStreak": 0},
        "HostConfig": {"NetworkMode": "bridge"},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    })
}

/// The container, closely.
fn inspected(state: &str) -> Value {
    json!({
        "Id": ID,
        "Created": "2026-09-21T14:13:20.000000001Z",
        "Name": format!("/thesis._.{ALICE}"),
        "State": {
            "Status": state,
            "Running": state == "running",
            "ExitCode": 0,
            "StartedAt": "2026-09-21T14:13:21.5Z",
            "FinishedAt": "2026-09-21T14:13:22.5Z",
        },
        "HostConfig": {
            "DeviceRequests": [{
                "Driver": "",
                "Count": 0,
                "DeviceIDs": [uuid(0)],
                "Capabilities": [["gpu"]],
                "Options": null,
            }],
        },
        "Config": {"Env": []},
    })
}

/// The container is there from now on, in this state.
fn show(engine: &ScriptedEngine, state: &str, status: &str) {
    let all = json!([listed(state, status)]);
    engine.on("GET", "/containers/json", [answer(200, &all)]);
    engine.on(
        "GET",
        &format!("/containers/{ID}/json"),
        [answer(200, &inspected(state))],
    );
}

/// An engine that has the image, no container, and creates one.
fn scripted(host: &TestHost) -> ScriptedEngine {
    let engine = host.scripted_engine();
    engine.on("GET", "/images/*", [image(ALICE, "alice")]);
    engine.on("GET", "/images/ds01-20002/*", [image(20002, "bob")]);
    engine.on(
        "GET",
        "/info",
        [answer(200, &json!({"CgroupDriver": "cgroupfs"}))],
    );
    engine.on("POST", "/images/*", [Answer::new(201, "")]);
    let made = json!({"Id": ID, "Warnings": []});
    engine.on("POST", "/containers/create", [answer(201, &made)]);
    engine.on("GET", "/containers/json", [answer(200, &json!([]))]);
    engine
}
