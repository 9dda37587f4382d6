use super::{
    names::{Noun, to_engine, to_user},
    *,
};

#[test]
fn names_have_their_owner_in_the_engine() {
    for (name, engine) in [
        ("data", Some("data._.1001")),
        ("Data.x_y-z", Some("Data.x_y-z._.1001")),
        ("data._.1001", Some("data._.1001")),
        ("data._.x", Some("data._.x._.1001")),
        ("data._.01001", Some("data._.01001._.1001")),
        ("data._.1002", None),
        ("data._.0", None),
        ("data._.1002._.1001", None),
        ("", None),
        ("d", None),
        ("._.1001", None),
        ("-data", None),
        ("a/b", None),
        ("a b", None),
        ("ü2", None),
        ("..", None),
    ] {
        let made = to_engine(Noun::Volume, name, 1001).ok();
        assert_eq!(made.as_deref(), engine, "{name}");
        if let Some(engine) = made {
            let back = to_user(&engine, 1001).unwrap();
            assert_eq!(to_engine(Noun::Volume, back, 1001).unwrap(), engine);
            assert_eq!(to_user(&engine, 1002), None);
        }
    }
    assert!(to_engine(Noun::Network, "d", 1001).is_ok());
    assert!(to_engine(Noun::Volume, &"x".repeat(250), 1001).is_err());
    for engine in ["data", "data._.1002", "a._.1002._.1001", "._.1001"] {
        assert_eq!(to_user(engine, 1001), None, "{engine}");
    }
}

fn executed(body: Value, as_owner: bool) -> Result<Value, Refused> {
    let body = exec(read(body.to_string().as_bytes())?, as_owner, alice())?;
    Ok(serde_json::to_value(body).unwrap())
}

#[test]
fn an_exec_has_no_more_rights_than_its_container() {
    for (body, as_owner, expected) in [
        (json!({"Privileged": true}), false, "Privileged"),
        (json!({"User": "0"}), false, "allowed"),
        (json!({"User": "0"}), true, "User"),
        (json!({"User": "root"}), true, "User"),
        (json!({"User": "1001:0"}), true, "User"),
        (json!({"User": "1001"}), true, "allowed"),
        (json!({"User": "1001:100"}), true, "allowed"),
        (json!({"Unknown": 1}), true, "JSON"),
    ] {
        assert_eq!(field(executed(body.clone(), as_owner)), expected, "{body}");
    }
    let body = json!({
        "Container": "forged", "User": "alice", "Cmd": ["sh"], "Tty": true, "ConsoleSize": [24, 80],
        "Env": ["NVIDIA_VISIBLE_DEVICES=all", "A=b"],
    });
    assert_eq!(
        executed(body, true).unwrap(),
        json!({
            "User": "1001:100", "Cmd": ["sh"], "Tty": true, "ConsoleSize": [24, 80], "Env": ["A=b"],
        })
    );
}

fn made_volume(body: Value) -> Result<Value, Refused> {
    let body = volume(read(body.to_string().as_bytes())?, 1001)?;
    Ok(serde_json::to_value(body).unwrap())
}

#[test]
fn volumes_are_local_and_labelled() {
    for (body, expected) in [
        (json!({"Name": "data._.7"}), "no such"),
        (json!({"Name": "a/b"}), "Name"),
        (json!({"Driver": "nfs"}), "Driver"),
        (
            json!({"DriverOpts": {"type": "none", "o": "bind", "device": "/"}}),
            "DriverOpts",
        ),
        (
            json!({"ClusterVolumeSpec": {"Group": "x"}}),
            "ClusterVolumeSpec",
        ),
        (
            json!({"ClusterVolumeSpec": null, "DriverOpts": {}}),
            "allowed",
        ),
        (json!({"Labels": {"DS01.UID": "0"}}), "Labels"),
    ] {
        assert_eq!(field(made_volume(body.clone())), expected, "{body}");
    }
    let ours = json!({"a": "b", "ds01.uid": "1001", "ds01.managed": "true"});
    assert_eq!(
        made_volume(json!({"Name": "data", "Driver": "local", "Labels": {"a": "b"}})).unwrap(),
        json!({"Name": "data._.1001", "Driver": "local", "Labels": ours})
    );
    assert_eq!(made_volume(json!({"Name": ""})).unwrap().get("Name"), None);
    let named = serde_json::to_value(VolumeBody::named("data._.1001", 1001)).unwrap();
    assert_eq!(
        named["Labels"],
        json!({"ds01.uid": "1001", "ds01.managed": "true"})
    );
}

