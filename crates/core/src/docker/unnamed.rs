//! Volumes without a name, which go with the container that they were made for.

use std::collections::BTreeSet;

use serde_json::Value;

/// Whether the engine chose this name: no user's volume has such a one.
pub fn is_unnamed(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The volumes without a name that a container has, by what the engine tells of it: those that
/// `docker rm -v` removes. One that the request named is not among them, whoever chose its name.
pub fn unnamed_of(inspected: &Value) -> Vec<String> {
    let items = |list: &'_ Value| list.as_array().cloned().unwrap_or_default();
    let host = &inspected["HostConfig"];
    let text = |value: &Value| value.as_str().map(str::to_string);
    let binds = items(&host["Binds"]).into_iter();
    let binds = binds.filter_map(|bind| Some(bind.as_str()?.split_once(':')?.0.to_string()));
    let mounts = items(&host["Mounts"]).into_iter();
    let mounts = mounts.filter_map(|mount| text(&mount["Source"]));
    let named: BTreeSet<String> = binds.chain(mounts).collect();
    let has = items(&inspected["Mounts"]).into_iter();
    let has = has.filter(|mount| mount["Type"] == "volume");
    has.filter_map(|mount| text(&mount["Name"]))
        .filter(|name| is_unnamed(name) && !named.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_has_no_name_that_no_request_named() {
        let name = |digit: &str| digit.repeat(64);
        let has = |kind: &str, name: &str| json!({ "Type": kind, "Name": name });
        let volumes = ["a", "b", "c", "d"].map(|digit| has("volume", &name(digit)));
        let others = [has("volume", "data._.1001"), has("bind", &name("e"))];
        let mounts = [&volumes[..], &others].concat();
        let inspected = json!({
            "Mounts": mounts,
            "HostConfig": {
                "Binds": [format!("{}:/b:ro", name("b")), "/bare"],
                "Mounts": [{ "Type": "volume", "Source": name("c"), "Target": "/c" },
                    { "Type": "volume", "Target": "/d" }],
            },
        });
        assert_eq!(unnamed_of(&inspected), [name("a"), name("d")]);
        let bare =
            json!({ "Mounts": [has("volume", &name("a"))], "HostConfig": { "Binds": null } });
        assert_eq!(unnamed_of(&bare), [name("a")]);
    }
}
