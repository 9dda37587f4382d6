//! What takes the engine's memory, or its time, past every limit of its owner.

use ds01_testkit::TestHost;
use serde_json::json;

use super::{call, client, done, sleeper};
use crate::support::expect::with_limit;

#[test]
fn what_would_take_the_engines_memory_or_time_is_refused() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let create = |more: serde_json::Value| {
        let mut body = json!({ "Image": "ds01-base" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call(&host, "alice", "POST /containers/create", &body.to_string())
    };
    let log = |key: &str, value: &str| {
        create(
            json!({ "HostConfig": { "LogConfig": { "Type": "json-file", "Config": { key: value } } } }),
        )
    };
    for (said, status) in [
        (log("tag", "{{pad .ID 100000000000000 0}}"), 403),
        (log("tag", "mine"), 201),
        (log("max-file", "2000000000"), 400),
        (log("max-file", "0"), 400),
        (log("max-file", "100"), 201),
        (log("max-size", "1000g"), 400),
        (log("max-size", "-1"), 400),
        (log("max-size", "10g"), 201),
        (log("max-buffer-size", "100g"), 403),
        (log("mode", "non-blocking"), 201),
        (create(json!({ "StopTimeout": -1 })), 400),
        (create(json!({ "StopTimeout": 301 })), 400),
        (create(json!({ "StopTimeout": 300 })), 201),
    ] {
        assert_eq!(said.status, status, "{said:?}");
    }
    sleeper(&host, "alice", "mine", &[]);
    let exec = |length: usize| {
        let body = json!({ "Cmd": ["true"], "Env": [format!("A={}", "x".repeat(length))] });
        call(
            &host,
            "alice",
            "POST /containers/mine/exec",
            &body.to_string(),
        )
        .status
    };
    assert_eq!((exec(60 << 10), exec(64 << 10)), (201, 400));
    let heavy = json!({ "Image": "ds01-base", "Labels": { "a": "x".repeat(60 << 10) } });
    let heavy = call(
        &host,
        "alice",
        "POST /containers/create?name=heavy",
        &heavy.to_string(),
    );
    assert_eq!(heavy.status, 201, "{heavy:?}");
    let commit = |more: usize| {
        let label = format!("LABEL%20b={}", "x".repeat(more));
        let line = format!("POST /commit?container=heavy&repo=big&changes={label}");
        call(&host, "alice", &line, "").status
    };
    assert_eq!((commit(100), commit(8 << 10)), (201, 400));
}

#[test]
fn a_container_has_so_many_execs_and_no_more() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &[]);
    let make = || {
        let body = json!({ "Cmd": ["true"] }).to_string();
        call(&host, "alice", "POST /containers/mine/exec", &body)
    };
    // Those that were started and have ended are none of them.
    for _ in 0..3 {
        done(&host, "alice", &["exec", "mine", "true"]);
    }
    for number in 0..60 {
        assert_eq!(make().status, 201, "{number}");
    }
    done(&host, "alice", &["exec", "mine", "true"]);
    // At once, they do not pass together.
    let at_once = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12).map(|_| scope.spawn(make)).collect();
        let all = all.into_iter().map(|one| one.join().unwrap().status);
        all.filter(|status| *status == 201).count()
    });
    assert_eq!(at_once, 4);
    let more = make();
    assert_eq!(more.status, 409, "{more:?}");
    let said = "mine has 64 commands that run or were never started, of 64 at most; end some, \
                or restart it: docker restart mine; if that is no better: docker rm -f mine";
    assert_eq!(more.message(), said);
    // Each container has its own.
    sleeper(&host, "bob", "mine", &[]);
    done(&host, "bob", &["exec", "mine", "true"]);
    done(&host, "alice", &["restart", "-t", "0", "mine"]);
    done(&host, "alice", &["exec", "mine", "true"]);
}