fn made_network(body: Value) -> Result<Value, Refused> {
    let body = network(read(body.to_string().as_bytes())?, 1001)?;
    Ok(serde_json::to_value(body).unwrap())
}

#[test]
fn networks_are_bridges_of_their_owner() {
    for (more, expected) in [
        (json!({"Name": null}), "Name"),
        (json!({"Name": "x._.7"}), "no such"),
        (json!({"Driver": "macvlan"}), "Driver"),
        (json!({"Driver": "host"}), "Driver"),
        (json!({"Scope": "swarm"}), "Scope"),
        (json!({"Ingress": true}), "Ingress"),
        (json!({"ConfigOnly": true}), "ConfigOnly"),
        (json!({"ConfigFrom": {"Network": "x"}}), "ConfigFrom"),
        (json!({"ConfigFrom": {"Network": ""}}), "allowed"),
        (
            json!({"Options": {"com.docker.network.bridge.name": "docker0"}}),
            "Options",
        ),
        (json!({"Options": {"parent": "eth0"}}), "Options"),
        (json!({"IPAM": {"Driver": "dhcp"}}), "IPAM.Driver"),
        (json!({"IPAM": {"Options": {"a": "b"}}}), "IPAM.Options"),
        (json!({"Labels": {"ds01.x": ""}}), "Labels"),
    ] {
        let mut body = json!({"Name": "n"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(field(made_network(body.clone())), expected, "{body}");
    }
    let body = json!({
        "Name": "n", "CheckDuplicate": false, "Internal": true, "EnableIPv6": true,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.1.0.0/16", "IPRange": "",
            "AuxiliaryAddresses": {"a": "10.1.0.9"}}]},
        "Options": {"com.docker.network.driver.mtu": "1400"},
    });
    let read: NetworkBody = read(body.to_string().as_bytes()).unwrap();
    assert_eq!(read.subnets().collect::<Vec<_>>(), ["10.1.0.0/16"]);
    let mut expected = body.clone();
    expected["Name"] = "n._.1001".into();
    expected["CheckDuplicate"] = true.into();
    expected["Labels"] = json!({"ds01.uid": "1001", "ds01.managed": "true"});
    assert_eq!(made_network(body).unwrap(), expected);
}

#[test]
fn connections_are_between_what_was_found() {
    let body =
        json!({"Container": "web", "EndpointConfig": {"Links": ["db:sql"], "EndpointID": "x"}});
    let planned = connect(read(body.to_string().as_bytes()).unwrap()).unwrap();
    let found = ["web", "db"].map(|name| {
        let id = format!("id-{name}");
        (
            name.to_string(),
            Peer {
                id,
                as_owner: false,
            },
        )
    });
    let web = "web".parse().unwrap();
    let body = planned.clone().finish(&found.into(), &web).unwrap();
    assert_eq!(
        serde_json::to_value(body).unwrap(),
        json!({"Container": "id-web", "EndpointConfig": {
            "Links": ["id-db:sql"], "Aliases": ["web"],
        }})
    );
    assert_eq!(field(planned.finish(&BTreeMap::new(), &web)), "no such");
    let driver = json!({"Container": "web", "EndpointConfig": {"DriverOpts": {"a": "b"}}});
    assert_eq!(
        field(connect(read(driver.to_string().as_bytes()).unwrap())),
        "DriverOpts"
    );
    assert_eq!(field(connect(read(b"{}").unwrap())), "Container");
    let body: DisconnectBody = read(br#"{"Container":"/web","Force":true}"#).unwrap();
    assert_eq!(disconnect(&body).unwrap(), "web");
    let body = serde_json::to_value(body.finish("id-web")).unwrap();
    assert_eq!(body, json!({"Container": "id-web", "Force": true}));
}
