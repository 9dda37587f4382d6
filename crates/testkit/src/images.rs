//! The images of a test host's engine.

use std::{
    collections::hash_map::DefaultHasher,
    env,
    fs::{self, File},
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::{
    OrFail, TestHost,
    engine::CHOSEN,
    host::{copy, repository},
};

impl TestHost {
    /// Gives the new engine its images: a copy of what an engine stored that imported them once.
    pub(crate) fn bring_images(&self, bin: &Path) {
        let script = repository().join("scripts/base-image");
        let all = bin.join("testkit-images");
        fs::create_dir_all(&all).or_fail("make the directory of images");
        let stored = all.join(version_of_images(&script));
        let data = self.root().join("engine/data");
        let lock = File::create(all.join("lock")).or_fail("open the lock of the images");
        lock.lock().or_fail("lock the images");
        if !stored.exists() {
            self.start_engine();
            let engine = self.root().join("engine").to_string_lossy().into_owned();
            self.script("base-image", &[&engine, "ds01-base"]);
            self.script("base-image", &[&engine, "ds01-busybox", "--without-bash"]);
            self.engine().stop();
            let unfinished = all.join("unfinished");
            // Left by a test that was killed here.
            let _ = fs::remove_dir_all(&unfinished);
            copy(&data, &unfinished);
            fs::rename(&unfinished, &stored).or_fail("keep the images");
            return;
        }
        drop(lock);
        copy(&stored, &data);
    }
}

/// A name that changes with what goes into the images and with the engine that stores them.
fn version_of_images(script: &Path) -> String {
    let path = env::var("PATH").unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    fs::read(script)
        .or_fail("read base-image")
        .hash(&mut hasher);
    env::var_os(CHOSEN).hash(&mut hasher);
    for program in ["dockerd", "busybox", "bash-static"] {
        let found = env::split_paths(&path).find_map(|dir| fs::metadata(dir.join(program)).ok());
        found
            .map(|file| (file.size(), file.mtime()))
            .hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
