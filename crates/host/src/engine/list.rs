//! Lists of containers.
//!
//! Nearly every command begins with one, so these calls are our own, not bollard's: they need no
//! event loop, and of what the engine says they read the part that counts.

use std::{borrow::Cow, time::Duration};

use ds01_core::{
    container::{ContainerId, Sighting, State},
    labels::Labels,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Engine, EngineError};
use crate::http::SentRequest;

const WHAT: Call = Call::Read("list containers");
const INSPECT: Call = Call::Read("inspect containers");

/// In which an engine tells of one container, unless somebody reads files of it.
const SOON: Duration = Duration::from_millis(100);

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

    /// One container as a list shows it, but without the engine's words; `None` if there is none.
    ///
    /// The engine goes through the names of all there are for any list, 4 ms for 1,000; to look at one
    /// costs the same however many there are. But it tells nothing of one while somebody copies files
    /// of it, for as long as they like: then a list does.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn sight(&self, id: &ContainerId) -> Result<Option<Sighting>, EngineError> {
        let asked = self.begin(INSPECT, "GET", &format!("/containers/{}/json", id.0), "")?;
        let comes = asked.comes_within(SOON);
        if !comes.map_err(|error| self.failed(INSPECT, error))? {
            return Ok(self.list(&Query::Ids(vec![id.clone()]))?.pop());
        }
        let said = self.finish(INSPECT, asked)?;
        if said.status == 404 {
            return Ok(None);
        }
        let looked_at: LookedAt<'_> = self.read(INSPECT, &said, 200)?;
        Ok(Some(looked_at.into()))
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

    fn ask_list(&self, query: &Query) -> Result<Option<SentRequest<'_>>, EngineError> {
        let path = query.path();
        path.map(|path| self.begin(WHAT, "GET", &path, ""))
            .transpose()
    }

    fn listed(&self, asked: Option<SentRequest<'_>>) -> Result<Vec<Sighting>, EngineError> {
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

fn binds(mounts: Option<Vec<Mount<'_>>>) -> Vec<String> {
    let mounts = mounts.unwrap_or_default().into_iter();
    let binds = mounts.filter(|mount| mount.kind.as_deref() == Some("bind"));
    binds.filter_map(|mount| mount.source).collect()
}

/// The same of one that was looked at closely.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LookedAt<'a> {
    id: ContainerId,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    created: Cow<'a, str>,
    state: Status,
    config: Made,
    mounts: Option<Vec<Mount<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    status: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    image: Option<String>,
    labels: Option<Labels>,
}

impl From<LookedAt<'_>> for Sighting {
    fn from(looked_at: LookedAt<'_>) -> Self {
        Self {
            id: looked_at.id,
            name: looked_at.name.trim_start_matches('/').into(),
            state: looked_at.state.status,
            image: looked_at.config.image.unwrap_or_default(),
            created: Timestamp::parse(&looked_at.created).unwrap_or(Timestamp(0)),
            status: String::new(),
            labels: looked_at.config.labels.unwrap_or_default(),
            binds: binds(looked_at.mounts),
        }
    }
}

impl From<Listed<'_>> for Sighting {
    fn from(listed: Listed<'_>) -> Self {
        // A linked container has more names, `/other/alias`: its own has one slash.
        let names = listed.names.unwrap_or_default();
        let own = names
            .iter()
            .find_map(|name| name.strip_prefix('/').filter(|n| !n.contains('/')));
        Self {
            id: listed.id,
            name: own.unwrap_or_default().into(),
            state: listed.state,
            image: listed.image.unwrap_or_default(),
            created: Timestamp(listed.created.try_into().unwrap_or(0)),
            status: listed.status.unwrap_or_default(),
            labels: listed.labels.unwrap_or_default(),
            binds: binds(listed.mounts),
        }
    }
}
