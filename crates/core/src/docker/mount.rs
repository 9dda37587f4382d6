//! `Mounts` of a container.

use super::body::{Texts, body};

body! {
    /// A folder, volume or tmpfs in a container.
    pub(crate) struct Mount {
        #[serde(rename = "Type")]
        kind: String,
        source: String,
        target: String,
        read_only: bool,
        consistency: String,
        bind_options: BindOptions,
        volume_options: VolumeOptions,
        tmpfs_options: TmpfsOptions,
    }
}

body! {
    /// How a folder of the host is mounted.
    pub(crate) struct BindOptions {
        propagation: String,
        non_recursive: bool,
        create_mountpoint: bool,
        read_only_non_recursive: bool,
        read_only_force_recursive: bool,
    }
}

body! {
    /// How a volume is mounted, and made if it does not exist.
    pub(crate) struct VolumeOptions {
        no_copy: bool,
        labels: Texts,
        subpath: String,
        driver_config: DriverConfig,
    }
}

body! {
    /// Which driver makes a volume.
    pub(crate) struct DriverConfig {
        name: String,
        options: Texts,
    }
}

body! {
    /// How a tmpfs is mounted.
    pub(crate) struct TmpfsOptions {
        size_bytes: i64,
        mode: u32,
        options: Vec<Vec<String>>,
    }
}