#[test]
fn a_user_makes_so_many_volumes_and_no_more() {
    let host = TestHost::behind_gateway(1);
    let volume = |user: &str, body: serde_json::Value| {
        call(&host, user, "POST /volumes/create", &body.to_string())
    };
    let labels = |length: usize| json!({ "Labels": { "a": "x".repeat(length) } });
    assert_eq!(volume("alice", labels(4 << 10)).status, 400);
    assert_eq!(volume("alice", labels(4000)).status, 201);
    for number in 1..256 {
        assert_eq!(volume("alice", json!({})).status, 201, "{number}");
    }
    let more = volume("alice", json!({}));
    assert_eq!(more.status, 403, "{more:?}");
    let said = "you have 256 volumes, the most that a user may have; \
                remove those that are not used: docker volume prune";
    assert_eq!(more.message(), said);
    // What is there can be used, and no other is made on the way.
    let names = done(&host, "alice", &["volume", "ls", "-q"]);
    let name = names.lines().next().unwrap();
    let create = |volume: &str| {
        let binds =
            json!({ "Image": "ds01-base", "HostConfig": { "Binds": [format!("{volume}:/x")] } });
        call(
            &host,
            "alice",
            "POST /containers/create",
            &binds.to_string(),
        )
    };
    assert_eq!(create(name).status, 201);
    assert_eq!(create("another").message(), said);
    assert_eq!(volume("bob", json!({})).status, 201);
    assert_eq!(call(&host, "alice", "POST /volumes/prune", "").status, 200);
    assert_eq!(volume("alice", json!({})).status, 201);
}

#[test]
fn what_costs_the_host_beside_a_containers_limits_is_refused() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let create = |image: &str, more: serde_json::Value| {
        let mut body = json!({ "Image": image });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        call(&host, "alice", "POST /containers/create", &body.to_string())
    };
    let volumes = |count: usize| {
        let places = (0..count).map(|n| (format!("/v{n}"), json!({})));
        json!({ "Volumes": places.collect::<serde_json::Map<_, _>>() })
    };
    let health =
        |interval: i64| json!({ "Healthcheck": { "Test": ["CMD", "true"], "Interval": interval } });
    let made = |change: &str| {
        let repo = change.split(' ').next().unwrap().to_lowercase();
        host.docker(&["create", "--name=base", "ds01-base"]).ok();
        let name = format!("ds01-20001/{repo}");
        let commit = ["commit", "--change", change, "base", &name];
        host.docker(&commit).ok();
        host.docker(&["rm", "base"]).ok();
        repo
    };
    assert_eq!(create("ds01-base", volumes(64)).status, 201);
    let many = create("ds01-base", volumes(65));
    let said = "not allowed: Mounts=65 (more than 64 in all, with those of the image); mount one folder \
                or volume that has the others in it";
    assert_eq!((many.status, &*many.message()), (403, said));
    assert_eq!(create("ds01-base", health(1_000_000_000)).status, 201);
    let often = create("ds01-base", health(1_000_000));
    let said = "not allowed: Healthcheck.Interval=1000000 (in nanoseconds: each look costs the host, \
                outside of your limits); a second or more, as with --health-interval 30s \
                --health-start-interval 5s";
    assert_eq!((often.status, &*often.message()), (403, said));

    // An image's count too, for whichever command.
    let image = made("VOLUME [\"/w\"]");
    assert_eq!(create(&image, volumes(63)).status, 201);
    assert_eq!(create(&image, volumes(64)).status, 403);
    for change in ["HEALTHCHECK --interval=1ms CMD true", "VOLUME [\"/etc\"]"] {
        let image = made(change);
        let said = create(&image, json!({}));
        let why = "not allowed: the image's ";
        assert!(said.message().starts_with(why), "{change}: {said:?}");
        let args = ["thesis", "--image", &image];
        let said = host.as_user("alice").run("container-create", &args);
        assert!(said.stderr.contains(why), "{change}: {said:?}");
    }
    assert_eq!(create("healthcheck", health(1_000_000_000)).status, 201);
}

