//! What takes the engine's memory, or its time, past every limit of its owner.

use ds01_testkit::TestHost;
use serde_json::json;

use super::{call, done, sleeper};
use crate::support::expect::with_limit;

#[test]
fn what_would_take_the_engines_memory_or_time_is_refused() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let create = |more: serde_json::Value| {
        let mut body = json!({ "Image": "ds01-base" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call(&host, "alice", "POST /containers/create", &body.to_string())
    };
    let log = |key: &str, value: &str| {
        create(
            json!({ "HostConfig": { "LogConfig": { "Type": "json-file", "Config": { key: value } } } }),
        )
    };
    for (said, status) in [
        (log("tag", "{{pad .ID 100000000000000 0}}"), 403),
        (log("tag", "mine"), 201),
        (log("max-file", "2000000000"), 400),
        (log("max-file", "0"), 400),
        (log("max-file", "100"), 201),
        (log("max-size", "1000g"), 400),
        (log("max-size", "-1"), 400),
        (log("max-size", "10g"), 201),
        (log("max-buffer-size", "100g"), 403),
        (log("mode", "non-blocking"), 201),
        (create(json!({ "StopTimeout": -1 })), 400),
        (create(json!({ "StopTimeout": 301 })), 400),
        (create(json!({ "StopTimeout": 300 })), 201),
    ] {
        assert_eq!(said.status, status, "{said:?}");
    }
    sleeper(&host, "alice", "mine", &[]);
    let exec = |length: usize| {
        let body = json!({ "Cmd": ["true"], "Env": [format!("A={}", "x".repeat(length))] });
        call(
            &host,
            "alice",
            "POST /containers/mine/exec",
            &body.to_string(),
        )
        .status
    };
    assert_eq!((exec(60 << 10), exec(64 << 10)), (201, 400));
    let heavy = json!({ "Image": "ds01-base", "Labels": { "a": "x".repeat(60 << 10) } });
    let heavy = call(
        &host,
        "alice",
        "POST /containers/create?name=heavy",
        &heavy.to_string(),
    );
    assert_eq!(heavy.status, 201, "{heavy:?}");
    let commit = |more: usize| {
        let label = format!("LABEL%20b={}", "x".repeat(more));
        let line = format!("POST /commit?container=heavy&repo=big&changes={label}");
        call(&host, "alice", &line, "").status
    };
    assert_eq!((commit(100), commit(8 << 10)), (201, 400));
}

#[test]
fn a_user_makes_so_many_volumes_and_no_more() {
    let host = TestHost::behind_gateway(1);
    let volume = |user: &str, body: serde_json::Value| {
        call(&host, user, "POST /volumes/create", &body.to_string())
    };
    let labels = |length: usize| json!({ "Labels": { "a": "x".repeat(length) } });
    assert_eq!(volume("alice", labels(4 << 10)).status, 400);
    assert_eq!(volume("alice", labels(4000)).status, 201);
    for number in 1..256 {
        assert_eq!(volume("alice", json!({})).status, 201, "{number}");
    }
    let more = volume("alice", json!({}));
    assert_eq!(more.status, 403, "{more:?}");
    let said = "you have 256 volumes, the most that a user may have; \
                remove those that are not used: docker volume prune";
    assert_eq!(more.message(), said);
    // What is there can be used, and no other is made on the way.
    let names = done(&host, "alice", &["volume", "ls", "-q"]);
    let name = names.lines().next().unwrap();
    let create = |volume: &str| {
        let binds =
            json!({ "Image": "ds01-base", "HostConfig": { "Binds": [format!("{volume}:/x")] } });
        call(
            &host,
            "alice",
            "POST /containers/create",
            &binds.to_string(),
        )
    };
    assert_eq!(create(name).status, 201);
    assert_eq!(create("another").message(), said);
    assert_eq!(volume("bob", json!({})).status, 201);
    assert_eq!(call(&host, "alice", "POST /volumes/prune", "").status, 200);
    assert_eq!(volume("alice", json!({})).status, 201);
}

#[test]
fn what_costs_the_host_beside_a_containers_limits_is_refused() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let create = |image: &str, more: serde_json::Value| {
        let mut body = json!({ "Image": image });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        call(&host, "alice", "POST /containers/create", &body.to_string())
    };
    let volumes = |count: usize| {
        let places = (0..count).map(|n| (format!("/v{n}"), json!({})));
        json!({ "Volumes": places.collect::<serde_json::Map<_, _>>() })
    };
    let health =
        |interval: i64| json!({ "Healthcheck": { "Test": ["CMD", "true"], "Interval": interval } });
    let made = |change: &str| {
        let repo = change.split(' ').next().unwrap().to_lowercase();
        host.docker(&["create", "--name=base", "ds01-base"]).ok();
        let name = format!("ds01-20001/{repo}");
        let commit = ["commit", "--change", change, "base", &name];
        host.docker(&commit).ok();
        host.docker(&["rm", "base"]).ok();
        repo
    };
    assert_eq!(create("ds01-base", volumes(64)).status, 201);
    let many = create("ds01-base", volumes(65));
    let said = "not allowed: Mounts=65 (more than 64 in all, with those of the image); mount one folder \
                or volume that has the others in it";
    assert_eq!((many.status, &*many.message()), (403, said));
    assert_eq!(create("ds01-base", health(1_000_000_000)).status, 201);
    let often = create("ds01-base", health(1_000_000));
    let said = "not allowed: Healthcheck.Interval=1000000 (in nanoseconds: each look costs the host, \
                outside of your limits); a second or more, as with --health-interval 30s \
                --health-start-interval 5s";
    assert_eq!((often.status, &*often.message()), (403, said));

    // An image's count too, for whichever command.
    let image = made("VOLUME [\"/w\"]");
    assert_eq!(create(&image, volumes(63)).status, 201);
    assert_eq!(create(&image, volumes(64)).status, 403);
    for change in ["HEALTHCHECK --interval=1ms CMD true", "VOLUME [\"/etc\"]"] {
        let image = made(change);
        let said = create(&image, json!({}));
        let why = "not allowed: the image's ";
        assert!(said.message().starts_with(why), "{change}: {said:?}");
        let args = ["thesis", "--image", &image];
        let said = host.as_user("alice").run("container-create", &args);
        assert!(said.stderr.contains(why), "{change}: {said:?}");
    }
    assert_eq!(create("healthcheck", health(1_000_000_000)).status, 201);
}
