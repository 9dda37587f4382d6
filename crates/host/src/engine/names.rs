//! The names of the engine's volumes and networks.

use serde::Deserialize;

use super::{Engine, EngineError};
use crate::http;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volumes {
    volumes: Option<Vec<Named>>,
}

impl Engine {
    /// All volumes.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn volumes(&self) -> Result<Vec<String>, EngineError> {
        const WHAT: &str = "list volumes";
        let said = http::ask(&self.socket, "GET", "/volumes", "", self.limit);
        let said = said.map_err(|error| self.failed(WHAT, error))?;
        let Volumes { volumes } = self.read(WHAT, &said, 200)?;
        Ok(names(volumes.unwrap_or_default()))
    }

    /// All networks.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn networks(&self) -> Result<Vec<String>, EngineError> {
        const WHAT: &str = "list networks";
        let said = http::ask(&self.socket, "GET", "/networks", "", self.limit);
        let said = said.map_err(|error| self.failed(WHAT, error))?;
        Ok(names(self.read(WHAT, &said, 200)?))
    }
}

fn names(all: Vec<Named>) -> Vec<String> {
    all.into_iter().map(|named| named.name).collect()
}