#[test]
fn no_build_makes_an_image_that_every_list_would_wait_for() {
    let host = TestHost::behind_gateway(1);
    let build = |dockerfile: &str, args: &[&str]| {
        let args = [&["build", "-q", "--network=none", "-t", "x"], args, &["-"]].concat();
        let alice = client(&host, "alice").env("DOCKER_BUILDKIT", "0");
        alice.stdin(dockerfile).run("docker", &args)
    };
    let why = "an image's settings are 64 KiB at most, with those of the image it is made from: every \
               list of images carries them; set less with LABEL, ENV and ARG, and have fewer instructions";
    let long = "x".repeat(40_000);
    let twice = "ENV A=$A$A\n".repeat(30);
    let lines = "USER 1\n".repeat(1000);
    let label = format!("a={long}");
    for (dockerfile, args) in [
        (
            format!("FROM ds01-base\nLABEL a={long}\nLABEL b={long}\n"),
            &[][..],
        ),
        (format!("FROM ds01-base\nENV A=xx\n{twice}"), &[]),
        (format!("FROM ds01-base\n{lines}"), &[]),
        (
            format!("FROM ds01-base\nLABEL b={long}\n"),
            &["--label", &label],
        ),
        (
            "FROM ds01-base\nARG A\nLABEL b=$A$A\n".into(),
            &["--build-arg", &format!("A={long}")],
        ),
    ] {
        let said = build(&dockerfile, args);
        assert!(said.stderr.contains(why), "{args:?} {said:?}");
    }
    // Those of the image that it is made from count.
    let half = format!("FROM ds01-base\nLABEL a={long}\n");
    build(&half, &[]).ok();
    let said = build(&format!("FROM x\nLABEL b={long}\n"), &[]);
    assert!(said.stderr.contains(why), "{said:?}");
    let import = |length: usize| {
        let change = format!("LABEL%20a={}", "x".repeat(length));
        let line = format!("POST /images/create?fromSrc=-&repo=y&changes={change}");
        call(&host, "alice", &line, "").message()
    };
    let twice = "POST /images/create?fromSrc=-&repo=y&changes=ENV%20A=xx";
    let twice = format!("{twice}{}", "&changes=ENV%20A=$A$A".repeat(30));
    assert!(import(10).contains("sha256:"), "{}", import(10));
    assert_eq!(call(&host, "alice", &twice, "").message(), why);
}

#[test]
fn a_user_names_so_many_images_and_no_more() {
    let host = TestHost::behind_gateway(1);
    let tag = |user: &str, name: &str| {
        let line = format!("POST /images/ds01-base/tag?repo={name}&tag=1");
        call(&host, user, &line, "")
    };
    for number in 0..256 {
        let deep = ["", "a/", "a/b/", "a/b/c/"][number % 4];
        let said = tag("alice", &format!("{deep}i{number}"));
        assert_eq!(said.status, 201, "{said:?}");
    }
    let said =
        "you have 256 images: a user may have 256; remove some with image-delete or docker rmi";
    let more = tag("alice", "more");
    assert_eq!((more.status, &*more.message()), (403, said));
    // As everything else that gives a name; one that is there can be given anew.
    for (name, args) in [
        ("more", &["-t", "more"][..]),
        ("none", &[]),
        ("i0", &["-t", "i0:1"]),
    ] {
        let args = [&["build", "-q", "--network=none"], args, &["-"]].concat();
        let alice = client(&host, "alice").env("DOCKER_BUILDKIT", "0");
        let built = alice.stdin("FROM ds01-base\nUSER 1\n").run("docker", &args);
        assert_eq!(
            built.stderr.contains(said),
            name != "i0",
            "{name}: {built:?}"
        );
    }
    sleeper(&host, "alice", "mine", &[]);
    let of_mine = call(&host, "alice", "POST /commit?container=mine&repo=more", "");
    assert_eq!(of_mine.message(), said);
    let import = call(
        &host,
        "alice",
        "POST /images/create?fromSrc=-&repo=more",
        "",
    );
    assert_eq!(import.message(), said);
    assert_eq!(tag("alice", "i4").status, 201);
    assert_eq!(tag("bob", "more").status, 201);
    done(&host, "alice", &["rmi", "a/b/c/i3:1"]);
    assert_eq!(tag("alice", "more").status, 201);
}
