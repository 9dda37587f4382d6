use super::*;

#[test]
fn a_request_becomes_the_owners_container() {
    let asked = planned(json!({
        "Hostname": "h", "Cmd": "sh", "Entrypoint": ["/e"], "User": "0:0",
        "Labels": {"a": "b,c"},
        "HostConfig": {"AutoRemove": true, "ContainerIDFile": "/x", "NetworkMode": "default"},
        "NetworkingConfig": {"EndpointsConfig": {"default": null}},
    }))
    .unwrap();
    assert_eq!(asked.container.to_string(), "thesis._.1001");
    assert_eq!(asked.interface, Interface::Docker);
    assert_eq!(
        finished(&asked, &[]),
        json!({
            "Hostname": "h", "Cmd": "sh", "Entrypoint": ["/e"], "User": "0:0",
            "Image": "sha256:1234",
            "Labels": {"a": "b,c", "ds01.auto_remove": "true", "ds01.managed": "true"},
            "Env": [
                "NVIDIA_VISIBLE_DEVICES=void", "NVIDIA_MIG_CONFIG_DEVICES",
                "NVIDIA_MIG_MONITOR_DEVICES", "NVIDIA_IMEX_CHANNELS", "NVIDIA_GDS",
                "NVIDIA_MOFED", "NVIDIA_NVSWITCH", "NVIDIA_GDRCOPY", "DOCKER_RESOURCE_GPU",
            ],
            "HostConfig": {
                "NetworkMode": "default",
                "SecurityOpt": ["no-new-privileges"],
                "CgroupParent": "ds01-student-alice.slice",
                "NanoCpus": 4_000_000_000_i64, "Memory": 32 * GIB, "MemorySwap": 40 * GIB,
                "ShmSize": 16 * GIB, "PidsLimit": 4096, "RestartPolicy": {"Name": "no"},
            },
            "NetworkingConfig": {"EndpointsConfig": {"default": {}}},
        })
    );
}

#[test]
fn folders_of_the_host_are_only_for_the_owner() {
    for (user, warned) in [
        (json!(null), false),
        (json!(""), false),
        (json!("1001"), false),
        (json!("1001:100"), false),
        (json!("alice"), false),
        (json!("root"), true),
        (json!("0"), true),
        (json!("1002"), true),
        (json!("1001:0"), true),
    ] {
        let asked = json!({"User": user, "HostConfig": {"Binds": ["/h:/c"]}});
        let done = finished_with(&planned(asked).unwrap(), &[], true, &[]).unwrap();
        let body = serde_json::to_value(&done.body).unwrap();
        assert!(done.as_owner);
        assert_eq!(body["User"], "1001:100", "{user}");
        assert_eq!(!done.warnings.is_empty(), warned, "{user}");
    }
    let free = planned(json!({"User": "0"})).unwrap();
    let done = finished_with(&free, &[], true, &[]).unwrap();
    assert!(!done.as_owner && done.warnings.is_empty());
}

