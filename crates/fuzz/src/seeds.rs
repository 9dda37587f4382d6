//! What to begin with: calls that clients send, in the form of each target.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Between what a parser says first and next.
pub(crate) const NEXT: u8 = 0x1e;

/// One of each call: method, path and body.
const EACH: &str = include_str!("seeds.txt");

/// What a `HostConfig` may not have, each by itself: nothing else in the request is in the way.
const REFUSED: [&str; 26] = [
    r#""Privileged":true"#,
    r#""CapAdd":["SYS_ADMIN"]"#,
    r#""CapAdd":"ALL""#,
    r#""SecurityOpt":["seccomp=unconfined"]"#,
    r#""CgroupParent":"/""#,
    r#""NetworkMode":"host""#,
    r#""PidMode":"host""#,
    r#""IpcMode":"host""#,
    r#""UTSMode":"host""#,
    r#""UsernsMode":"host""#,
    r#""CgroupnsMode":"host""#,
    r#""GroupAdd":["0"]"#,
    r#""Devices":[{"PathOnHost":"/dev/sda","PathInContainer":"/dev/sda"}]"#,
    r#""DeviceCgroupRules":["a *:* rwm"]"#,
    r#""DeviceRequests":[{"Driver":"x","Count":1}]"#,
    r#""Sysctls":{"kernel.shmmax":"1"}"#,
    r#""Runtime":"other""#,
    r#""StorageOpt":{"size":"1"}"#,
    r#""Annotations":{"a":"b"}"#,
    r#""MaskedPaths":[]"#,
    r#""ReadonlyPaths":[]"#,
    r#""OomKillDisable":true"#,
    r#""OomScoreAdj":-1"#,
    r#""VolumeDriver":"x""#,
    r#""Binds":["quietotter._.1002:/d"]"#,
    r#""Mounts":[{"Type":"volume","Target":"/d","VolumeOptions":{"DriverConfig":{"Options":{"o":"bind"}}}}]"#,
];

/// What real clients sent: path and body.
const RECORDED: &str = include_str!("../../core/src/docker/tests/recorded.txt");

/// All calls: method, path with query, body.
fn all() -> Vec<(&'static str, &'static str, String)> {
    let each = EACH.lines().filter_map(|line| {
        let (method, rest) = line.split_once(' ')?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((method, path, body.to_string()))
    });
    let recorded = RECORDED.lines().filter_map(|line| {
        let (path, body) = line.split_once(' ')?;
        Some(("POST", path, body.to_string()))
    });
    let refused = REFUSED.iter().map(|field| {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{{field}}}}}"#);
        ("POST", "/containers/create?name=x", body)
    });
    each.chain(recorded).chain(refused).collect()
}

/// For [`calls`](crate::calls()): method and path on a line, then the body.
pub fn calls() -> Vec<Vec<u8>> {
    let calls = all().into_iter();
    let calls = calls.map(|(method, path, body)| format!("{method} {path}\n{body}"));
    let files = [
        "FROM busybox AS a\nCOPY --from=a / /\n",
        "ARG A=x\nFROM ${A:-b}",
    ];
    let files = files.map(|text| format!("POST /build\n{text}"));
    calls.chain(files).map(String::into_bytes).collect()
}

/// For [`http`](crate::http()): requests.
pub fn http() -> Vec<Vec<u8>> {
    let request = |(method, path, body): (&str, &str, &[u8])| {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: d\r\nUser-Agent: Docker-Client/28\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let calls = all().into_iter();
    let plain = calls.map(|(method, path, body)| request((method, path, body.as_bytes())));
    let folder = folder();
    let others = [
        request(("POST", "/build?t=x", &folder)),
        b"POST /v1.41/containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
          Upgrade: tcp\r\n\r\nbytes"
            .into(),
        b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n\
          2\r\n{}\r\n0\r\n\r\n"
            .into(),
        b"GET /_ping HTTP/1.0\r\nX-Registry-Auth: e30=\r\n\r\n".into(),
    ];
    plain.chain(others).collect()
}

/// For [`keeper`](crate::keeper()): what a parser says.
pub fn keeper() -> Vec<Vec<u8>> {
    let ask = |(method, path, body): (&str, &str, Value)| {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        json!({
            "method": method, "path": path, "query": query, "upgrade": false,
            "docker_cli": true, "registry": null, "body": body,
        })
        .to_string()
        .into_bytes()
    };
    let calls = all().into_iter();
    let plain = calls.map(|(method, path, body)| match body.as_str() {
        "" => ask((method, path, json!("None"))),
        body => ask((method, path, json!({ "Json": body }))),
    });
    let stream = |path| ask(("POST", path, json!({ "Stream": 5 })));
    let context = json!({ "Ok": { "length": 5, "dockerfile": "FROM busybox" } });
    let build = [
        &stream("/build?t=x")[..],
        &[NEXT],
        context.to_string().as_bytes(),
    ]
    .concat();
    let attach = stream("/containers/mine/attach?stream=1");
    plain.chain([build, attach]).collect()
}

/// A folder to build from.
fn folder() -> Vec<u8> {
    let text = b"FROM busybox\n";
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "Dockerfile", &text[..])
        .unwrap();
    archive.into_inner().unwrap()
}

/// Words of the API, for the fuzzer to put in.
pub fn words() -> BTreeSet<&'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let texts = [EACH, RECORDED].into_iter();
    let words = texts.flat_map(move |text| text.split(move |c| !is_word(c)));
    words.filter(|word| word.len() > 2).collect()
}
