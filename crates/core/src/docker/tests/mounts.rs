use std::collections::BTreeSet;

use super::*;

fn bind(source: &str, target: &str, read_only: bool, create: bool) -> WantedBind {
    WantedBind {
        source: source.into(),
        target: target.into(),
        read_only,
        create,
    }
}

#[test]
fn binds_are_read_as_docker_reads_them() {
    let volumes = |planned: &Planned| planned.volumes.values().cloned().collect::<Vec<_>>();
    for (asked, binds, named) in [
        ("/h:/c", vec![bind("/h", "/c", false, true)], vec![]),
        (
            "//h/./x/:/c/:ro,Z",
            vec![bind("/h/x", "/c", true, true)],
            vec![],
        ),
        (
            "/h:/c:cached,rprivate",
            vec![bind("/h", "/c", false, true)],
            vec![],
        ),
        ("/:/c", vec![bind("/", "/c", false, true)], vec![]),
        ("data:/c:nocopy", vec![], vec!["data._.1001"]),
        ("data._.1001:/c", vec![], vec!["data._.1001"]),
        ("/c", vec![], vec![]),
    ] {
        let planned = host(json!({"Binds": [asked]})).unwrap();
        assert_eq!(planned.binds, binds, "{asked}");
        assert_eq!(volumes(&planned), named, "{asked}");
    }
    for (asked, expected) in [
        ("", "Binds"),
        (":", "Binds"),
        ("/h:", "Binds"),
        ("/h:/", "Binds"),
        ("/h:/.", "Binds"),
        ("/h:c", "Binds"),
        ("/h/../etc:/c", "Binds"),
        ("/h:/c/../x", "Binds"),
        ("./h:/c", "Name"),
        ("../h:/c", "Name"),
        ("/h:/c:odd", "Binds"),
        ("/h:/c:ro,rw", "Binds"),
        ("/h:/c:ro:x", "Binds"),
        ("/h:/c:shared", "Propagation"),
        ("/h:/c:ro,rslave", "Propagation"),
        ("data:/c:Z", "Binds"),
        ("d:/c", "Name"),
        ("data._.1002:/c", "no such"),
        ("data._.1002._.1001:/c", "no such"),
        ("/dev/null:/var/run/nvidia-container-devices/all", "Binds"),
        ("data:/etc", "Binds"),
        ("/h:/etc/.", "Binds"),
        ("/dev/null:/run//nvidia-container-devices/./0", "Binds"),
    ] {
        assert_eq!(field(host(json!({"Binds": [asked]}))), expected, "{asked}");
    }
}

