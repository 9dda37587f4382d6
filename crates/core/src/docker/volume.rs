//! The body of `POST /volumes/create`.

use serde::de::IgnoredAny;

use super::{
    body::{Texts, body, text},
    isolation::no_driver_options,
    labels,
    names::{Noun, to_engine},
    refused::Refused,
};

body! {
    /// The body of `POST /volumes/create`.
    pub struct VolumeBody {
        name: String,
        driver: String,
        driver_opts: Texts,
        labels: Texts,
        cluster_volume_spec: Never,
    }
}

/// What is not for users, in whatever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Never;

impl<'de> serde::Deserialize<'de> for Never {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl serde::Serialize for Never {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl VolumeBody {
    /// A volume of this engine name and nothing else: what a container needs that names one which
    /// does not exist.
    pub fn named(engine_name: &str, uid: u32) -> Self {
        Self {
            name: Some(engine_name.into()),
            labels: labels::owned(None, uid).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The name, empty if the engine is to choose one.
    pub fn name(&self) -> &str {
        text(&self.name)
    }

    /// Names it.
    pub fn set_name(&mut self, name: String) {
        self.name = Some(name);
    }
}

/// Decides what a request to make a volume comes to: the body for the engine.
///
/// # Errors
///
/// [`Refused`] for drivers and their options, labels of ours, and names of others.
pub fn volume(body: VolumeBody, uid: u32) -> Result<VolumeBody, Refused> {
    let instead = "make it without a driver";
    let driver = text(&body.driver);
    if !matches!(driver, "" | "local") {
        let why = "a driver works as root";
        return Err(Refused::forbidden("Driver", driver, why, instead));
    }
    no_driver_options("DriverOpts", &body.driver_opts)?;
    if body.cluster_volume_spec.is_some() {
        let why = "not a volume of this host";
        return Err(Refused::forbidden("ClusterVolumeSpec", "…", why, instead));
    }
    let name = match body.name() {
        "" => None,
        name => Some(to_engine(Noun::Volume, name, uid)?),
    };
    Ok(VolumeBody {
        name,
        driver: body.driver,
        labels: labels::owned(body.labels, uid)?,
        ..VolumeBody::default()
    })
}
