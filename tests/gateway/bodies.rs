//! Bodies that no client sends.

use ds01_testkit::TestHost;

use super::{call, send};

#[test]
fn a_body_is_read_in_one_way_or_not_at_all() {
    let host = TestHost::behind_gateway(1);
    let create = |body: &str| call(&host, "alice", "POST /containers/create?name=x", body);
    let deep = |depth: usize| format!("{{\"Labels\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let not = "the request is not one of the Docker API";
    for (body, why) in [
        (
            r#"{"Image":"ds01-base","Image":"x"}"#,
            "duplicate field `Image`",
        ),
        (
            r#"{"Image":"ds01-base","\u0049mage":"x"}"#,
            "duplicate field `Image`",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Privileged":false,"Privileged":true}}"#,
            "duplicate field `Privileged`",
        ),
        (r#"{"image":"ds01-base"}"#, "unknown field `image`"),
        (
            r#"{"Image":"ds01-base","hostconfig":{"Privileged":true}}"#,
            "unknown field `hostconfig`",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"privileged":true}}"#,
            "unknown field `privileged`",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"PRIVILEGED":true}}"#,
            "unknown field `PRIVILEGED`",
        ),
        (
            r#"{"Image":"ds01-base","HostConfi\u0261":{}}"#,
            "unknown field",
        ),
        (
            r#"{"Image":"ds01-base","Extra":1}"#,
            "unknown field `Extra`",
        ),
        (r#"{"Image":"ds01-base\u0000"}"#, "NUL in a text"),
        (r#"{"Image":"ds01-base"}{}"#, "trailing characters"),
        (r#"{"Image":"ds01-base"} x"#, "trailing characters"),
        (r#"{"Image":"ds01-base""#, "EOF"),
        (r#"{"Image":["ds01-base"]}"#, "invalid type: sequence"),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Memory":1e400}}"#,
            "number out of range",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Memory":99999999999999999999}}"#,
            "invalid type: floating point",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Memory":1.5}}"#,
            "invalid type: floating point",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Privileged":"true"}}"#,
            "invalid type: string",
        ),
        (
            r#"{"Image":"ds01-base","HostConfig":{"Privileged":1}}"#,
            "invalid type: integer",
        ),
        ("[]", "not an object"),
        ("\"x\"", "not an object"),
        (&deep(126), "invalid type"),
        (&deep(200), "recursion limit exceeded"),
        (&deep(200_000), "recursion limit exceeded"),
    ] {
        let said = create(body);
        assert_eq!(said.status, 400, "{body} {said:?}");
        assert!(
            said.message().starts_with(not) && said.message().contains(why),
            "{why}: {said:?}"
        );
    }
    let latin = send(&host, "alice", b"POST /containers/create HTTP/1.1\r\nContent-Length: 22\r\n\r\n{\"Image\":\"ds01-b\xe9se\"}\n" as &[u8]);
    assert_eq!(latin.status, 400, "{latin:?}");
    for (body, why) in [
        (
            "",
            "wrong value: Image= (none given); correct Image and try again",
        ),
        (
            "null",
            "wrong value: Image= (none given); correct Image and try again",
        ),
        (
            r#"{"Image":null}"#,
            "wrong value: Image= (none given); correct Image and try again",
        ),
        (
            r#"{"Image":"ds01-base/get?x"}"#,
            "No such image: ds01-base/get?x",
        ),
        (
            r#"{"Image":"../containers"}"#,
            "No such image: ../containers",
        ),
        (r#"{"Image":"a\r\nX: y"}"#, "No such image: a\r\nX: y"),
    ] {
        let said = create(body);
        assert_eq!(said.message(), why, "{body}");
    }
    // Up to a limit, and no byte of what is over it is read.
    let long = |length: usize| {
        format!(
            r#"{{"Image":"ds01-base","Hostname":"{}"}}"#,
            "a".repeat(length)
        )
    };
    let said = create(&long(1 << 20));
    assert_eq!(
        said.message(),
        "the body cannot be read: length limit exceeded"
    );
    let quotes = format!(r#"{{"Image":"{}"}}"#, "\\\"".repeat((1 << 19) - 10));
    let said = create(&quotes);
    assert_eq!(said.status, 404, "{:?}", said.body.get(..200));
    let huge =
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 1099511627776\r\n\r\n{";
    assert_eq!(send(&host, "alice", huge).status, 400);
    // Null is what is not there.
    let nulls = r#"{"Image":"ds01-base","HostConfig":null,"Labels":null,"Env":null}"#;
    assert_eq!(create(nulls).status, 201);
}