#[test]
fn mounts_are_folders_volumes_and_tmpfs_only() {
    for (mount, expected) in [
        (
            json!({"Type": "bind", "Source": "/h", "Target": "/c", "Consistency": "cached"}),
            "allowed",
        ),
        (
            json!({"Type": "volume", "Source": "data", "Target": "/c"}),
            "allowed",
        ),
        (json!({"Type": "volume", "Target": "/c"}), "allowed"),
        (
            json!({"Type": "volume", "Target": "/c", "VolumeOptions": {"DriverConfig": {"Name": "local"}}}),
            "allowed",
        ),
        (
            json!({"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"SizeBytes": 5, "Options": [["noexec"]]}}),
            "allowed",
        ),
        (
            json!({"Type": "bind", "Source": "h", "Target": "/c"}),
            "Mounts.Source",
        ),
        (json!({"Type": "bind", "Target": "/c"}), "Mounts.Source"),
        (
            json!({"Type": "bind", "Source": "/h/..", "Target": "/c"}),
            "Mounts.Source",
        ),
        (json!({"Type": "bind", "Source": "/h"}), "Mounts.Target"),
        (
            json!({"Type": "bind", "Source": "/h", "Target": "/c", "BindOptions": {"Propagation": "rshared"}}),
            "Propagation",
        ),
        (
            json!({"Type": "bind", "Source": "/h", "Target": "/c", "Consistency": "odd"}),
            "Mounts.Consistency",
        ),
        (
            json!({"Type": "volume", "Source": "data._.7", "Target": "/c"}),
            "no such",
        ),
        (
            json!({"Type": "volume", "Source": "/h", "Target": "/c"}),
            "Name",
        ),
        (
            json!({"Type": "volume", "Target": "/c", "VolumeOptions": {"DriverConfig": {"Name": "nfs"}}}),
            "Mounts.VolumeOptions.DriverConfig",
        ),
        (
            json!({"Type": "volume", "Target": "/c", "VolumeOptions": {"DriverConfig": {"Options": {"type": "none", "o": "bind", "device": "/"}}}}),
            "Mounts.VolumeOptions.DriverConfig",
        ),
        (
            json!({"Type": "volume", "Target": "/c", "VolumeOptions": {"Labels": {"ds01.uid": "0"}}}),
            "Labels",
        ),
        (
            json!({"Type": "tmpfs", "Target": "/run/nvidia-container-devices/0"}),
            "Mounts.Target",
        ),
        (
            json!({"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"Options": [["odd", "1"]]}}),
            "Tmpfs",
        ),
        (
            json!({"Type": "npipe", "Source": "x", "Target": "/c"}),
            "Mounts.Type",
        ),
        (
            json!({"Type": "cluster", "Source": "x", "Target": "/c"}),
            "Mounts.Type",
        ),
        (
            json!({"Type": "image", "Source": "x", "Target": "/c"}),
            "Mounts.Type",
        ),
        (json!({"Source": "x", "Target": "/c"}), "Mounts.Type"),
    ] {
        assert_eq!(field(host(json!({"Mounts": [mount]}))), expected, "{mount}");
    }
    let selecting = "/var/run/nvidia-container-devices/all";
    assert_eq!(field(host(json!({"Tmpfs": {selecting: ""}}))), "Tmpfs");
    assert_eq!(
        field(planned(json!({"Volumes": {selecting: {}}}))),
        "Volumes"
    );
    assert_eq!(field(planned(json!({"Volumes": {"a:/a": {}}}))), "Volumes");
    assert_eq!(field(host(json!({"Tmpfs": {"/c": "size=1,odd"}}))), "Tmpfs");
}

#[test]
fn what_was_found_is_mounted_and_nothing_is_made_as_root() {
    let planned = host(json!({
        "Binds": ["/h:/c:ro", "data:/d:nocopy", "/anonymous"],
        "Mounts": [
            {"Type": "bind", "Source": "/m", "Target": "/m", "BindOptions":
                {"CreateMountpoint": true, "NonRecursive": true, "Propagation": "private"}},
            {"Type": "volume", "Source": "cache", "Target": "/v", "ReadOnly": true},
        ],
    }))
    .unwrap();
    assert_eq!(
        planned.binds,
        [bind("/h", "/c", true, true), bind("/m", "/m", false, true)]
    );
    let host = &finished(&planned, &[])["HostConfig"];
    assert_eq!(
        host["Binds"],
        json!(["data._.1001:/d:nocopy", "/anonymous"])
    );
    assert_eq!(
        host["Mounts"],
        json!([
            {"Type": "bind", "Source": "/run/ds01/h", "Target": "/c", "ReadOnly": true,
                "BindOptions": {"Propagation": "rprivate"}},
            {"Type": "bind", "Source": "/run/ds01/m", "Target": "/m", "ReadOnly": false,
                "BindOptions": {"Propagation": "rprivate", "NonRecursive": true}},
            {"Type": "volume", "Source": "cache._.1001", "Target": "/v", "ReadOnly": true},
        ])
    );
}

/// How a container with a volume is made, with a folder of the host or not, that was used so.
#[test]
fn a_volume_is_had_by_one_kind_and_filled_only_if_nobody_had_it() {
    let made = |folder: bool, used: Option<Used>| {
        let folder = if folder { "/h:/c" } else { "/anonymous" };
        let planned = host(json!({
            "Binds": [folder, "data:/d", "data:/e:ro", "data:/f:nocopy,ro"],
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/g"}],
        }))
        .unwrap();
        let mut known = UsedVolumes::default();
        if let Some(used) = used {
            known
                .make("data._.1001", crate::time::Timestamp(0))
                .unwrap();
            if used != Used::Never {
                known.learn("data._.1001", used == Used::Owner);
            }
        }
        let made = super::finished_used(&planned, &[], false, &[], &known);
        made.map(|made| serde_json::to_value(made.body).unwrap()["HostConfig"].take())
    };
    for (folder, used, fits) in [
        (false, Some(Used::Never), true),
        (false, Some(Used::Root), true),
        (false, Some(Used::Owner), false),
        (false, None, false),
        (true, Some(Used::Never), true),
        (true, Some(Used::Root), false),
        (true, Some(Used::Owner), true),
        (true, None, true),
    ] {
        let host = match made(folder, used) {
            Ok(host) => host,
            Err(refused) => {
                assert!(!fits, "{folder} {used:?} {refused}");
                let volume = "data".to_string();
                assert_eq!(refused, Refused::Used { volume, used });
                continue;
            }
        };
        assert!(fits, "{folder} {used:?}");
        let binds = host["Binds"].as_array().unwrap();
        let of_data = binds.iter().filter_map(|bind| {
            let bind = bind.as_str().unwrap();
            bind.strip_prefix("data._.1001:")
        });
        let of_data: Vec<_> = of_data.collect();
        let mounts = host["Mounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["Target"] == "/g").unwrap();
        assert_eq!(mount["Source"], "data._.1001");
        if used == Some(Used::Never) {
            assert_eq!(of_data, ["/d", "/e:ro", "/f:nocopy,ro"]);
            assert_eq!(mount["VolumeOptions"], serde_json::Value::Null);
        } else {
            assert_eq!(of_data, ["/d:nocopy", "/e:ro,nocopy", "/f:nocopy,ro"]);
            assert_eq!(mount["VolumeOptions"]["NoCopy"], true);
        }
    }
}

#[test]
fn volumes_without_a_name_get_one_where_the_engine_removes_the_container() {
    let asked = |auto_remove: bool| {
        let body = json!({
            "Volumes": {"/own/": {}, "/bare": {}},
            "HostConfig": {
                "AutoRemove": auto_remove,
                "Binds": ["/bare", "data:/named/", "/home/alice/x:/folder"],
                "Mounts": [{"Type": "volume", "Target": "/mount", "VolumeOptions": {"NoCopy": true}},
                    {"Type": "volume", "Source": "data", "Target": "/other"}],
                "Tmpfs": {"/tmpfs": ""},
                "VolumesFrom": ["a:ro"],
            },
        });
        planned(body).unwrap()
    };
    let of_image = || "/named /folder /other/ /from /image/../image /tmpfs".split(' ');
    let inherited = BTreeSet::from(["/from".to_string()]);
    let usual = asked(false);
    assert!(usual.inherits().unwrap().is_empty());
    let none = usual.unnamed(of_image(), &inherited);
    assert!(none.unwrap().is_empty());
    let planned = asked(true);
    assert_eq!(planned.inherits().unwrap(), BTreeSet::from(["a".into()]));
    let places = planned.unnamed(of_image(), &inherited).unwrap();
    let expected = ["/bare", "/image", "/mount", "/own", "/tmpfs"];
    assert_eq!(places, expected.map(String::from).into());
    assert_eq!(
        field(planned.unnamed(["image"].into_iter(), &inherited)),
        "Volumes"
    );
    let named = |place: String| (place.clone(), format!("name-of-{}", &place[1..]));
    let mut host = planned.body.host_config.unwrap();
    let names = places.into_iter().map(named).collect();
    crate::docker::unnamed::finish(&mut host, &names, 1001).unwrap();
    assert_eq!(host.binds.unwrap(), ["data:/named/"]);
    let mounts = serde_json::to_value(host.mounts).unwrap();
    let unnamed = |place: &str, options: Value| {
        json!({"Type": "volume", "Source": format!("name-of-{place}"), "Target": format!("/{place}"),
            "VolumeOptions": options})
    };
    let options = json!({"Labels": {"ds01.unnamed": "1001"}});
    let mount = unnamed(
        "mount",
        json!({"NoCopy": true, "Labels": {
        "ds01.managed": "true", "ds01.uid": "1001", "ds01.unnamed": "1001"}}),
    );
    let all = mounts.as_array().unwrap();
    assert!(all.contains(&mount), "{mounts}");
    for place in ["bare", "image", "own", "tmpfs"] {
        assert!(all.contains(&unnamed(place, options.clone())), "{mounts}");
    }
}
