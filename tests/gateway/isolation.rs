//! What is another's is as if it did not exist.

use ds01_testkit::TestHost;

use super::{call, docker, done, refused, sleeper};

#[test]
fn a_container_of_anothers_is_none_by_whatever_name() {
    let host = TestHost::behind_gateway(1);
    let id = sleeper(&host, "bob", "theirs", &[]);
    let mine = sleeper(&host, "alice", "mine", &[]);
    let before = host.docker(&["inspect", &id]).ok();
    // As short as it can be without being the beginning of one's own.
    let same = id.bytes().zip(mine.bytes()).take_while(|(a, b)| a == b);
    let start = &id[..=same.count()];
    let names = [
        &*id,
        &id[..12],
        start,
        "theirs",
        "theirs._.20002",
        "/theirs._.20002",
    ];
    let verbs: [&[&str]; 21] = [
        &["container", "inspect", "NAME"],
        &["logs", "NAME"],
        &["start", "NAME"],
        &["stop", "NAME"],
        &["kill", "NAME"],
        &["restart", "NAME"],
        &["pause", "NAME"],
        &["unpause", "NAME"],
        &["rename", "NAME", "other"],
        &["rm", "NAME"],
        &["exec", "NAME", "id"],
        &["cp", "NAME:/etc/passwd", "."],
        &["cp", "/etc/passwd", "NAME:/"],
        &["attach", "NAME"],
        &["export", "-o", "x.tar", "NAME"],
        &["commit", "NAME", "x"],
        &["diff", "NAME"],
        &["top", "NAME"],
        &["wait", "NAME"],
        &["port", "NAME"],
        &["stats", "--no-stream", "NAME"],
    ];
    for verb in verbs {
        let ask = |name: &str| {
            let args: Vec<_> = verb.iter().map(|word| word.replace("NAME", name)).collect();
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            refused(&host, "alice", &args)
        };
        // By the same words as of one that nobody has. One name goes for all that follow it.
        let name = if verb[0] == "container" {
            names.to_vec()
        } else {
            vec!["theirs", &id]
        };
        for name in name {
            let plain = name.trim_start_matches('/');
            let none = ask("nowhere").replace("nowhere", plain);
            let said = ask(name);
            assert_eq!(
                said.replace(&format!("/{plain}"), plain),
                none,
                "{verb:?} {name}"
            );
        }
    }
    for path in [
        "json",
        "top",
        "logs",
        "changes",
        "export",
        "archive?path=/",
        "stats?stream=0",
    ] {
        for name in names.iter().map(|name| name.trim_start_matches('/')) {
            let said = call(
                &host,
                "alice",
                &format!("GET /containers/{name}/{path}"),
                "",
            );
            assert_eq!(said.status, 404, "{name} {path} {said:?}");
        }
    }
    for other in [
        "stop", "start", "remove", "pause", "unpause", "describe", "locate",
    ] {
        let more = r#""grace_seconds":0,"kill":true"#;
        let body = match other {
            "stop" => format!(r#"{{"name":{{"name":"theirs","uid":20002}},{more}}}"#),
            "remove" => r#"{"name":{"name":"theirs","uid":20002},"stop_seconds":0,"volumes":true,
                "image":true,"dry_run":false}"#
                .to_string(),
            _ => r#"{"name":{"name":"theirs","uid":20002}}"#.to_string(),
        };
        let said = call(&host, "alice", &format!("POST /ds01/v1/{other}"), &body);
        assert_eq!(said.status, 404, "{other} {said:?}");
    }
    for hidden in ["docker-create", "rename", "nothing"] {
        let said = call(&host, "alice", &format!("POST /ds01/v1/{hidden}"), "{}");
        assert_eq!(said.message(), format!("No such operation: {hidden}"));
    }
    assert_eq!(host.docker(&["inspect", &id]).ok(), before);
    // One's own is there by each of them.
    for name in [&*mine, &mine[..12], "mine", "mine._.20001", "/mine"] {
        let own = ["container", "inspect", "-f", "{{.Name}}", name];
        assert_eq!(done(&host, "alice", &own), "/mine");
    }
}

