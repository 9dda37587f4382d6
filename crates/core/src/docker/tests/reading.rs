use super::*;

#[test]
fn only_one_reading_is_possible() {
    for (body, reason) in [
        ("", "EOF"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("\"x\"", "not an object"),
        ("{} {}", "trailing characters"),
        ("{}x", "trailing characters"),
        (r#"{"Image":"a","Image":"b"}"#, "duplicate field `Image`"),
        (
            r#"{"Image":"a","\u0049mage":"b"}"#,
            "duplicate field `Image`",
        ),
        (r#"{"Labels":{"a":"1","a":"2"}}"#, "duplicate field `a`"),
        (r#"{"image":"a"}"#, "unknown field `image`"),
        (
            r#"{"HostConfig":{"privileged":true}}"#,
            "unknown field `privileged`",
        ),
        (
            r#"{"HostConfig":{"Nonsense":null}}"#,
            "unknown field `Nonsense`",
        ),
        (
            r#"{"NetworkingConfig":{"Endpoints":{}}}"#,
            "unknown field `Endpoints`",
        ),
        (r#"{"Env":["A=\u0000B"]}"#, "NUL in a text"),
        (r#"{"Labels":{"a\u0000":"1"}}"#, "NUL in a text"),
        (r#"{"HostConfig":{"Memory":1.5}}"#, "invalid type"),
        (
            r#"{"HostConfig":{"Memory":9223372036854775808}}"#,
            "invalid value",
        ),
        (r#"{"HostConfig":{"Privileged":"true"}}"#, "invalid type"),
        (r#"{"Volumes":{"/a":{"b":1}}}"#, "unknown field `b`"),
    ] {
        let Err(Refused::Json(text)) = read::<CreateBody>(body.as_bytes()) else {
            panic!("{body}");
        };
        assert!(text.contains(reason), "{body}: {text}");
        assert!(!text.contains("expected one of"), "{text}");
    }
    assert!(read::<CreateBody>(b"{\"Image\":\"\xff\"}").is_err());
    let deep = format!("{{\"Env\":{}{}}}", "[".repeat(9999), "]".repeat(9999));
    assert!(read::<CreateBody>(deep.as_bytes()).is_err());
}

#[test]
fn null_is_the_same_as_absent() {
    let nulls = r#"{"Image":"a","Env":null,"HostConfig":{"Memory":null,"MaskedPaths":null},
        "Runtime":null,"Labels":null,"NetworkingConfig":null}"#;
    let body: CreateBody = read(nulls.as_bytes()).unwrap();
    let written = String::from_utf8(write(&body).unwrap()).unwrap();
    assert_eq!(written, r#"{"Image":"a","HostConfig":{}}"#);
}

#[test]
fn fields_that_only_older_clients_send_are_known() {
    let fields =
        json!({"KernelMemory": 0, "KernelMemoryTCP": 0, "Capabilities": null, "DiskQuota": 0});
    assert!(host(fields).is_ok());
}

#[test]
fn keys_are_written_as_docker_spells_them() {
    let keys = "Binds ContainerIDFile NetworkMode VolumeDriver CgroupnsMode Dns DnsOptions \
                DnsSearch IpcMode PidMode UTSMode UsernsMode CpusetCpus CpusetMems Isolation";
    for key in keys.split_whitespace() {
        let value = match key {
            "Binds" | "Dns" | "DnsOptions" | "DnsSearch" => json!(["x"]),
            _ => json!("x"),
        };
        let text = json!({ "HostConfig": { key: value } }).to_string();
        let body: CreateBody = read(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write(&body).unwrap()).unwrap(), text);
    }
    for key in "OomScoreAdj ShmSize CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota \
                CpuRealtimePeriod CpuRealtimeRuntime KernelMemory KernelMemoryTCP \
                MemoryReservation MemorySwap MemorySwappiness PidsLimit CpuCount CpuPercent \
                IOMaximumIOps IOMaximumBandwidth DiskQuota"
        .split_whitespace()
    {
        let text = json!({ "HostConfig": { key: 1 } }).to_string();
        let body: CreateBody = read(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write(&body).unwrap()).unwrap(), text);
    }
}

#[test]
fn what_real_clients_send_is_understood() {
    let mut seen = 0;
    for line in RECORDED.lines() {
        let (path, body) = line.split_once(' ').unwrap();
        let body = body.as_bytes();
        seen += 1;
        let last = path.rsplit('/').next().unwrap();
        match (last, path.split('/').nth(2).unwrap()) {
            ("create", "containers") => {
                let planned = planned(serde_json::from_slice(body).unwrap());
                let planned = planned.unwrap_or_else(|refused| panic!("{refused}: {line}"));
                finished(&planned, &[]);
            }
            ("create", "volumes") => drop(volume(read(body).unwrap(), 1001).unwrap()),
            ("create", "networks") => drop(network(read(body).unwrap(), 1001).unwrap()),
            ("connect", _) => drop(connect(read(body).unwrap()).unwrap()),
            ("disconnect", _) => drop(disconnect(&read(body).unwrap()).unwrap()),
            ("exec", _) => drop(exec(read(body).unwrap(), false, alice()).unwrap()),
            ("start", _) => drop(read::<ExecStartBody>(body).unwrap()),
            _ => panic!("{line}"),
        }
    }
    assert!(seen > 20, "{seen}");
}
