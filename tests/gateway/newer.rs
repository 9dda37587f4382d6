//! An engine newer than the table of calls: what it tells more is passed on, where it is the caller's.

use ds01_testkit::{Answer, ScriptedEngine, TestHost};
use serde_json::{Value, json};

use super::{Reply, call};
use crate::support::expect::ALICE;

/// alice's container, and one of bob's.
const IDS: [(&str, &str, u32); 2] = [
    (
        "5eed000000000000000000000000000000000000000000000000000000000001",
        "thesis",
        ALICE,
    ),
    (
        "5eed000000000000000000000000000000000000000000000000000000000002",
        "secret",
        20002,
    ),
];

/// Says of anything of bob's that it should not have been seen.
fn about(uid: u32) -> &'static str {
    match uid {
        ALICE => "hers",
        _ => "SECRET",
    }
}

/// A container as API 1.52 tells of it, with fields that nobody knows yet.
fn container((id, name, uid): (&str, &str, u32)) -> Value {
    json!({
        "Id": id, "Names": [format!("/{name}._.{uid}")], "Name": format!("/{name}._.{uid}"),
        "Image": "sha256:0123456789abcdef", "Created": 1_790_000_000, "Ports": [], "Mounts": [],
        "Labels": { "ds01.managed": "true", "ds01.uid": uid.to_string() },
        "State": "created", "Status": "Created", "Health": { "Status": "none" },
        "HostConfig": { "NetworkMode": "none", "NewLimit": 5 },
        "NetworkSettings": { "Networks": {} },
        "Config": { "Env": [], "Image": "pytorch", "Labels": {} },
        "Storage": { "RootFS": { "Snapshot": { "Name": about(uid) } } },
    })
}

/// The same closely.
fn inspected(of: (&str, &str, u32)) -> Value {
    let mut seen = container(of);
    seen["Created"] = json!("2026-09-21T14:13:20.000000001Z");
    seen["State"] = json!({ "Status": "created", "Running": false, "NewState": "resting" });
    seen
}

fn answer(body: &Value) -> [Answer; 1] {
    [Answer::new(200, body.to_string())]
}

/// An engine of API 1.52 with the containers.
fn newer(host: &TestHost) -> ScriptedEngine {
    let engine = host.scripted_engine();
    let ping = Answer::new(200, "OK").header("Api-Version", "1.52");
    let builder = ping.header("Builder-Version", "2");
    engine.on("GET", "/_ping", [builder.header("Swarm", "inactive")]);
    let info = json!({ "CgroupDriver": "cgroupfs", "NRI": { "Info": [["x", "y"]] } });
    engine.on("GET", "/info", answer(&info));
    engine.on("GET", "/containers/json", answer(&json!([])));
    for (login, (id, name, uid)) in ["alice", "bob"].into_iter().zip(IDS) {
        let image = json!({
            "Id": "sha256:0123456789abcdef", "RepoTags": ["pytorch:2.8", format!("ds01-{uid}/with.account:x")],
            "Author": format!("DS01 {uid}:{uid}:{login}"), "Config": { "Labels": {} },
            "Identity": { "Build": [] },
        });
        engine.on("GET", "/images/*", answer(&image));
        engine.on("POST", "/images/*", [Answer::new(201, "")]);
        let made = json!({ "Id": id, "Warnings": [], "NewField": {} });
        engine.on("POST", "/containers/create", answer(&made));
        let args = [name, "pytorch:2.8", "--cpu-only"];
        host.as_user(login).run("container-create", &args).ok();
        // What is not listed any more is forgotten.
        let known = IDS.into_iter().filter(|(other, ..)| *other <= id);
        let known: Value = known.map(container).collect();
        engine.on("GET", "/containers/json", answer(&known));
    }
    for of in IDS {
        let path = format!("/containers/{}/json", of.0);
        engine.on("GET", &path, answer(&inspected(of)));
    }
    engine
}

fn json(said: &Reply) -> Value {
    assert_eq!(said.status, 200, "{said:?}");
    assert!(!said.body.contains("SECRET"), "{said:?}");
    serde_json::from_str(&said.body).unwrap()
}