#[test]
fn an_exec_of_anothers_is_none() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &[]);
    let command = r#"{"Cmd":["touch","/taken"],"AttachStdout":true}"#;
    let made = call(&host, "bob", "POST /containers/theirs/exec", command);
    let id = made.body.split('"').nth(3).unwrap().to_string();
    assert_eq!(id.len(), 64, "{made:?}");
    for (line, body) in [
        (format!("GET /exec/{id}/json"), ""),
        (format!("POST /exec/{id}/start"), "{}"),
        (format!("POST /exec/{id}/start"), r#"{"Detach":true}"#),
        (format!("POST /exec/{id}/resize?h=10&w=10"), ""),
    ] {
        let said = call(&host, "alice", &line, body);
        let message = format!("No such exec instance: {id}");
        assert!(
            said.status == 404 && said.message() == message,
            "{line} {said:?}"
        );
        let part = call(&host, "alice", &line.replace(&id, &id[..12]), body);
        assert_eq!(part.status, 404);
    }
    let ran = |status| {
        let there = docker(&host, "bob", &["exec", "theirs", "test", "-e", "/taken"]);
        assert_eq!(there.status, Some(status));
    };
    ran(1);
    assert_eq!(
        call(&host, "bob", &format!("GET /exec/{id}/json"), "").status,
        200
    );
    assert_eq!(
        call(&host, "bob", &format!("POST /exec/{id}/start"), "{}").status,
        200
    );
    ran(0);
}

#[test]
fn lists_have_only_ones_own() {
    let host = TestHost::behind_gateway(1);
    let id = sleeper(&host, "bob", "theirs", &["-v", "data:/data"]);
    sleeper(&host, "alice", "mine", &["-v", "mine:/data"]);
    done(&host, "bob", &["commit", "theirs", "secret:1"]);
    let list = |args: &[&str]| done(&host, "alice", args);
    for filter in [
        "name=theirs".to_string(),
        format!("id={id}"),
        "label=ds01.uid=20002".into(),
        "volume=data".into(),
        "volume=data._.20002".into(),
        "ancestor=ds01-20002/secret:1".into(),
    ] {
        let args = ["ps", "-aq", "--filter", &filter];
        let listed = docker(&host, "alice", &args);
        assert_eq!(listed.stdout, "", "{filter}");
    }
    for filter in ["before=theirs", "since=theirs._.20002"] {
        let args = ["ps", "-aq", "--filter", filter];
        let said = refused(&host, "alice", &args);
        let name = filter.split_once('=').unwrap().1;
        assert!(
            said.starts_with("No such ") && said.ends_with(name),
            "{said}"
        );
    }
    assert_eq!(
        list(&["ps", "-a", "--format", "{{.Names}} {{.Mounts}}"]),
        "mine mine"
    );
    assert_eq!(list(&["volume", "ls", "-q"]), "mine");
    assert_eq!(list(&["volume", "ls", "-q", "--filter", "name=data"]), "");
    let images = list(&["images", "-a", "--format", "{{.Repository}}"]);
    assert!(
        images.contains("ds01-base") && !images.contains("secret"),
        "{images}"
    );
    let info = list(&[
        "info",
        "--format",
        "{{.Containers}} {{.ContainersRunning}} {{.Images}}",
    ]);
    assert_eq!(info, "1 1 2");
    let used = list(&["system", "df", "-v", "--format", "{{json .}}"]);
    assert!(
        !used.contains("theirs") && !used.contains("secret"),
        "{used}"
    );
    // As the client sums up what volumes take.
    let summed = list(&["system", "df"]);
    assert!(summed.contains("Local Volumes"), "{summed}");
    let until = (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH))
        .unwrap()
        .as_secs()
        + 1;
    let events = |user: &str| {
        let until = until.to_string();
        done(&host, user, &["events", "--since", "1", "--until", &until])
    };
    let (mine, theirs) = (events("alice"), events("bob"));
    assert!(
        mine.contains("name=mine") && theirs.contains("name=theirs"),
        "{mine}\n{theirs}"
    );
    assert!(
        !mine.contains("theirs") && !mine.contains(&id) && !mine.contains("20002"),
        "{mine}"
    );
    let of_theirs = [
        "events",
        "--since",
        "1",
        "--until",
        "2",
        "--filter",
        "container=theirs",
    ];
    assert_eq!(
        refused(&host, "alice", &of_theirs),
        "No such container: theirs"
    );
    // Everything that is pruned is one's own.
    host.docker(&["kill", &id]).ok();
    for what in ["container", "volume", "image", "network"] {
        list(&[what, "prune", "-f"]);
    }
    list(&["image", "prune", "-af"]);
    assert_eq!(done(&host, "bob", &["ps", "-aq", "--no-trunc"]), id);
    assert_eq!(done(&host, "bob", &["volume", "ls", "-q"]), "data");
    assert!(done(&host, "bob", &["images"]).contains("secret"));
}

