use super::*;

/// The wish of a request, which must not be refused.
fn wish(body: Value) -> GpuWish {
    planned(body).unwrap().gpus
}

#[test]
fn every_spelling_is_a_number_of_devices() {
    use GpuWish::{All, Count, None};
    let request = |request: Value| json!({"HostConfig": {"DeviceRequests": [request]}});
    let gpu = json!([["gpu"]]);
    for (asked, expected) in [
        (request(json!({"Count": 2, "Capabilities": gpu})), Count(2)),
        (
            request(json!({"Count": -1, "Capabilities": [["compute", "gpu"]]})),
            All,
        ),
        (
            request(json!({"Driver": "nvidia", "DeviceIDs": ["0", "1"], "Capabilities": gpu})),
            Count(2),
        ),
        (
            request(json!({"DeviceIDs": ["0", "0,1"], "Capabilities": gpu})),
            Count(2),
        ),
        (
            request(json!({"DeviceIDs": ["all"], "Capabilities": gpu})),
            All,
        ),
        (request(json!({"Capabilities": gpu})), None),
        (
            request(json!({"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]})),
            Count(1),
        ),
        (
            request(json!({"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]})),
            All,
        ),
        (
            json!({"HostConfig": {"DeviceRequests": [
                {"DeviceIDs": ["0"], "Capabilities": gpu},
                {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=1"]},
            ]}}),
            Count(2),
        ),
        (json!({"HostConfig": {"Runtime": "nvidia"}}), None),
        (
            json!({"Runtime": "nvidia", "Env": ["NVIDIA_VISIBLE_DEVICES=0,1"]}),
            Count(2),
        ),
        (
            json!({"HostConfig": {"Runtime": "nvidia"}, "Env": ["NVIDIA_VISIBLE_DEVICES=all"]}),
            All,
        ),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}), All),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES= GPU-1 "]}), Count(1)),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES=void"]}), None),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES=none"]}), None),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES="]}), None),
        (json!({"Env": ["NVIDIA_VISIBLE_DEVICES"]}), None),
        (json!({"Env": ["XNVIDIA_VISIBLE_DEVICES=all"]}), None),
        (
            json!({"HostConfig": {"Devices": [
                {"PathOnHost": "/dev/nvidia0", "PathInContainer": "/dev/null"},
                {"PathOnHost": "/dev/./nvidia1"},
                {"PathOnHost": "//dev/nvidia0"},
                {"PathOnHost": "/dev/nvidiactl"},
                {"PathOnHost": "/dev/nvidia-uvm"},
            ]}}),
            Count(2),
        ),
        (
            json!({"HostConfig": {"Devices": [{"PathOnHost": "/dev/nvidia-modeset"}]}}),
            None,
        ),
        (
            json!({"HostConfig": {"Devices": [{"PathOnHost": "nvidia.com/gpu=3"}]}}),
            Count(1),
        ),
        // The largest, not the sum.
        (
            json!({
                "Env": ["NVIDIA_VISIBLE_DEVICES=0"],
                "HostConfig": {
                    "Runtime": "nvidia",
                    "DeviceRequests": [{"Count": 3, "Capabilities": gpu}],
                    "Devices": [{"PathOnHost": "/dev/nvidia0"}, {"PathOnHost": "/dev/nvidia1"}],
                },
            }),
            Count(3),
        ),
    ] {
        assert_eq!(wish(asked.clone()), expected, "{asked}");
    }
}

#[test]
fn other_devices_and_drivers_are_refused() {
    let gpu = json!([["gpu"]]);
    for (request, expected) in [
        (
            json!({"Driver": "amd", "Capabilities": gpu}),
            "DeviceRequests.Driver",
        ),
        (
            json!({"Capabilities": [["tpu"]]}),
            "DeviceRequests.Capabilities",
        ),
        (json!({"Count": 1}), "DeviceRequests.Capabilities"),
        (
            json!({"Count": -2, "Capabilities": gpu}),
            "DeviceRequests.Count",
        ),
        (
            json!({"Capabilities": gpu, "Options": {"a": "b"}}),
            "DeviceRequests.Options",
        ),
        (
            json!({"Driver": "cdi", "DeviceIDs": ["vendor.com/net=0"]}),
            "DeviceRequests.DeviceIDs",
        ),
        (
            json!({"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu="]}),
            "DeviceRequests.DeviceIDs",
        ),
    ] {
        let refused = host(json!({"DeviceRequests": [request]}));
        assert_eq!(field(refused), expected, "{request}");
    }
}

#[test]
fn all_is_as_many_as_one_container_may_have() {
    for (wish, most, count) in [
        (GpuWish::None, 2, 0),
        (GpuWish::Count(5), 2, 5),
        (GpuWish::All, 2, 2),
        (GpuWish::All, 0, 1),
    ] {
        assert_eq!(wish.count(most), count, "{wish:?} {most}");
    }
}

#[test]
fn only_the_devices_given_are_asked_for() {
    let asked = planned(json!({
        "Env": ["A=b", "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_MIG_CONFIG_DEVICES=all", "NVIDIA_GDS"],
        "HostConfig": {
            "Runtime": "nvidia",
            "DeviceRequests": [{"Count": 2, "Capabilities": [["gpu", "video", "odd"]]}],
            "Devices": [{"PathOnHost": "/dev/nvidia7"}],
            "RestartPolicy": {"Name": "always"},
        },
    }))
    .unwrap();
    assert!(asked.warnings[0].starts_with("RestartPolicy: always asked for"));
    let body = finished(&asked, &uuids(&["GPU-0", "MIG-1"]));
    let env = body["Env"].as_array().unwrap();
    assert_eq!(env[..2], ["A=b", "NVIDIA_VISIBLE_DEVICES=GPU-0,MIG-1"]);
    // Without a value: the image's own is taken away.
    assert!(
        env[2..]
            .iter()
            .all(|entry| !entry.as_str().unwrap().contains('='))
    );
    assert!(env.contains(&json!("NVIDIA_IMEX_CHANNELS")));
    let host = &body["HostConfig"];
    assert_eq!(
        host["DeviceRequests"],
        json!([{"DeviceIDs": ["GPU-0", "MIG-1"], "Capabilities": [["gpu", "video"]]}])
    );
    assert_eq!(host["RestartPolicy"], json!({"Name": "no"}));
    assert!(host.get("Devices").is_none() && host.get("Runtime").is_none());

    let none = finished(&planned(json!({})).unwrap(), &[]);
    assert!(none["HostConfig"].get("DeviceRequests").is_none());
    assert_eq!(none["HostConfig"]["RestartPolicy"], json!({"Name": "no"}));
    assert_eq!(none["Env"][0], "NVIDIA_VISIBLE_DEVICES=void");
}
