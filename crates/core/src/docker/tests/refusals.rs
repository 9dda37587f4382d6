use super::*;
use crate::failure::{Kind, UserError};

#[test]
fn what_reaches_the_host_is_refused() {
    for (config, expected) in [
        (json!({"Privileged": true}), "Privileged"),
        (json!({"CapAdd": ["SYS_ADMIN"]}), "CapAdd"),
        (json!({"CapAdd": ["cap_sys_ptrace"]}), "CapAdd"),
        (json!({"CapAdd": ["ALL"]}), "CapAdd"),
        (json!({"CapAdd": "NET_ADMIN"}), "CapAdd"),
        (json!({"Capabilities": ["SYS_ADMIN"]}), "CapAdd"),
        (json!({"Capabilities": ["CHOWN"]}), "Capabilities"),
        (json!({"PidMode": "host"}), "PidMode"),
        (json!({"PidMode": "container:"}), "PidMode"),
        (json!({"PidMode": "container:a/b"}), "PidMode"),
        (json!({"IpcMode": "host"}), "IpcMode"),
        (json!({"UTSMode": "host"}), "UTSMode"),
        (json!({"UsernsMode": "host"}), "UsernsMode"),
        (json!({"UsernsMode": "keep-id"}), "UsernsMode"),
        (json!({"CgroupnsMode": "host"}), "CgroupnsMode"),
        (json!({"NetworkMode": "host"}), "NetworkMode"),
        (json!({"NetworkMode": "ns:/proc/1/ns/net"}), "NetworkMode"),
        (json!({"Cgroup": "container:x"}), "Cgroup"),
        (json!({"CgroupParent": "/"}), "CgroupParent"),
        (json!({"Devices": [{"PathOnHost": "/dev/sda"}]}), "Devices"),
        (
            json!({"Devices": [{"PathOnHost": "/dev/nvidia-caps/nvidia-cap1"}]}),
            "Devices",
        ),
        (
            json!({"Devices": [{"PathOnHost": "/dev/nvidia0/../sda"}]}),
            "Devices",
        ),
        (json!({"Devices": [{}]}), "Devices"),
        (
            json!({"DeviceCgroupRules": ["a *:* rwm"]}),
            "DeviceCgroupRules",
        ),
        (
            json!({"SecurityOpt": ["seccomp=unconfined"]}),
            "SecurityOpt",
        ),
        (
            json!({"SecurityOpt": ["apparmor=unconfined"]}),
            "SecurityOpt",
        ),
        (json!({"SecurityOpt": ["label=disable"]}), "SecurityOpt"),
        (
            json!({"SecurityOpt": ["no-new-privileges:false"]}),
            "SecurityOpt",
        ),
        (json!({"SecurityOpt": ["seccomp={}"]}), "SecurityOpt"),
        (json!({"Sysctls": {"kernel.shmmax": "1"}}), "Sysctls"),
        (json!({"Runtime": "crun"}), "Runtime"),
        (json!({"VolumeDriver": "nfs"}), "VolumeDriver"),
        (json!({"MaskedPaths": []}), "MaskedPaths"),
        (json!({"ReadonlyPaths": []}), "ReadonlyPaths"),
        (json!({"StorageOpt": {"size": "1T"}}), "StorageOpt"),
        (
            json!({"Annotations": {"org.systemd.property.MemoryMax": "1"}}),
            "Annotations",
        ),
        (json!({"OomScoreAdj": -1}), "OomScoreAdj"),
        (json!({"OomKillDisable": true}), "OomKillDisable"),
        (json!({"MemorySwappiness": 101}), "MemorySwappiness"),
        (json!({"Isolation": "hyperv"}), "Isolation"),
        (json!({"LogConfig": {"Type": "syslog"}}), "LogConfig.Type"),
        (
            json!({"LogConfig": {"Config": {"syslog-address": "x"}}}),
            "LogConfig.Config",
        ),
        (json!({"GroupAdd": ["docker"]}), "GroupAdd"),
        (
            json!({"Ulimits": [{"Name": "rtprio", "Hard": 99}]}),
            "Ulimits",
        ),
        (json!({"Ulimits": [{}]}), "Ulimits"),
        (
            json!({"Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 65537}]}),
            "Ulimits",
        ),
        (
            json!({"Ulimits": [{"Name": "nofile", "Soft": -1, "Hard": -1}]}),
            "Ulimits",
        ),
        (json!({"CpuRealtimeRuntime": 1}), "CpuRealtimeRuntime"),
        (json!({"CpuRealtimePeriod": 1}), "CpuRealtimePeriod"),
        (
            json!({"BlkioWeightDevice": [{"Path": "/dev/sda"}]}),
            "BlkioWeightDevice",
        ),
        (json!({"BlkioDeviceReadBps": [{}]}), "BlkioDeviceReadBps"),
        (
            json!({"BlkioDeviceWriteIOps": [{}]}),
            "BlkioDeviceWriteIOps",
        ),
        (json!({"DiskQuota": 1}), "DiskQuota"),
        (json!({"IOMaximumIOps": 1}), "IOMaximumIOps"),
        (
            json!({"RestartPolicy": {"Name": "sometimes"}}),
            "RestartPolicy",
        ),
        (json!({"Links": ["a/b:c"]}), "Links"),
        (json!({"VolumesFrom": ["x:z"]}), "VolumesFrom"),
        (json!({"VolumesFrom": [""]}), "VolumesFrom"),
    ] {
        assert_eq!(field(host(config.clone())), expected, "{config}");
    }
}

#[test]
fn what_stays_inside_is_allowed() {
    for config in [
        json!({"CapAdd": ["CHOWN", "cap_kill"], "CapDrop": ["ALL"]}),
        json!({"IpcMode": "private", "CgroupnsMode": "private"}),
        json!({"IpcMode": "shareable"}),
        json!({"IpcMode": "none"}),
        json!({"NetworkMode": "none"}),
        json!({"NetworkMode": "bridge"}),
        json!({"SecurityOpt": ["no-new-privileges", "no-new-privileges:true"]}),
        json!({"Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}]}),
        json!({"Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 65536}]}),
        json!({"LogConfig": {"Type": "local", "Config": {"max-size": "1m"}}}),
        json!({"MemorySwappiness": -1, "OomScoreAdj": 500, "OomKillDisable": false}),
        json!({"ExtraHosts": ["a:1.2.3.4"], "Dns": ["1.1.1.1"], "Init": true}),
        json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        json!({"Tmpfs": {"/run": "rw,noexec,size=64k,mode=1777"}}),
        json!({"VolumeDriver": "local", "ContainerIDFile": "/tmp/x"}),
        json!({"Devices": [], "DeviceRequests": null, "StorageOpt": {}, "GroupAdd": []}),
    ] {
        assert_eq!(field(host(config.clone())), "allowed", "{config}");
    }
}

#[test]
fn an_admin_allows_more_but_never_everything() {
    let allow = Allow {
        capabilities: vec!["CAP_SYS_PTRACE".into(), "ALL".into()],
        sysctls: vec!["net.core.somaxconn".into()],
        ulimits: vec!["rtprio".into()],
        runtimes: vec!["runsc".into()],
    };
    for (config, expected) in [
        (json!({"CapAdd": ["sys_ptrace"]}), "allowed"),
        (json!({"CapAdd": ["ALL"]}), "CapAdd"),
        (json!({"Sysctls": {"net.core.somaxconn": "1"}}), "allowed"),
        (json!({"Ulimits": [{"Name": "rtprio"}]}), "allowed"),
        (json!({"Ulimits": [{"Name": "nofile"}]}), "Ulimits"),
        (json!({"Runtime": "runsc"}), "allowed"),
        (json!({"Runtime": "runc"}), "Runtime"),
    ] {
        let body = json!({ "HostConfig": config });
        assert_eq!(
            field(planned_of(body, &limits(), &allow)),
            expected,
            "{config}"
        );
    }
}

#[test]
fn ports_of_the_host_itself_are_not_published() {
    for (port, expected) in [
        ("", "allowed"),
        ("0", "allowed"),
        ("1024", "allowed"),
        ("8000-8010", "allowed"),
        ("80", "HostPort"),
        ("1023", "HostPort"),
        ("0080", "HostPort"),
        ("22-9000", "HostPort"),
        ("9000-22", "HostPort"),
        ("0-9000", "HostPort"),
        ("+8080", "HostPort"),
        ("8080-", "HostPort"),
        ("65536", "HostPort"),
        ("8080 ", "HostPort"),
    ] {
        let config = json!({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": port}]}});
        assert_eq!(field(host(config)), expected, "{port}");
    }
    assert!(host(json!({"PortBindings": {"80/tcp": null}, "PublishAllPorts": true})).is_ok());
}

#[test]
fn a_container_has_no_more_ports_than_are_of_use() {
    let keys = |ports: std::ops::Range<u16>| -> Value {
        ports
            .map(|port| (format!("{port}/tcp"), Value::Null))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let asked = |exposed, bound| {
        let host = json!({"PortBindings": bound});
        field(planned(
            json!({"ExposedPorts": exposed, "HostConfig": host}),
        ))
    };
    assert_eq!(asked(keys(1..257), keys(1..257)), "allowed");
    assert_eq!(asked(keys(1..258), json!({})), "ExposedPorts");
    assert_eq!(asked(json!({}), keys(1..258)), "PortBindings");
    let one = json!([{"HostPort": ""}]);
    let two = json!([{"HostPort": ""}, {"HostPort": ""}]);
    for (key, bindings, expected) in [
        ("80", &one, "allowed"),
        ("80/udp", &one, "allowed"),
        ("1-256/sctp", &one, "allowed"),
        ("1-257/tcp", &one, "PortBindings"),
        ("1-200/tcp", &two, "PortBindings"),
        ("0-65535/tcp", &one, "PortBindings"),
        ("9-8/tcp", &one, "PortBindings"),
        ("+8/tcp", &one, "PortBindings"),
        ("80/icmp", &one, "PortBindings"),
        ("", &one, "PortBindings"),
    ] {
        let bound = json!({ key: bindings });
        assert_eq!(asked(json!({}), bound), expected, "{key}");
    }
    let all = |publish: bool, ports: u32| {
        let keys = (0..ports).map(|port| (format!("{port}/tcp"), json!({})));
        let exposed: serde_json::Map<_, _> = keys.collect();
        let asked = host(json!({ "PublishAllPorts": publish })).unwrap();
        check_image("x", &json!({ "ExposedPorts": exposed }), Some(&asked))
    };
    assert!(all(true, 256).is_ok() && all(false, 257).is_ok() && all(true, 257).is_err());
}

/// What is said of an image with this configuration, for a container that asks so.
fn brought(config: Value, asked: Value) -> String {
    let asked = planned(asked).unwrap();
    let said = check_image("x", &config, Some(&asked));
    said.map_or_else(|failure| failure.message, |()| "allowed".into())
}

#[test]
fn an_image_has_no_volume_where_no_request_may() {
    for (volume, expected) in [
        (
            "/etc",
            "not allowed: the image's Volumes=/etc (the engine makes",
        ),
        (
            "/etc/.",
            "not allowed: the image's Volumes=/etc (the engine makes",
        ),
        (
            "//",
            "wrong value: the image's Volumes=/ (the container's own root",
        ),
        (
            "etc",
            "wrong value: the image's Volumes=etc (not an absolute",
        ),
        (
            "/a/../etc",
            "not allowed: the image's Volumes=/etc (the engine makes",
        ),
        (
            "/var/run/nvidia-container-devices/0",
            "not allowed: the image's Volumes=/var/run/nvidia",
        ),
        ("/etc/x", "allowed"),
        ("/w/../w", "allowed"),
        ("/data", "allowed"),
    ] {
        let config = json!({ "Volumes": { volume: {} } });
        let said = brought(config.clone(), json!({}));
        assert!(said.starts_with(expected), "{volume}: {said}");
        let said = check_image("x", &config, None);
        assert_eq!(said.is_ok(), expected == "allowed", "{volume}");
    }
}

#[test]
fn mounts_are_sixty_four_with_those_of_the_image() {
    let places = |count: usize, start: &str| -> serde_json::Map<_, _> {
        let places = (0..count).map(|n| (format!("/{start}{n}"), json!({})));
        places.collect()
    };
    let volumes = |count: usize| json!({ "Volumes": places(count, "v") });
    assert_eq!(field(planned(volumes(64))), "allowed");
    assert_eq!(field(planned(volumes(65))), "Mounts");
    let each = |count: usize| {
        let mount = |n: usize| json!({ "Type": "volume", "Target": format!("/m{n}") });
        let mounts: Vec<_> = (0..count).map(mount).collect();
        let binds: Vec<_> = (0..16).map(|n| format!("/b{n}")).collect();
        let tmpfs = ["", "x"].map(|end| (format!("/t{end}"), json!("")));
        let tmpfs: serde_json::Map<_, _> = tmpfs.into_iter().collect();
        let host = json!({ "Binds": binds, "Mounts": mounts, "Tmpfs": tmpfs });
        json!({ "Volumes": places(16, "v"), "HostConfig": host })
    };
    assert_eq!(field(planned(each(30))), "allowed");
    assert_eq!(field(planned(each(31))), "Mounts");
    assert_eq!(
        brought(volumes(34), each(0)),
        "not allowed: Mounts=68 (more than 64 in all, with \
        those of the image)"
    );
    assert_eq!(brought(volumes(30), each(0)), "allowed");
    assert!(check_image("x", &volumes(64), None).is_ok());
    assert!(check_image("x", &volumes(65), None).is_err());
}

#[test]
fn health_is_looked_at_once_a_second_at_most() {
    let second = 1_000_000_000_i64;
    let own = |key: &str, time: i64| json!({ "Healthcheck": { key: time } });
    for (key, refused) in [
        ("Interval", "Healthcheck.Interval"),
        ("StartInterval", "Healthcheck.StartInterval"),
    ] {
        for (time, allowed) in [(0, true), (second, true), (second - 1, false), (-1, false)] {
            let expected = if allowed { "allowed" } else { refused };
            assert_eq!(field(planned(own(key, time))), expected, "{time}");
            // The image's counts where the request has none.
            let said = brought(own(key, time), own(key, 0));
            assert_eq!(said == "allowed", allowed, "{said}");
            assert_eq!(brought(own(key, time), own(key, second)), "allowed");
            assert_eq!(check_image("x", &own(key, time), None).is_ok(), allowed);
        }
    }
}

#[test]
fn labels_of_ours_are_refused_in_any_case() {
    for (key, expected) in [
        ("ds01.managed", "Labels"),
        ("DS01.uid", "Labels"),
        ("aime.mlc", "Labels"),
        ("Aime.Mlc.NAME", "Labels"),
        ("ds01", "allowed"),
        ("aime.mlcx", "allowed"),
        ("org.ds01.x", "allowed"),
    ] {
        assert_eq!(
            field(planned(json!({"Labels": {key: "1,2"}}))),
            expected,
            "{key}"
        );
    }
}

#[test]
fn labels_and_commands_have_a_length_that_lists_can_carry() {
    let of = |length: usize| {
        field(planned(
            json!({"Labels": {"a": "x".repeat(length - 2), "b": ""}}),
        ))
    };
    assert_eq!(of(64 << 10), "allowed");
    assert_eq!(of((64 << 10) + 1), "Labels");
    let of = |length: usize| {
        let (entry, rest) = ("sh", "x".repeat(length - 2));
        field(planned(json!({"Entrypoint": entry, "Cmd": ["", rest]})))
    };
    assert_eq!(of(64 << 10), "allowed");
    assert_eq!(of((64 << 10) + 1), "Cmd");
}

#[test]
fn a_refusal_is_one_line_with_the_value_and_a_way_out() {
    let refused = host(json!({"Devices": [{"PathOnHost": "/dev/sda"}]})).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "not allowed: Devices=/dev/sda (a device of the host)"
    );
    assert_eq!(refused.kind(), Kind::Forbidden);
    let hint = "ask for GPUs with --gpus, as in --gpus 1";
    assert_eq!(refused.hint().as_deref(), Some(hint));

    let hostile = format!("seccomp=\n\x1b[2J\u{202e}{}", "x".repeat(100_000));
    let refused = host(json!({"SecurityOpt": [hostile]})).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.len() < 250 && !text.contains(char::is_control),
        "{text}"
    );

    let wrong = host(json!({"NanoCpus": 1, "CpuQuota": 1})).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Usage);
    assert_eq!(
        wrong.to_string(),
        "wrong value: NanoCpus=1 (either NanoCpus, or CpuQuota and CpuPeriod)"
    );
}
