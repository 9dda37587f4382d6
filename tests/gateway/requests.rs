//! Bytes that no client sends.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use ds01_testkit::TestHost;

use super::{call, reply, send, sleeper};

#[test]
fn a_request_has_one_length_and_a_connection_one_request() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &[]);
    let body = r#"{"Name":"vol"}"#;
    let post = |headers: &str, body: &str| {
        let head = format!("POST /volumes/create HTTP/1.1\r\nHost: d\r\n{headers}\r\n");
        send(&host, "alice", head + body)
    };
    assert_eq!(post("Content-Length: 14\r\n", body).status, 201);
    let chunks = "e\r\n{\"Name\":\"vol\"}\r\n0\r\n\r\n";
    assert_eq!(post("Transfer-Encoding: chunked\r\n", chunks).status, 201);
    for (headers, body) in [
        (
            "Content-Length: 14\r\nTransfer-Encoding: chunked\r\n",
            chunks,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 14\r\n",
            chunks,
        ),
        ("Content-Length: 14\r\nContent-Length: 15\r\n", body),
        ("Content-Length: 14, 15\r\n", body),
        ("Content-Length: +14\r\n", body),
        ("Content-Length: -1\r\n", body),
        ("Content-Length: 0x0e\r\n", body),
        ("Content-Length: 99999999999999999999999\r\n", body),
        ("Content-Length : 14\r\n", body),
        ("Transfer-Encoding: gzip\r\n", chunks),
        ("Transfer-Encoding: chunked, identity\r\n", chunks),
        ("Transfer-Encoding: xchunked\r\n", chunks),
        ("Transfer-Encoding: chunked\r\n", "-1\r\n"),
        ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        (
            "Transfer-Encoding: chunked\r\n",
            "e;\n{\"Name\":\"vol\"}\r\n0\r\n\r\n",
        ),
        (" Content-Length: 14\r\n", body),
        ("X: \x01\r\nContent-Length: 14\r\n", body),
    ] {
        let said = post(headers, body);
        // Some are two ways to say one thing, and hyper takes the one that cannot be misread.
        let harmless = headers.contains("Content-Length: 14") && headers.contains("chunked");
        assert!(
            said.status >= 400 || said.status == 0 || harmless,
            "{headers:?} {said:?}"
        );
    }
    // What comes behind a request is never one: it is cut off with its connection.
    let second = "DELETE /volumes/vol HTTP/1.1\r\nHost: d\r\n\r\n";
    let firsts = [
        "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n".to_string(),
        "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: keep-alive\r\n\r\n".into(),
        "GET /_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(),
        "GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".into(),
        format!("POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Length: 14\r\n\r\n{body}"),
        format!(
            "POST /volumes/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        ),
        "GET /images/search?term= HTTP/1.1\r\nHost: d\r\n\r\n".into(),
        "POST /images/create?fromSrc=-&repo=x HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
            .into(),
    ];
    for first in firsts {
        let said = send(&host, "alice", format!("{first}{second}"));
        assert_eq!(
            said.body.matches("HTTP/1.").count(),
            0,
            "{first:?}: {said:?}"
        );
        assert_eq!(
            call(&host, "alice", "GET /volumes/vol", "").status,
            200,
            "{first:?}"
        );
    }
    assert_eq!(send(&host, "alice", second).status, 204);
}

#[test]
fn what_follows_an_upgrade_is_the_containers_and_nobody_elses() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &[]);
    let made = call(
        &host,
        "alice",
        "POST /containers/mine/exec",
        r#"{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true,"Tty":false}"#,
    );
    let id = made.body.split('"').nth(3).unwrap().to_string();
    let start = "{\"Detach\":false,\"Tty\":false}";
    // The second request is on the wire before the first is answered.
    let bytes = format!(
        "POST /exec/{id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Length: {}\r\n\r\n{start}GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n",
        start.len()
    );
    let said = send(&host, "alice", bytes);
    assert_eq!(said.status, 101);
    // As one frame of standard output: the first of its eight bytes says so.
    assert!(said.body.starts_with('\u{1}'), "{said:?}");
    assert!(
        said.body
            .ends_with("GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: d\r\n\r\n"),
        "{said:?}"
    );
}