#[test]
fn folders_of_the_host_are_not_for_root() {
    let (limits, allow) = (limits(), Allow::default());
    let rules = Rules {
        owner: Owner {
            uid: 0,
            gid: 0,
            login: "root",
        },
        limits: &limits,
        host_cpus: 8,
        allow: &allow,
        docker: true,
    };
    let at = |body: &[u8]| {
        let planned = plan(read(body).unwrap(), "thesis".parse().unwrap(), &rules).unwrap();
        finished_with(&planned, &[], true, &[])
    };
    assert_eq!(
        field(at(br#"{"Image":"a","HostConfig":{"Binds":["/h:/c"]}}"#)),
        "User"
    );
    assert!(at(br#"{"Image":"a"}"#).is_ok());
}

#[test]
fn containers_that_meet_all_run_as_their_owner_or_none_has_folders() {
    let peer = |as_owner| Peer {
        id: "0123456789abcdef".into(),
        as_owner,
    };
    for config in [
        json!({"PidMode": "container:other"}),
        json!({"IpcMode": "container:/other"}),
        json!({"NetworkMode": "container:other"}),
        json!({"VolumesFrom": ["other:ro"]}),
        json!({"Binds": ["data:/d"]}),
    ] {
        let sharers = |as_owner| match config.get("Binds") {
            Some(_) => vec![peer(as_owner)],
            None => vec![],
        };
        let with_folder = |config: &Value| {
            let mut config = config.clone();
            config["Mounts"] = json!([{"Type": "bind", "Source": "/h", "Target": "/c"}]);
            host(config).unwrap()
        };
        let plain = host(config.clone()).unwrap();
        let as_owner = |done: Result<Finished, Refused>| done.map(|done| done.as_owner);
        let at = |planned: &Planned, peers| {
            as_owner(finished_with(planned, &[], peers, &sharers(peers)))
        };
        assert_eq!(at(&plain, false), Ok(false), "{config}");
        assert_eq!(at(&plain, true), Ok(true), "{config}");
        assert_eq!(at(&with_folder(&config), true), Ok(true), "{config}");
        assert_eq!(field(at(&with_folder(&config), false)), "mixed", "{config}");
    }
    // A link is only a name.
    let linked = host(json!({"Links": ["other"], "Binds": ["/h:/c"]})).unwrap();
    assert!(finished_with(&linked, &[], false, &[]).is_ok());
}

#[test]
fn names_of_containers_and_networks_are_those_that_were_found() {
    let asked = planned(json!({
        "HostConfig": {
            "NetworkMode": "proj_default",
            "PidMode": "container:a", "IpcMode": "container:b",
            "VolumesFrom": ["/c:ro", "d"], "Links": ["/e:db", "f"],
        },
        "NetworkingConfig": {"EndpointsConfig": {
            "proj_default": {"Aliases": ["web"], "Links": ["g:x"], "NetworkID": "forged",
                "Gateway": "1.2.3.4", "IPAMConfig": {"IPv4Address": "10.0.0.5"}},
            "bridge": {},
        }},
    }))
    .unwrap();
    let names = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<String>();
    assert_eq!(names(&asked.joins), "abcd");
    assert_eq!(names(&asked.links), "efg");
    assert_eq!(names(&asked.networks), "proj_default");
    let body = finished(&asked, &[]);
    let host = &body["HostConfig"];
    assert_eq!(host["NetworkMode"], "net-proj_default");
    assert_eq!(host["PidMode"], "container:id-a");
    assert_eq!(host["IpcMode"], "container:id-b");
    assert_eq!(host["VolumesFrom"], json!(["id-c:ro", "id-d"]));
    assert_eq!(host["Links"], json!(["id-e:db", "id-f:f"]));
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"],
        json!({
            "net-proj_default": {"Aliases": ["web", "thesis"], "Links": ["id-g:x"],
                "IPAMConfig": {"IPv4Address": "10.0.0.5"}},
            "bridge": {},
        })
    );
}

#[test]
fn others_in_its_network_find_it_by_its_owners_name() {
    let endpoints = |mode: &str| {
        let asked = host(json!({ "NetworkMode": mode })).unwrap();
        finished(&asked, &[])["NetworkingConfig"]["EndpointsConfig"].clone()
    };
    let named = json!({"net-foo": {"Aliases": ["thesis"]}});
    assert_eq!(endpoints("foo"), named);
    // The engine refuses an alias there.
    for mode in ["", "bridge", "none", "container:a"] {
        assert_eq!(endpoints(mode), serde_json::Value::Null, "{mode}");
    }
}

/// Nothing was found, by an engine that logs by `json-file` or otherwise.
fn nothing(nothing: &BTreeMap<String, String>, logs_json: bool) -> Given<'_> {
    const NONE: &BTreeMap<String, Peer> = &BTreeMap::new();
    static USED: std::sync::LazyLock<UsedVolumes> = std::sync::LazyLock::new(UsedVolumes::default);
    Given {
        image: None,
        labels: nothing,
        devices: &[],
        by_cdi: true,
        log: Some(LogLimit {
            size: "100m",
            files: 3,
        }),
        logs_json,
        cgroup_parent: None,
        binds: nothing,
        volumes: nothing,
        unnamed: nothing,
        networks: nothing,
        containers: NONE,
        sharers: &[],
        used: &USED,
        inherits_binds: false,
    }
}

#[test]
fn a_log_that_nobody_limits_is_limited() {
    let (empty, limited) = (
        BTreeMap::new(),
        json!({"max-size": "100m", "max-file": "3"}),
    );
    for (asked, by_json, by_other) in [
        (
            Value::Null,
            json!(["json-file", limited]),
            json!([null, null]),
        ),
        (
            json!({"Type": "", "Config": {}}),
            json!(["json-file", limited]),
            json!(["", {}]),
        ),
        (
            json!({"Type": "json-file"}),
            json!(["json-file", limited]),
            json!(["json-file", limited]),
        ),
        (
            json!({"Config": {"max-file": "9"}}),
            json!(["json-file", {"max-size": "100m", "max-file": "9"}]),
            json!([null, {"max-file": "9"}]),
        ),
        (
            json!({"Config": {"max-size": "1m"}}),
            json!(["json-file", {"max-size": "1m"}]),
            json!([null, {"max-size": "1m"}]),
        ),
        (
            json!({"Type": "local"}),
            json!(["local", null]),
            json!(["local", null]),
        ),
    ] {
        for (logs_json, expected) in [(true, by_json), (false, by_other)] {
            let planned = host(json!({ "LogConfig": asked })).unwrap();
            let done = finish(planned, &nothing(&empty, logs_json)).unwrap();
            let body = serde_json::to_value(done.body).unwrap();
            let log = &body["HostConfig"]["LogConfig"];
            assert_eq!(json!([log["Type"], log["Config"]]), expected, "{asked}");
        }
    }
}

#[test]
fn what_was_not_found_is_refused_not_passed_on() {
    let empty = BTreeMap::new();
    for config in [
        json!({"NetworkMode": "foo"}),
        json!({"NetworkMode": "container:x"}),
        json!({"PidMode": "container:x"}),
        json!({"Links": ["x:y"]}),
        json!({"VolumesFrom": ["x"]}),
        json!({"Binds": ["/h:/c"]}),
    ] {
        let given = nothing(&empty, true);
        let done = finish(host(config.clone()).unwrap(), &given);
        assert_eq!(field(done), "no such", "{config}");
    }
}

#[test]
fn networks_of_the_host_and_odd_ones_are_refused() {
    for (networks, expected) in [
        (json!({"host": {}}), "NetworkMode"),
        (json!({"a b": {}}), "NetworkMode"),
        (json!({"/x": {}}), "NetworkMode"),
        (json!({"x": {"DriverOpts": {"a": "b"}}}), "DriverOpts"),
        (json!({"x": {"Links": ["a b"]}}), "Links"),
        (json!({"x": null, "container:y": {}}), "allowed"),
    ] {
        let body = json!({"NetworkingConfig": {"EndpointsConfig": networks}});
        assert_eq!(field(planned(body)), expected, "{networks}");
    }
}

#[test]
fn the_client_is_known_by_its_labels() {
    for (labels, docker, expected) in [
        (
            json!({"com.docker.compose.project": "p", "devcontainer.x": "1"}),
            true,
            "compose",
        ),
        (
            json!({"devcontainer.local_folder": "/x"}),
            true,
            "devcontainer",
        ),
        (json!({"vsch.local.folder": "/x"}), false, "devcontainer"),
        (
            json!({"com.microsoft.devcontainer.x": ""}),
            true,
            "devcontainer",
        ),
        (json!({"a": "b"}), true, "docker"),
        (json!({}), false, "unknown"),
        (json!(null), false, "unknown"),
    ] {
        let labels: Option<BTreeMap<String, String>> = serde_json::from_value(labels).unwrap();
        assert_eq!(Interface::of(&labels, docker).as_str(), expected);
    }
}
