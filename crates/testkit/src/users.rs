//! The Unix users of a test host.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, chown},
    path::Path,
};

use nix::unistd::{Gid, Uid};

use crate::{OrFail, fail};

/// The users of the trusted group, with uids from 20001 on and a primary group of the same number.
pub const USERS: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];
/// The group whose members may use the engine and the state directory directly.
pub const GROUP: &str = "ds01-users";
/// A user outside that group.
pub const OUTSIDER: &str = "mallory";

const FIRST_UID: u32 = 20001;
const GROUP_ID: u32 = 20000;

/// Who a process runs as.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
}

/// Writes `etc/passwd`, `etc/group` and the home directories under `root`.
pub(crate) fn write_all(root: &Path) {
    let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                  nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    let group = format!(
        "root:x:0:\nnogroup:x:65534:\n{GROUP}:x:{GROUP_ID}:{}\n",
        USERS.join(",")
    );
    fs::write(root.join("etc/passwd"), passwd).or_fail("write etc/passwd");
    fs::write(root.join("etc/group"), group).or_fail("write etc/group");
    for (name, uid) in USERS.iter().chain([&OUTSIDER]).zip(FIRST_UID..) {
        add(root, name, uid);
    }
}

/// Adds a user, a group of the same name and number, and a home directory that only they can enter.
pub(crate) fn add(root: &Path, name: &str, uid: u32) {
    let append = |file: &str, line: String| {
        OpenOptions::new()
            .append(true)
            .open(root.join(file))
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .or_fail(format_args!("add {name} to {file}"));
    };
    append(
        "etc/passwd",
        format!("{name}:x:{uid}:{uid}:{name}:/home/{name}:/bin/bash\n"),
    );
    append("etc/group", format!("{name}:x:{uid}:\n"));
    let home = root.join("home").join(name);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&home)
        .and_then(|()| chown(&home, Some(uid), Some(uid)))
        .or_fail(format_args!("make the home of {name}"));
}

/// Adds a member to the trusted group.
pub(crate) fn join_group(root: &Path, name: &str) {
    let file = root.join("etc/group");
    let text = fs::read_to_string(&file).or_fail("read etc/group");
    let joined = text
        .lines()
        .map(|line| match line.starts_with(&format!("{GROUP}:")) {
            true => format!("{line},{name}\n"),
            false => format!("{line}\n"),
        });
    fs::write(&file, joined.collect::<String>()).or_fail("write etc/group");
}

/// Looks a user up in the files under `root`, which may be broken for all but root.
pub(crate) fn find(root: &Path, name: &str) -> User {
    if name == "root" {
        return User {
            name: name.into(),
            home: "/root".into(),
            uid: Uid::from_raw(0),
            gid: Gid::from_raw(0),
            groups: vec![Gid::from_raw(0)],
        };
    }
    let passwd = fs::read_to_string(root.join("etc/passwd")).or_fail("read etc/passwd");
    let group = fs::read_to_string(root.join("etc/group")).or_fail("read etc/group");
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let Some(entry) = passwd.lines().map(fields).find(|entry| entry[0] == name) else {
        fail(format_args!("no user {name}"));
    };
    let number = |text: &str| {
        text.parse::<u32>()
            .or_fail(format_args!("a number in {text:?}"))
    };
    let gid = number(&entry[3]);
    let joined = group
        .lines()
        .map(fields)
        .filter(|group| group[3].split(',').any(|m| m == name));
    let groups = joined
        .map(|group| number(&group[2]))
        .chain([gid])
        .map(Gid::from_raw)
        .collect();
    User {
        name: name.into(),
        home: entry[5].clone(),
        uid: Uid::from_raw(number(&entry[2])),
        gid: Gid::from_raw(gid),
        groups,
    }
}
