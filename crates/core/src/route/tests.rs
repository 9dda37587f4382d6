use super::*;

const V: Version = Version(1, 41);

fn find(method: &str, path: &str) -> Result<(Action, Option<String>), NoRoute> {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let found = route(method, path, query)?;
    spoken(found.version, OLDEST, V)?;
    Ok((found.action, found.target))
}

#[test]
fn a_call_is_found_by_method_and_path_with_or_without_version() {
    let some = |text: &str| Some(text.to_string());
    for (method, path, action, target) in [
        ("GET", "/_ping", Action::Ping, None),
        ("GET", "/version", Action::Version, None),
        ("GET", "/v1.41/volumes", Action::VolumeList, None),
        (
            "GET",
            "/v1.24/containers/json?all=1",
            Action::ContainerList,
            None,
        ),
        (
            "GET",
            "/containers/x/json",
            Action::ContainerInspect,
            some("x"),
        ),
        (
            "DELETE",
            "/v1.41/containers/json",
            Action::ContainerRemove,
            some("json"),
        ),
        (
            "GET",
            "/images/a/b:1@sha256:0/json",
            Action::Image,
            some("a/b:1@sha256:0"),
        ),
        (
            "GET",
            "/images/a%2Fb%40sha256%3A0/json",
            Action::Image,
            some("a/b@sha256:0"),
        ),
        ("DELETE", "/images/a/b", Action::ImageRemove, some("a/b")),
        ("POST", "/ds01/v1/create", Action::Operation, some("create")),
        (
            "GET",
            "/images/get?names=a&names=b",
            Action::ImageSave,
            None,
        ),
        ("POST", "/build/prune", Action::BuildPrune, None),
        // As docker-py writes them.
        (
            "GET",
            "/containers/json?limit=-1&all=0&size=0&trunc_cmd=0",
            Action::ContainerList,
            None,
        ),
        (
            "GET",
            "/images/json?only_ids=0&all=0",
            Action::ImageList,
            None,
        ),
        (
            "POST",
            "/images/a/tag?tag=x&repo=b&force=0",
            Action::ImageTag,
            some("a"),
        ),
    ] {
        assert_eq!(find(method, path), Ok((action, target)), "{method} {path}");
    }
}

#[test]
fn a_path_that_no_client_writes_is_refused() {
    for path in [
        "",
        "containers/json",
        "//containers/json",
        "/containers//json",
        "/containers/./json",
        "/containers/../info",
        "/containers/%2e%2e/json",
        "/containers/x%00/json",
        "/containers/x%0d%0a/json",
        "/containers/%ff/json",
        "/containers/a b/json",
        "/containers/x/json/",
        "/v1.41//containers/json",
        "/v1/containers/json",
        "/v1.x/info",
        "/v1.99999999999/info",
        "http://docker/info",
        "/%zz/info",
    ] {
        assert_eq!(find("GET", path), Err(NoRoute::Path), "{path}");
    }
}

#[test]
fn a_version_is_between_the_oldest_and_the_advertised() {
    let told = |path| find("GET", path).unwrap_err().to_string();
    let newest = "client version 1.42 is too new. Maximum supported API version is 1.41";
    assert_eq!(told("/v1.42/info"), newest);
    let oldest = "client version 1.23 is too old. Minimum supported API version is 1.24";
    assert_eq!(told("/v1.23/info"), oldest);
}

#[test]
fn what_the_table_lacks_is_refused_by_name() {
    for (method, path, told) in [
        ("POST", "/info", "DS01 does not know the call POST /info"),
        (
            "GET",
            "/nothing",
            "DS01 does not know the call GET /nothing",
        ),
        (
            "POST",
            "/containers/x/update",
            "POST /containers/x/update is not for users of a shared host: DS01 sets the limits",
        ),
        (
            "POST",
            "/swarm/init",
            "POST /swarm/init is not for users of a shared host: it would change the whole host",
        ),
        (
            "GET",
            "/containers/json?al=1",
            "DS01 does not know \"al\" of the call GET /containers/json",
        ),
        (
            "GET",
            "/containers/json?all=1&all=0",
            "DS01 does not know \"all\" of the call GET /containers/json",
        ),
    ] {
        assert_eq!(find(method, path).unwrap_err().to_string(), told);
    }
}

#[test]
fn no_call_hides_another() {
    for (at, row) in ROWS.iter().enumerate() {
        let path = row.path.replace("{}", "x").replace("{*}", "x/y");
        let found = ROWS
            .iter()
            .position(|other| other.method == row.method && matched(other.path, &path).is_some());
        assert_eq!(found, Some(at), "{} {path}", row.method);
    }
}

#[test]
fn a_query_is_decoded_and_written_again() {
    let query = "fromImage=a%2Fb&tag=x+y%26";
    let found = route("POST", "/images/create", Some(query)).unwrap();
    assert_eq!(found.query["tag"], ["x y&"]);
    assert_eq!(write_query(&found.query), "?fromImage=a%2Fb&tag=x%20y%26");
    assert_eq!(write_query(&Query::new()), "");
}
