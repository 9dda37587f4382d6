//! What must hold of every body that the engine is sent.

use ds01_core::{
    docker::{LogLimit, names::to_user},
    image,
    limits::Limits,
};
use serde_json::{Value, json};

use crate::UID;

/// What limits the logs.
pub(crate) const LOG: LogLimit<'static> = LogLimit {
    size: "100m",
    files: 3,
};

/// The slice of the user.
pub(crate) const SLICE: &str = "ds01-student-nobody.slice";

/// What the ids of things that were found begin with.
pub(crate) const FOUND: &str = "found-";

/// Where folders of the host are staged.
pub(crate) const STAGED: &str = "/run/ds01/staged";

/// What the engine gives to any container.
const CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Fields of a container's `HostConfig` that nobody may set to anything.
const UNSET: [&str; 21] = [
    "Annotations",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeight",
    "BlkioWeightDevice",
    "Capabilities",
    "Cgroup",
    "ContainerIDFile",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "DeviceCgroupRules",
    "Devices",
    "GroupAdd",
    "MaskedPaths",
    "ReadonlyPaths",
    "Runtime",
    "StorageOpt",
    "Sysctls",
    "VolumeDriver",
];

/// Absent, or as good as that.
fn is_unset(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
        || [json!(""), json!([]), json!({}), json!(0)].contains(value)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The body of a new container, with these devices.
pub(crate) fn create(body: &Value, limits: &Limits, devices: &[&str]) {
    let host = &body["HostConfig"];
    for field in UNSET.iter().chain(&["Privileged", "OomKillDisable"]) {
        assert!(is_unset(&host[field]), "{field}: {body}");
    }
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["CgroupParent"], SLICE);
    assert!(host["OomScoreAdj"].as_i64().unwrap_or(0) >= 0, "{body}");
    let added = match &host["CapAdd"] {
        Value::String(one) => vec![one.as_str()],
        several => items(several).map(text).collect(),
    };
    for capability in added {
        let name = capability.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        assert!(CAPABILITIES.contains(&name), "{body}");
    }
    for mode in [
        "PidMode",
        "IpcMode",
        "NetworkMode",
        "UTSMode",
        "UsernsMode",
        "CgroupnsMode",
    ] {
        let mode = text(&host[mode]);
        assert_ne!(mode, "host", "{body}");
        if let Some(joined) = mode.strip_prefix("container:") {
            assert!(joined.starts_with(FOUND), "{body}");
        }
    }
    for (field, limit) in [
        ("Memory", limits.memory_bytes),
        ("NanoCpus", limits.nano_cpus),
        ("PidsLimit", limits.pids),
        ("ShmSize", limits.shm_bytes),
    ] {
        let limit = limit.and_then(|limit| i64::try_from(limit).ok());
        let set = host[field].as_i64();
        assert!(
            limit.is_none_or(|limit| set.is_some_and(|set| set > 0 && set <= limit)),
            "{field}: {body}"
        );
    }
    let log = &host["LogConfig"];
    let limited = log["Config"]["max-size"].is_string();
    assert!(limited || log["Type"] != "json-file", "{body}");
    mounts(host);
    for from in items(&host["VolumesFrom"]).chain(items(&host["Links"])) {
        assert!(text(from).starts_with(FOUND), "{body}");
    }
    for endpoint in body["NetworkingConfig"]["EndpointsConfig"]
        .as_object()
        .into_iter()
        .flatten()
    {
        assert!(
            endpoint.0.starts_with(FOUND)
                || ["", "default", "bridge", "none"].contains(&&**endpoint.0),
            "{body}"
        );
        assert!(is_unset(&endpoint.1["DriverOpts"]), "{body}");
    }
    gpus(body, devices);
    for (key, _) in body["Labels"].as_object().into_iter().flatten() {
        let key = key.to_ascii_lowercase();
        assert!(
            ["ds01.managed", "ds01.auto_remove"].contains(&&*key)
                || !key.starts_with("ds01.") && key != "aime.mlc" && !key.starts_with("aime.mlc."),
            "{body}"
        );
    }
}

/// Folders only from where they are staged, volumes only of the user's own.
fn mounts(host: &Value) {
    for bind in items(&host["Binds"]) {
        let (source, _) = text(bind).split_once(':').unwrap_or(("", ""));
        assert!(
            source.is_empty() || to_user(source, UID).is_some(),
            "{host}"
        );
    }
    for mount in items(&host["Mounts"]) {
        let source = text(&mount["Source"]);
        match text(&mount["Type"]) {
            "bind" => {
                assert!(
                    source.starts_with(STAGED) && !source.contains(".."),
                    "{host}"
                );
                assert_eq!(mount["BindOptions"]["Propagation"], "rprivate", "{host}");
            }
            "volume" => {
                assert!(
                    source.is_empty() || to_user(source, UID).is_some(),
                    "{host}"
                );
                assert!(is_unset(&mount["VolumeOptions"]["DriverConfig"]), "{host}");
            }
            kind => assert_eq!(kind, "tmpfs", "{host}"),
        }
    }
}

/// Exactly these devices, however many were asked for.
fn gpus(body: &Value, devices: &[&str]) {
    let requests: Vec<_> = items(&body["HostConfig"]["DeviceRequests"]).collect();
    assert_eq!(requests.len(), usize::from(!devices.is_empty()), "{body}");
    for request in requests {
        assert_eq!(request["DeviceIDs"], json!(devices), "{body}");
        assert!(
            is_unset(&request["Count"]) && is_unset(&request["Options"]),
            "{body}"
        );
    }
    let visible = "NVIDIA_VISIBLE_DEVICES=";
    let set: Vec<_> = items(&body["Env"])
        .filter_map(|entry| text(entry).strip_prefix(visible))
        .collect();
    let given = match devices {
        [] => "void".into(),
        devices => devices.join(","),
    };
    assert_eq!(set, [given], "{body}");
}

/// The body of a new volume.
pub(crate) fn volume(body: &Value) {
    let name = text(&body["Name"]);
    assert!(name.is_empty() || to_user(name, UID).is_some(), "{body}");
    assert!(
        is_unset(&body["DriverOpts"]) && is_unset(&body["ClusterVolumeSpec"]),
        "{body}"
    );
    assert!(["", "local"].contains(&text(&body["Driver"])), "{body}");
    assert_eq!(body["Labels"]["ds01.uid"], UID.to_string());
}

/// The body of a new network.
pub(crate) fn network(body: &Value) {
    assert!(to_user(text(&body["Name"]), UID).is_some(), "{body}");
    assert!(["", "bridge"].contains(&text(&body["Driver"])), "{body}");
    for field in ["Scope", "Ingress", "ConfigOnly", "ConfigFrom"] {
        assert!(is_unset(&body[field]), "{field}: {body}");
    }
    for (key, _) in body["Options"].as_object().into_iter().flatten() {
        assert_eq!(key, "com.docker.network.driver.mtu");
    }
    assert!(is_unset(&body["IPAM"]["Options"]), "{body}");
    assert_eq!(body["Labels"]["ds01.uid"], UID.to_string());
}

/// The body of a connection to a network.
pub(crate) fn connect(body: &Value) {
    assert!(text(&body["Container"]).starts_with(FOUND), "{body}");
    assert!(is_unset(&body["EndpointConfig"]["DriverOpts"]), "{body}");
    for link in items(&body["EndpointConfig"]["Links"]) {
        assert!(text(link).starts_with(FOUND), "{body}");
    }
}

/// The name of an image of the user's own.
pub(crate) fn own_image(name: &str) {
    assert_eq!(image::owner(name), Some(UID), "{name}");
}
