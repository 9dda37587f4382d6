//! A directory with the simulated driver in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nvml_wrapper::{Nvml, error::NvmlError};
use serde_json::Value;

/// A directory of its own for each test, with copies of the library and the hook.
pub(crate) struct Driver(pub(crate) PathBuf);

impl Driver {
    /// `name` tells the test from others; `topology` is a file of `topologies/`.
    pub(crate) fn new(name: &str, topology: &str) -> Self {
        let driver = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = fs::remove_dir_all(&driver.0);
        fs::create_dir_all(&driver.0).unwrap();
        let built = std::env::current_exe()
            .unwrap()
            .with_file_name("libnvml_sim.so");
        fs::copy(built, driver.library()).unwrap();
        driver.write(&shipped(topology));
        driver
    }

    /// The library, under the name of NVIDIA's.
    pub(crate) fn library(&self) -> PathBuf {
        self.0.join("libnvidia-ml.so.1")
    }

    /// Replaces the file that the driver answers from.
    pub(crate) fn write(&self, topology: &Value) {
        self.write_text(&topology.to_string());
    }

    /// The same with any text.
    pub(crate) fn write_text(&self, text: &str) {
        let new = self.0.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.0.join("nvml-sim.json")).unwrap();
    }

    /// Loads the library, as programs load NVIDIA's.
    pub(crate) fn load(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(self.library().as_os_str()).init()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of `topologies/`.
pub(crate) fn shipped(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("topologies")
        .join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What `result` failed with.
pub(crate) fn error<T>(result: Result<T, NvmlError>) -> String {
    result
        .err()
        .map_or_else(|| "nothing".to_owned(), |error| format!("{error:?}"))
}
