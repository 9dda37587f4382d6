//! Lists of containers.
//!
//! Nearly every command begins with one, so these calls are our own, not bollard's: they need no
//! event loop, and of what the engine says they read the part that counts.

use std::borrow::Cow;

use ds01_core::{
    container::{ContainerId, Sighting, State},
    labels::Labels,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Engine, EngineError};
use crate::http::Asked;

const WHAT: Call = Call::Read("list containers");

/// Which containers to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All there are, running or not.
    All,
    /// Those that have this label.
    Label(&'static str, String),
    /// Those of these ids that exist.
    Ids(Vec<ContainerId>),
    /// Those made after this one, which must exist.
    NewerThan(ContainerId),
    /// The one of this name.
    Name(String),
    /// Those made from the image of this id, or from one on top of it.
    MadeFrom(String),
}

impl Query {
    /// What the engine is asked; `None` if it need not be.
    fn path(&self) -> Option<String> {
        let (key, values) = match self {
            Self::All => return Some("/containers/json?all=true".into()),
            Self::Ids(ids) if ids.is_empty() => return None,
            Self::Ids(ids) => ("id", ids.iter().map(|id| id.0.clone()).collect()),
            Self::Label(key, value) => ("label", vec![format!("{key}={value}")]),
            Self::NewerThan(id) => ("since", vec![id.0.clone()]),
            Self::MadeFrom(image) => ("ancestor", vec![image.clone()]),
            // Docker matches names as regular expressions; ours have no special character but '.'.
            Self::Name(name) => ("name", vec![format!("^/{}$", name.replace('.', "\\."))]),
        };
        let filters = json!({ key: values });
        Some(with_filters("/containers/json?all=true&", &filters))
    }
}

impl Engine {
    /// Lists containers, newest first.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; for [`Query::NewerThan`] also if that one is gone.
    pub fn list(&self, query: &Query) -> Result<Vec<Sighting>, EngineError> {
        self.listed(self.ask_list(query)?)
    }

    /// Asks two lists at once. One whose [`Query::NewerThan`] names a container that is gone is `None`.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn list_both(
        &self,
        queries: &[Query; 2],
    ) -> Result<[Option<Vec<Sighting>>; 2], EngineError> {
        let [first, second] = queries;
        let asked = (self.ask_list(first)?, self.ask_list(second)?);
        // "No such container" is a 500 of release 20.10's list, and a 404 of others.
        let found = |query: &Query, asked| match self.listed(asked) {
            Ok(list) => Ok(Some(list)),
            Err(EngineError::Refused { .. }) if matches!(query, Query::NewerThan(_)) => Ok(None),
            Err(error) => Err(error),
        };
        Ok([found(first, asked.0)?, found(second, asked.1)?])
    }

    fn ask_list(&self, query: &Query) -> Result<Option<Asked<'_>>, EngineError> {
        let path = query.path();
        path.map(|path| self.begin(WHAT, "GET", &path, ""))
            .transpose()
    }

    fn listed(&self, asked: Option<Asked<'_>>) -> Result<Vec<Sighting>, EngineError> {
        let Some(asked) = asked else {
            return Ok(Vec::new());
        };
        let said = self.finish(WHAT, asked)?;
        let list: Vec<Listed<'_>> = self.read(WHAT, &said, 200)?;
        Ok(list.into_iter().map(Sighting::from).collect())
    }
}

/// `path`, with what is listed alone.
pub(super) fn with_filters(path: &str, filters: &Value) -> String {
    let text = filters.to_string();
    let encoded = text.bytes().map(|byte| format!("%{byte:02X}"));
    format!("{path}filters={}", encoded.collect::<String>())
}

/// What is read of a container; of the engine's words that need no unescaping nothing is copied.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed<'a> {
    id: ContainerId,
    #[serde(borrow)]
    names: Option<Vec<Cow<'a, str>>>,
    image: Option<String>,
    created: i64,
    labels: Option<Labels>,
    /// One that Docker does not have fails the whole list: what it means for devices nobody knows.
    state: State,
    status: Option<String>,
    mounts: Option<Vec<Mount<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<Cow<'a, str>>,
    source: Option<String>,
}

impl From<Listed<'_>> for Sighting {
    fn from(listed: Listed<'_>) -> Self {
        // A linked container has more names, `/other/alias`: its own has one slash.
        let names = listed.names.unwrap_or_default();
        let own = names
            .iter()
            .find_map(|name| name.strip_prefix('/').filter(|n| !n.contains('/')));
        let mounts = listed.mounts.unwrap_or_default().into_iter();
        let binds = mounts.filter(|mount| mount.kind.as_deref() == Some("bind"));
        Self {
            id: listed.id,
            name: own.unwrap_or_default().into(),
            state: listed.state,
            image: listed.image.unwrap_or_default(),
            created: Timestamp(listed.created.try_into().unwrap_or(0)),
            status: listed.status.unwrap_or_default(),
            labels: listed.labels.unwrap_or_default(),
            binds: binds.filter_map(|mount| mount.source).collect(),
        }
    }
}