#[test]
fn volumes_and_networks_of_anothers_are_none() {
    let host = TestHost::behind_gateway(1);
    done(&host, "bob", &["volume", "create", "data"]);
    for name in ["data", "data._.20002"] {
        // In the words of this release of the client, which are those for one that nobody has.
        let inspect = |name: &str| refused(&host, "alice", &["volume", "inspect", name]);
        assert_eq!(inspect(name), inspect("nowhere").replace("nowhere", name));
        let remove = |name: &str| refused(&host, "alice", &["volume", "rm", name]);
        assert_eq!(remove(name), remove("nowhere").replace("nowhere", name));
    }
    let mounted = |name: &str| {
        let mount = format!("{name}:/x");
        docker(
            &host,
            "alice",
            &["run", "--rm", "-v", &mount, "ds01-base", "ls", "/x"],
        )
    };
    done(
        &host,
        "bob",
        &[
            "run",
            "--rm",
            "-v",
            "data:/x",
            "ds01-base",
            "touch",
            "/x/secret",
        ],
    );
    // By this name she gets one of her own.
    assert_eq!(mounted("data").ok(), "");
    let named = mounted("data._.20002");
    assert!(
        named.stderr.contains("no such volume: data._.20002"),
        "{named:?}"
    );
    for name in ["data._.20002", "data._.20001._.20002", "x._.20002._.20001"] {
        assert!(refused(&host, "alice", &["volume", "create", name]).contains("no such volume"));
    }
    assert_eq!(
        done(
            &host,
            "bob",
            &["run", "--rm", "-v", "data:/x", "ds01-base", "ls", "/x"]
        ),
        "secret"
    );
    // A volume without a name can be used as any other.
    let unnamed = done(&host, "alice", &["volume", "create"]);
    assert_eq!(
        done(
            &host,
            "alice",
            &["volume", "inspect", "-f", "{{.Name}}", &unnamed]
        ),
        unnamed
    );
    done(
        &host,
        "alice",
        &[
            "run",
            "--rm",
            "-v",
            &format!("{unnamed}:/x"),
            "ds01-base",
            "touch",
            "/x/y",
        ],
    );
    assert_eq!(mounted(&unnamed).ok(), "y\n");
    done(&host, "alice", &["volume", "rm", &unnamed, "data"]);
    assert_eq!(done(&host, "bob", &["volume", "ls", "-q"]), "data");
    // Nor is one without a name another's by the engine's name for it.
    let anonymous = sleeper(&host, "bob", "holds", &["-v", "/inner"]);
    let template = "{{(index .Mounts 0).Name}}";
    let engine = host.docker(&["inspect", "-f", template, &anonymous]).ok();
    assert_eq!(mounted(engine.trim()).ok(), "");

    let made = host.docker(&["network", "create", "--internal", "net._.20002"]);
    let id = made.ok();
    let id = id.trim();
    for name in ["net", "net._.20002", id, &id[..12]] {
        let none = format!("network {name} not found");
        let inspect = |name: &str| refused(&host, "alice", &["network", "inspect", name]);
        assert_eq!(inspect(name), inspect("nowhere").replace("nowhere", name));
        let remove = |name: &str| refused(&host, "alice", &["network", "rm", name]);
        assert_eq!(remove(name), remove("nowhere").replace("nowhere", name));
        let join = ["create", "--network", name, "ds01-base"];
        // The client takes a 404 for the image's.
        assert!(refused(&host, "alice", &join).ends_with(&none));
    }
    assert_eq!(
        done(
            &host,
            "bob",
            &["network", "inspect", "-f", "{{.Name}}", "net"]
        ),
        "net"
    );
    assert!(!done(&host, "alice", &["network", "ls"]).contains("net "));
    // The host's network is nobody's, by its id too.
    let host_id = host
        .docker(&["network", "ls", "-q", "--no-trunc", "-f", "name=host"])
        .ok();
    for name in [host_id.trim(), &host_id[..12]] {
        let join = ["create", "--network", name, "ds01-base"];
        let said = refused(&host, "alice", &join);
        assert_eq!(said, "the host's network is not for containers");
    }
    host.docker(&["network", "rm", id]).ok();
}
