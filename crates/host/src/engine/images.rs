//! The engine's images.

use std::collections::HashMap;

use bollard::query_parameters::ListImagesOptions;
use ds01_core::time::Timestamp;

use super::{Engine, EngineError};

/// An image as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    /// `sha256:…`
    pub id: String,
    /// Its names with tags.
    pub names: Vec<String>,
    /// Bytes of all its layers, shared ones too.
    pub size_bytes: u64,
    /// When it was made.
    pub created: Timestamp,
}

impl Engine {
    /// Lists the images that have a name like `pattern`, in which `*` stands for all but `/`; all
    /// that have a name if there is none.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn images(&self, pattern: Option<&str>) -> Result<Vec<ImageSummary>, EngineError> {
        let filters = pattern.map(|pattern| HashMap::from([("reference", vec![pattern])]));
        let options = ListImagesOptions {
            filters: filters.map(|filters| {
                let text = |(key, values): (&str, Vec<&str>)| {
                    (
                        key.to_owned(),
                        values.into_iter().map(str::to_owned).collect(),
                    )
                };
                filters.into_iter().map(text).collect()
            }),
            ..ListImagesOptions::default()
        };
        let images = self.wait("list images", self.docker.list_images(Some(options)))?;
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let named = |name: &String| name != "<none>:<none>";
        let summary = |image: bollard::models::ImageSummary| ImageSummary {
            id: image.id,
            names: image.repo_tags.into_iter().filter(named).collect(),
            size_bytes: number(image.size),
            created: Timestamp(number(image.created)),
        };
        Ok(images.into_iter().map(summary).collect())
    }
}
