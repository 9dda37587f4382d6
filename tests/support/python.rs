//! A base image with Debian's own pip and apt-get, and stand-ins for what they install.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use ds01_testkit::TestHost;

/// Gives the host's engine this image, under each of the names.
#[track_caller]
pub(crate) fn python(host: &TestHost, names: &[&str]) {
    let path = "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let shell = "CMD [\"/bin/bash\"]";
    let archive = archive();
    let archive = archive.to_string_lossy();
    let import = ["import", "-c", path, "-c", shell, &archive, names[0]];
    host.docker(&import).ok();
    for name in &names[1..] {
        host.docker(&["tag", names[0], name]).ok();
    }
}

/// The archive of its files, made by the first test that needs it.
fn archive() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/python-image");
    let changed = fs::metadata(&script).unwrap().mtime();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(folder.join("python.lock")).unwrap();
    lock.lock().unwrap();
    let archive = folder.join(format!("python-{changed}.tar"));
    if !archive.exists() {
        let unfinished = folder.join("python-unfinished.tar");
        let made = Command::new(script).arg(&unfinished).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        fs::rename(&unfinished, &archive).unwrap();
    }
    archive
}
