//! The engine's images.

use ds01_core::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Call, Engine, EngineError, list::with_filters};

const WHAT: Call = Call::Read("list images");

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

/// What is read of an image.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    repo_tags: Option<Vec<String>>,
    size: i64,
    created: i64,
}

impl Engine {
    /// Lists the images that have a name like `pattern`, in which `*` stands for all but `/`; all
    /// that have a name if there is none.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn images(&self, pattern: Option<&str>) -> Result<Vec<ImageSummary>, EngineError> {
        let filters = match pattern {
            Some(pattern) => json!({ "reference": [pattern] }),
            None => json!({ "dangling": ["false"] }),
        };
        let path = with_filters("/images/json?", &filters);
        let said = self.ask(WHAT, "GET", &path, "")?;
        let images: Vec<Listed> = self.read(WHAT, &said, 200)?;
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let named = |name: &String| name != "<none>:<none>";
        let summary = |image: Listed| ImageSummary {
            id: image.id,
            // An image without names has none, or by release 20.10 this one.
            names: image
                .repo_tags
                .into_iter()
                .flatten()
                .filter(named)
                .collect(),
            size_bytes: number(image.size),
            created: Timestamp(number(image.created)),
        };
        Ok(images.into_iter().map(summary).collect())
    }

    /// Gives the image of this id one more name, `repo:tag`.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 404 without the image.
    pub fn tag(&self, image: &str, name: &str) -> Result<(), EngineError> {
        const WHAT: Call = Call::Change("name the image");
        let (repo, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let path = format!("/images/{image}/tag?repo={repo}&tag={tag}");
        let said = self.ask(WHAT, "POST", &path, "")?;
        match said.status {
            201 => Ok(()),
            _ => Err(EngineError::refused(WHAT, &said)),
        }
    }
}
