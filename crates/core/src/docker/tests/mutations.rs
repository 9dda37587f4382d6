use proptest::prelude::*;

use super::*;

/// Values that have broken parsers before.
const ODD: [&str; 16] = [
    "null",
    "true",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e400",
    "\"\"",
    "\"host\"",
    "\"container:\"",
    "\"/..\"",
    "\":::\"",
    "[]",
    "[\"\"]",
    "{}",
    "{\"\":\"\"}",
];

/// Puts `odd` in place of the value that the `steps` lead to.
fn graft(value: &mut Value, steps: &[usize], odd: &Value) {
    let place = match (steps, &mut *value) {
        ([step, ..], Value::Object(map)) if !map.is_empty() => {
            let index = step % map.len();
            map.values_mut().nth(index)
        }
        ([step, ..], Value::Array(items)) if !items.is_empty() => {
            let index = step % items.len();
            items.get_mut(index)
        }
        _ => None,
    };
    match place {
        Some(place) => graft(place, &steps[1..], odd),
        None => *value = odd.clone(),
    }
}

/// Everything that must hold of a body that the engine gets.
fn check(body: &Value) {
    let host = &body["HostConfig"];
    assert_ne!(host["Privileged"], true);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["CgroupParent"], "ds01-student-alice.slice");
    assert!(host["Memory"].as_i64().unwrap() <= 32 * GIB);
    assert!((1..=4096).contains(&host["PidsLimit"].as_i64().unwrap()));
    for gone in [
        "Devices",
        "DeviceRequests",
        "Runtime",
        "MaskedPaths",
        "GroupAdd",
    ] {
        let value = &host[gone];
        assert!(
            value.is_null() || *value == json!([]) || *value == "",
            "{gone} {value}"
        );
    }
    for mode in ["PidMode", "IpcMode", "NetworkMode", "UTSMode", "UsernsMode"] {
        assert_ne!(host[mode], "host");
    }
    for bind in host["Binds"].as_array().into_iter().flatten() {
        let (source, _) = bind
            .as_str()
            .unwrap()
            .split_once(':')
            .unwrap_or(("x._.1001", ""));
        assert!(source.ends_with("._.1001"), "{bind}");
    }
    assert_eq!(body["Labels"]["ds01.managed"], "true");
}

fn everything(body: &[u8]) {
    let name = || "thesis".parse().unwrap();
    let (limits, allow) = (limits(), Allow::default());
    let rules = Rules {
        owner: alice(),
        limits: &limits,
        host_cpus: 8,
        allow: &allow,
        docker: false,
    };
    if let Ok(planned) = read(body).and_then(|body| plan(body, name(), &rules)) {
        let done = finished_with(&planned, &[], true, &[]);
        if let Ok(done) = done {
            check(&serde_json::to_value(&done.body).unwrap());
            // What is written is itself understood.
            let written = write(&done.body).unwrap();
            assert_eq!(read::<CreateBody>(&written).unwrap(), done.body);
        }
    }
    let _ = read(body).and_then(|body| exec(body, true, alice()));
    let _ = read(body).and_then(|body| volume(body, 1001));
    let _ = read(body).and_then(|body| network(body, 1001));
    let _ = read(body).and_then(connect);
    let _ = read(body).and_then(|body| disconnect(&body));
    let _ = read::<ExecStartBody>(body);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_body_however_odd_breaks_what_must_hold(
        line in any::<prop::sample::Index>(),
        grafts in prop::collection::vec(
            (prop::collection::vec(any::<usize>(), 1..5), prop::sample::select(&ODD[..])), 0..4),
    ) {
        let lines: Vec<&str> = RECORDED.lines().collect();
        let (_, body) = line.get(&lines).split_once(' ').unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        for (steps, odd) in &grafts {
            // 1e400 is no number that JSON can hold.
            let odd = serde_json::from_str(odd).unwrap_or(Value::Null);
            graft(&mut body, steps, &odd);
        }
        everything(body.to_string().as_bytes());
    }

    #[test]
    fn no_bytes_however_odd_are_too_much(
        line in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<&str> = RECORDED.lines().collect();
        let (_, body) = line.get(&lines).split_once(' ').unwrap();
        let mut body = body.as_bytes().to_vec();
        for (place, byte) in &edits {
            let place = place.index(body.len());
            body[place] = *byte;
        }
        everything(&body);
        body.truncate(cut.index(body.len()));
        everything(&body);
    }

    #[test]
    fn no_text_makes_a_name_of_another(name in "[a-z0-9._-]{0,12}(\\._\\.[0-9]{1,4}){0,3}") {
        if let Ok(engine) = names::to_engine(names::Noun::Volume, &name, 7) {
            prop_assert!(engine.ends_with("._.7"));
            let back = names::to_user(&engine, 7).unwrap();
            prop_assert_eq!(names::to_engine(names::Noun::Volume, back, 7).unwrap(), engine);
        }
    }
}
