//! What the engine asks runc for, as far as it matters here.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Options before runc's word that have a value: `runc --help` of release 1.
const WITH_VALUE: [&[u8]; 5] = [
    b"--criu",
    b"--log",
    b"--log-format",
    b"--root",
    b"--rootless",
];

/// Where runc's word is.
fn word(args: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while args.get(at)?.as_bytes().starts_with(b"-") {
        let has_value = WITH_VALUE.contains(&args[at].as_bytes());
        at += 1 + usize::from(has_value);
    }
    Some(at)
}

/// Whether a process is to be begun in a container.
pub(crate) fn begins(args: &[OsString]) -> bool {
    let word = word(args).and_then(|at| args.get(at));
    word.is_some_and(|word| word == "exec") || bundle(args).is_some()
}

/// The file that says which process is to join a container, as the engine has one join.
pub(crate) fn process(args: &[OsString]) -> Option<PathBuf> {
    let word = args.get(word(args)?)?;
    value(args, "--process").filter(|_| word == "exec")
}

/// The folder of the container that is to be created, if one is.
pub(crate) fn bundle(args: &[OsString]) -> Option<PathBuf> {
    let (word, args) = args.split_at(word(args)?).1.split_first()?;
    let mut args = args.iter();
    if word != "create" && word != "run" && word != "restore" {
        return None;
    }
    let mut bundle = PathBuf::from(".");
    while let Some(arg) = args.next() {
        let arg = arg.as_bytes();
        if arg == b"--bundle" || arg == b"-b" {
            bundle = args.next()?.into();
        } else if let Some(value) = arg.strip_prefix(b"--bundle=") {
            bundle = PathBuf::from(OsStr::from_bytes(value));
        }
    }
    Some(bundle)
}

/// The file in which the engine looks for what went wrong, if it names one.
pub(crate) fn log(args: &[OsString]) -> Option<PathBuf> {
    value(args, "--log")
}

/// The file in which the engine looks for the process that was begun, if it names one.
pub(crate) fn pid_file(args: &[OsString]) -> Option<PathBuf> {
    value(args, "--pid-file")
}

/// The folder in which runc keeps what it knows of containers.
pub(crate) fn state(args: &[OsString]) -> PathBuf {
    value(args, "--root").unwrap_or("/run/runc".into())
}

/// The same with another folder for what runc keeps.
pub(crate) fn with_state(args: &[OsString], state: &Path) -> Vec<OsString> {
    // Of an option that is given twice the last counts.
    let (own, rest) = args.split_at(word(args).unwrap_or_default());
    let state = ["--root".as_ref(), state.as_os_str()].map(OsString::from);
    [own, &state, rest].concat()
}

/// The name that runc is to give the container.
pub(crate) fn id(args: &[OsString]) -> Option<&OsString> {
    args.last()
}

/// The value of an option.
fn value(args: &[OsString], option: &str) -> Option<PathBuf> {
    let mut args = args.iter().map(|arg| arg.as_bytes());
    while let Some(arg) = args.next() {
        if arg == option.as_bytes() {
            return Some(OsStr::from_bytes(args.next()?).into());
        }
        let value = arg.strip_prefix(option.as_bytes());
        if let Some(value) = value.and_then(|value| value.strip_prefix(b"=")) {
            return Some(OsStr::from_bytes(value).into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_found_where_they_are_named() {
        let of = |line: &str| {
            let args: Vec<_> = line.split(' ').map(OsString::from).collect();
            log(&args)
        };
        let found = Some(PathBuf::from("/b/log.json"));
        assert_eq!(of("--root /r --log /b/log.json create c1"), found);
        assert_eq!(of("--log=/b/log.json start c1"), found);
        assert_eq!(of("--log-format json state c1"), None);
        let named = "--root /run/r create --bundle /b --pid-file /b/init.pid c1";
        let named: Vec<_> = named.split(' ').map(OsString::from).collect();
        assert_eq!(state(&named), PathBuf::from("/run/r"));
        assert_eq!(pid_file(&named), Some(PathBuf::from("/b/init.pid")));
        assert_eq!(state(&[]), PathBuf::from("/run/runc"));
        assert_eq!(id(&named), Some(&"c1".into()));
        let moved = with_state(&named, Path::new("/m")).join("".as_ref());
        let expected = "--root /run/r --root /m create --bundle /b --pid-file /b/init.pid c1";
        assert_eq!(moved, OsString::from(expected.replace(' ', "")));
    }

    #[test]
    fn the_bundle_is_found_where_a_container_is_created() {
        let of = |line: &str| {
            let args: Vec<_> = line.split(' ').map(OsString::from).collect();
            bundle(&args)
        };
        let log = "--root /run/create --log /b/log.json --log-format json --systemd-cgroup";
        for (line, found) in [
            // As containerd's shim calls it.
            ("create --bundle /b --pid-file /b/init.pid c1", Some("/b")),
            ("create -b /b c1", Some("/b")),
            ("run --bundle=/b c1", Some("/b")),
            ("create c1", Some(".")),
            ("start create", None),
            ("exec --process /b/p.json c1", None),
            ("delete --force c1", None),
            ("--version", None),
        ] {
            assert_eq!(of(line), found.map(PathBuf::from), "{line}");
            let logged = format!("{log} {line}");
            assert_eq!(of(&logged), found.map(PathBuf::from), "{logged}");
            let args: Vec<_> = logged.split(' ').map(OsString::from).collect();
            let begun = found.is_some() || line.starts_with("exec ");
            assert_eq!(begins(&args), begun, "{logged}");
            let joins = line.starts_with("exec ").then(|| "/b/p.json".into());
            assert_eq!(process(&args), joins, "{logged}");
        }
    }
}
