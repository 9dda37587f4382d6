//! Which images can be named by a framework, and what they have to work on.

use ds01_core::{
    catalogue::{self, Entry, Hardware},
    failure::Failure,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site,
    nvml::{NvmlError, Probe},
    projects::read,
    users::Caller,
};

/// The file, beside the policy.
const FILE: &str = "ml_images.repo";

/// Asks for the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {}

/// The catalogue of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its lines; none if there is no file.
    pub entries: Vec<Entry>,
    /// What an image has to work on.
    pub hardware: Hardware,
    /// The image of projects that name neither one nor a framework.
    pub default_image: Option<String>,
}

impl Operation for Catalogue {
    const NAME: &'static str = "catalogue";
    type Answer = Offered;

    fn run(&self, site: &Site, _: Caller) -> Result<Offered, Failure> {
        let config = site.config();
        let probe = Probe::begin(config.gpu.library.as_deref())?;
        let entries = entries(site)?;
        let hardware = match probe.finish() {
            Ok(inventory) => inventory.hardware,
            // Only a host without a driver has no GPU: one that does not answer may have.
            Err(NvmlError::Absent(_)) => Hardware::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Offered {
            entries,
            hardware,
            default_image: config.containers.default_image.clone(),
        })
    }
}

/// The lines of this host's catalogue.
///
/// # Errors
///
/// If its file cannot be read.
pub(crate) fn entries(site: &Site) -> Result<Vec<Entry>, Failure> {
    let text = read(&site.config().paths.config.join(FILE))?.unwrap_or_default();
    Ok(catalogue::read(&text))
}

/// What the catalogue says that an image is made for. One that cannot be read says nothing: no
/// container is refused for the sake of a label.
pub(super) fn framework_of(site: &Site, image: &str) -> Option<String> {
    catalogue::framework_of(&entries(site).ok()?, image)
}