#[test]
fn the_engine_reads_one_request_of_a_connection_that_is_relayed() {
    let host = TestHost::behind_gateway(1);
    let id = sleeper(&host, "alice", "mine", &[]);
    let second = "GET /v1.41/info HTTP/1.1\r\nHost: docker\r\n\r\n";
    // The heads that the keeper writes, as a parser that was taken over could go on after them.
    let get = |path: &str| {
        format!(
            "GET /v1.41{path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let post = |path: &str, more: &str| {
        format!("POST /v1.41{path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{more}")
    };
    for head in [
        get(&format!("/containers/{id}/logs?stdout=1")),
        get(&format!("/containers/{id}/changes")),
        get(&format!("/containers/{id}/stats?stream=0&one-shot=1")),
        get("/images/search?term="),
        post(
            &format!("/containers/{id}/resize?h=1&w=1"),
            "Content-Length: 0\r\n\r\n",
        ),
        post(
            &format!("/containers/{id}/pause"),
            "Content-Length: 0\r\n\r\n",
        ),
        post(
            &format!("/containers/{id}/unpause"),
            "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        ),
        post(
            "/images/create?fromSrc=-&repo=x",
            "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        post(
            "/images/create?fromSrc=-&repo=x",
            "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
        post(
            "/networks/create",
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        ),
        get("/containers/nowhere/logs"),
        get("/nothing"),
    ] {
        let mut engine = UnixStream::connect(host.engine().socket()).unwrap();
        engine
            .write_all(format!("{head}{second}").as_bytes())
            .unwrap();
        engine
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut all = Vec::new();
        let _ = engine.read_to_end(&mut all);
        let text = String::from_utf8_lossy(&all);
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{head}: {text}");
        assert!(!text.contains("NGoroutines"), "{head}: {text}");
    }
    // Without it the engine would have: what is shown above is not for nothing.
    let mut engine = UnixStream::connect(host.engine().socket()).unwrap();
    let open = get("/_ping").replace("Connection: close\r\n", "");
    engine
        .write_all(format!("{open}{}", get("/info")).as_bytes())
        .unwrap();
    assert!(reply(engine).body.contains("NGoroutines"));
}

#[test]
fn a_path_is_a_plain_one_that_the_table_has() {
    let host = TestHost::behind_gateway(1);
    let id = sleeper(&host, "bob", "theirs", &[]);
    let mine = sleeper(&host, "alice", "mine", &[]);
    let get = |path: &str| call(&host, "alice", &format!("GET {path}"), "");
    for path in [
        "/containers/json",
        "/v1.24/containers/json",
        "/v1.41/containers/json",
        "/v1.41/containers/mine/json",
        "/v1.41/containers/%6dine/json",
        "/containers%2Fmine/json",
    ] {
        let said = get(path);
        assert!(
            said.status == 200 && said.body.contains(&mine),
            "{path} {said:?}"
        );
    }
    let odd = "the path is not one of Docker's API";
    for path in [
        "//containers/json",
        "/containers//json",
        "/containers/json/",
        "/v1.41//containers/json",
        "/./containers/json",
        "/containers/mine/../../info",
        "/containers/%2e%2e/json",
        "/containers/mine/%2e%2e/theirs/json",
        "/containers/mine%2f..%2ftheirs/json",
        "/containers/mine%00/json",
        "/containers/mine%0d%0aX:%20y/json",
        "/containers/m%ffne/json",
        "/containers/mine%3fx/json",
        "/containers/mine%23/json",
        "/containers/mi ne/json".trim_end_matches('x'),
        "http://d/containers/json",
        "http://theirs@d/containers/json",
        "/v1.9999/info",
        "/v-1.41/info",
    ] {
        let said = get(path);
        assert!((400..500).contains(&said.status), "{path} {said:?}");
        assert!(!said.body.contains(&id), "{path} {said:?}");
    }
    assert_eq!(get("//containers/json").message(), odd);
    let messages = [
        (
            "/v1.48/info",
            400,
            "client version 1.48 is too new. Maximum supported API version is 1.41",
        ),
        // The parser knows what the table has, the keeper what the engine has.
        (
            "/v1.42/info",
            400,
            "client version 1.42 is too new. Maximum supported API version is 1.41",
        ),
        (
            "/v1.999/info",
            400,
            "client version 1.999 is too new. Maximum supported API version is 1.41",
        ),
        (
            "/v1.23/info",
            400,
            "client version 1.23 is too old. Minimum supported API version is 1.24",
        ),
        (
            "/v0.0/info",
            400,
            "client version 0.0 is too old. Minimum supported API version is 1.24",
        ),
        ("/v1/info", 400, odd),
        ("/v1.41.2/info", 400, odd),
        ("/v1.41", 404, "DS01 does not know the call GET /v1.41"),
        ("/nothing", 404, "DS01 does not know the call GET /nothing"),
        (
            "/containers/json?all=1&all=0",
            400,
            "DS01 does not know \"all\" of the call GET /containers/json",
        ),
        (
            "/containers/json?%61ll=1&all=0",
            400,
            "DS01 does not know \"all\" of the call GET /containers/json",
        ),
        (
            "/containers/json?other=1",
            400,
            "DS01 does not know \"other\" of the call GET /containers/json",
        ),
        (
            "/containers/json?ALL=1",
            400,
            "DS01 does not know \"ALL\" of the call GET /containers/json",
        ),
        (
            "/images/ds01-base/get?names=x",
            400,
            "DS01 does not know \"names\" of the call GET /images/ds01-base/get",
        ),
    ];
    for (path, status, text) in messages {
        let said = get(path);
        assert_eq!(
            (said.status, said.message().replace("\\\"", "\"")),
            (status, text.into()),
            "{path}"
        );
    }
    for (line, why) in [
        ("POST /swarm/init", "it would change the whole host"),
        ("GET /nodes", "it would change the whole host"),
        ("GET /secrets", "swarm secrets have no owner"),
        ("POST /plugins/pull", "a plugin runs as root"),
        (
            "POST /session",
            "BuildKit's own protocol cannot be checked; build with DOCKER_BUILDKIT=0",
        ),
        (
            "POST /grpc",
            "BuildKit's own protocol cannot be checked; build with DOCKER_BUILDKIT=0",
        ),
        (
            "POST /images/load",
            "it could replace images that others use; use docker import, or build from it",
        ),
        ("POST /containers/mine/update", "DS01 sets the limits"),
        (
            "GET /containers/mine/attach/ws",
            "use attach without a web socket",
        ),
        (
            "POST /containers/mine/checkpoints",
            "checkpoints are files of root's",
        ),
        ("GET /debug/pprof/heap", "it shows the engine's memory"),
        ("POST /build/cancel", "the build cache has no owner"),
        (
            "GET /distribution/ubuntu/json",
            "it would use the host's own registry credentials",
        ),
    ] {
        let said = call(&host, "alice", line, "");
        let text = format!("{line} is not for users of a shared host: {why}");
        assert_eq!((said.status, said.message()), (403, text));
    }
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\r\n\r\n",
        "GET /containers/json\r\n\r\n",
        "GET /containers/json HTTP/9.9\r\n\r\n",
        "CONNECT d:80 HTTP/1.1\r\nHost: d\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n",
        "TRACE /containers/json HTTP/1.1\r\nHost: d\r\n\r\n",
        "GET http://d/containers/json HTTP/1.1\r\nHost: d\r\n\r\n",
        "\0\0\0\0",
        "",
    ] {
        let said = send(&host, "alice", bytes);
        assert!(said.status == 0 || said.status >= 400, "{bytes:?} {said:?}");
    }
    let headers = "X: y\r\n".repeat(2000);
    let said = send(
        &host,
        "alice",
        format!("GET /_ping HTTP/1.1\r\n{headers}\r\n"),
    );
    assert_eq!(said.status, 431);
    let long = "a".repeat(1 << 20);
    let said = send(&host, "alice", format!("GET /{long} HTTP/1.1\r\n\r\n"));
    assert!(
        said.status == 0 || said.status == 414 || said.status == 431,
        "{said:?}"
    );
    // An old client, which says no host and wants no chunks.
    let said = send(&host, "alice", "GET /containers/json HTTP/1.0\r\n\r\n");
    assert!(said.status == 200 && said.body.contains(&mine), "{said:?}");
    assert_eq!(get("/_ping").body, "OK");
}

#[test]
fn who_asks_in_a_newer_version_than_the_engine_had_is_told_that_it_has_gone() {
    let host = TestHost::behind_gateway(1);
    assert_eq!(call(&host, "alice", "GET /_ping", "").body, "OK");
    let newer = "GET /v1.99/containers/json";
    assert_eq!(call(&host, "alice", newer, "").status, 400);
    host.engine().kill();
    // Docker's client asks for the version first, and goes on with its own.
    assert_eq!(call(&host, "alice", "GET /_ping", "").status, 503);
    let told = call(&host, "alice", newer, "");
    assert_eq!(told.status, 503);
    assert!(
        told.body.contains("the engine cannot be reached"),
        "{}",
        told.body
    );
}
