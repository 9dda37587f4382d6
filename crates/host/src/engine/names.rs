//! The names of the engine's volumes and networks.

use serde::Deserialize;

use super::{Call, Engine, EngineError};

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
        const WHAT: Call = Call::Read("list volumes");
        let said = self.ask(WHAT, "GET", "/volumes", "")?;
        let Volumes { volumes } = self.read(WHAT, &said, 200)?;
        Ok(names(volumes.unwrap_or_default()))
    }

    /// All networks.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn networks(&self) -> Result<Vec<String>, EngineError> {
        const WHAT: Call = Call::Read("list networks");
        let said = self.ask(WHAT, "GET", "/networks", "")?;
        Ok(names(self.read(WHAT, &said, 200)?))
    }
}

fn names(all: Vec<Named>) -> Vec<String> {
    all.into_iter().map(|named| named.name).collect()
}