#[test]
fn what_a_newer_engine_tells_more_is_told_of_ones_own_only() {
    let host = TestHost::behind_gateway(1);
    let engine = newer(&host);
    let get = |path: &str| call(&host, "alice", &format!("GET {path}"), "");
    let listed = json(&get("/v1.47/containers/json?all=1"));
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["Names"], json!(["/thesis"]));
    assert_eq!(listed[0]["Health"]["Status"], "none");
    assert_eq!(listed[0]["Storage"]["RootFS"]["Snapshot"]["Name"], "hers");

    let seen = json(&get("/v1.47/containers/thesis/json"));
    assert_eq!(seen["Name"], "/thesis");
    assert_eq!(seen["State"]["NewState"], "resting");
    let theirs = get(&format!("/v1.47/containers/{}/json", IDS[1].0));
    assert_eq!(theirs.status, 404, "{theirs:?}");

    let own = |name: &str, uid: u32| format!("{name}._.{uid}");
    let volume = |uid| json!({ "Name": own("data", uid), "NewKind": about(uid), "Labels": null });
    let volumes = json!({ "Volumes": [volume(ALICE), volume(20002)], "Warnings": null });
    engine.on("GET", "/volumes", answer(&volumes));
    let volumes = json(&get("/v1.47/volumes"));
    assert_eq!(
        volumes["Volumes"],
        json!([{ "Name": "data", "NewKind": "hers", "Labels": null }])
    );

    let image = |name: &str, uid| json!({ "Id": "sha256:1", "RepoTags": [name], "Manifests": [about(uid)] });
    let images = json!([
        image(&format!("ds01-{ALICE}/app:1"), ALICE),
        image("ds01-20002/app:1", 20002)
    ]);
    engine.on("GET", "/images/json", answer(&images));
    let images = json(&get("/v1.47/images/json"));
    assert_eq!(
        images,
        json!([{ "Id": "sha256:1", "RepoTags": ["app:1"], "Manifests": ["hers"] }])
    );

    // An event of a kind that nobody knows has no owner.
    let event = |kind: &str, (_, name, uid): (&str, &str, u32)| {
        let attributes = json!({ "name": own(name, uid), "new": about(uid) });
        let actor = json!({ "ID": name, "Attributes": attributes });
        format!(
            "{}\n",
            json!({ "Type": kind, "Action": "new", "Actor": actor })
        )
    };
    let events = ["container", "model"].map(|kind| IDS.map(|of| event(kind, of)).concat());
    let events = format!("HTTP/1.0 200 OK\r\n\r\n{}", events.concat());
    engine.on("GET", "/events", [Answer::raw(events)]);
    let events = get("/v1.47/events?until=1").body;
    assert!(!events.contains("SECRET"), "{events}");
    assert_eq!(events.matches("\"new\":\"hers\"").count(), 1, "{events}");
}

#[test]
fn a_newer_engine_is_spoken_to_in_a_version_that_the_table_knows() {
    let host = TestHost::behind_gateway(1);
    let engine = newer(&host);
    let version = json!({
        "Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44",
        "Components": [{ "Name": "Engine", "Details": { "ApiVersion": "1.52", "New": "x" } }, {}],
    });
    engine.on("GET", "/v1.47/version", answer(&version));
    engine.on("GET", "/version", answer(&version));
    let seen = json(&call(&host, "alice", "GET /version", ""));
    assert_eq!(seen["ApiVersion"], "1.47");
    assert_eq!(seen["MinAPIVersion"], "1.44");
    assert_eq!(seen["Components"][0]["Details"]["ApiVersion"], "1.47");
    assert_eq!(seen["Components"][0]["Details"]["New"], "x");
    let info = json(&call(&host, "alice", "GET /info", ""));
    assert_eq!(info["NRI"]["Info"][0][0], "x");
    for (other, why) in [
        ("1.48", "new. Maximum supported API version is 1.47"),
        ("1.52", "new. Maximum supported API version is 1.47"),
        ("1.43", "old. Minimum supported API version is 1.44"),
    ] {
        let said = call(&host, "alice", &format!("GET /v{other}/images/x/json"), "");
        let text = format!("client version {other} is too {why}");
        assert_eq!((said.status, said.message()), (400, text));
    }
    // Where the engine is to choose, none is named.
    let asked = engine.requests();
    let version = |path: &str| path.strip_prefix("/v")?.split('/').next().map(String::from);
    let versions = asked.iter().filter_map(|asked| version(&asked.path));
    let mut odd = versions.filter(|version| version.contains('.') && version != "1.47");
    assert_eq!(odd.next(), None);
}
