//! Requests to the engine: asked and read here, or begun here and handed to the parser.

use std::{sync::Mutex, time::Instant};

use ds01_core::{
    failure::{Failure, Kind},
    route::{Action, NEWEST, OLDEST, Query, Version, write_query},
};
use serde_json::Value;

use super::{Call, Outcome, REMEMBERED};
use crate::{
    archive::{dockerfile_entry, dockerfile_path, root_entry},
    channel::ParsedBody,
    engine::header,
    keeper::Gateway,
};

/// What comes after the head of a request to the engine.
enum Framing<'a> {
    /// This.
    Json(&'a str),
    /// So many bytes from the parser, or until they end.
    Tar(Option<u64>),
    /// These, and then so many bytes from the parser.
    After(&'a [u8], u64),
}

impl Call<'_> {
    /// A path of the engine's, with the version that is spoken.
    pub(super) fn path(&self, path: &str) -> String {
        format!("/v{}{path}", self.version)
    }

    /// Asks the engine, and reads its answer as JSON.
    pub(super) async fn engine(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<Value, Failure> {
        let said = self
            .gateway
            .engine
            .ask(method, &self.path(path), body)
            .await?;
        crate::engine::json(&said)
    }

    /// Hands the request on to the engine, with this path.
    pub(super) async fn forward(&self, path: &str) -> Result<Outcome, Failure> {
        self.forward_as(path, &self.route.query, None).await
    }

    /// Hands the request on to the engine, with this path, query, and JSON in place of the body.
    pub(super) async fn forward_as(
        &self,
        path: &str,
        query: &Query,
        json: Option<&str>,
    ) -> Result<Outcome, Failure> {
        let framing = match (&self.ask.body, json) {
            (ParsedBody::Json(text), None) => Framing::Json(text),
            (_, Some(json)) => Framing::Json(json),
            (ParsedBody::Stream(length), None) => Framing::Tar(*length),
            (ParsedBody::None, None) => Framing::Tar(Some(0)),
        };
        self.begin(path, query, framing).await
    }

    /// Hands a folder on to the engine: this text in the place of the Dockerfile that the query
    /// names, and then what the parser has kept, which has this length.
    pub(super) async fn forward_folder(
        &self,
        mut query: Query,
        text: &str,
        length: u64,
    ) -> Result<Outcome, Failure> {
        let usage = |error: std::io::Error| Failure::new(Kind::Usage, error.to_string());
        let path = dockerfile_path(self.one("dockerfile").unwrap_or_default()).map_err(usage)?;
        let entry = dockerfile_entry(&path, text);
        query.insert("dockerfile".into(), vec![path]);
        self.begin("/build", &query, Framing::After(&entry, length))
            .await
    }

    /// Hands the archive of an image on to the engine: what the parser has kept, which has this length.
    pub(super) async fn forward_image(
        &self,
        query: &Query,
        length: u64,
    ) -> Result<Outcome, Failure> {
        self.begin(
            "/images/create",
            query,
            Framing::After(&root_entry(), length),
        )
        .await
    }

    async fn begin(
        &self,
        path: &str,
        query: &Query,
        framing: Framing<'_>,
    ) -> Result<Outcome, Failure> {
        let path = format!("{}{}", self.path(path), write_query(query));
        let mut head = format!(
            "{} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n",
            self.ask.method
        );
        if self.ask.upgrade {
            head.push_str("Upgrade: tcp\r\n");
        }
        if let Some(registry) = &self.ask.registry {
            let name = match self.route.action {
                Action::Build => "X-Registry-Config",
                _ => "X-Registry-Auth",
            };
            head.push_str(&format!("{name}: {registry}\r\n"));
        }
        let tar = |length: u64| {
            format!("Content-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n")
        };
        head.push_str(&match framing {
            Framing::Json(text) => format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ),
            Framing::Tar(Some(0)) => "Content-Length: 0\r\n\r\n".into(),
            Framing::Tar(Some(length)) => tar(length),
            Framing::After(first, length) => tar(first.len() as u64 + length),
            Framing::Tar(None) => {
                "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n".into()
            }
        });
        let mut head = head.into_bytes();
        if let Framing::After(first, _) = framing {
            head.extend(first);
        }
        Ok(Outcome::Engine(self.gateway.engine.begin(head).await?))
    }
}

impl Gateway {
    /// The engine may be another when it answers again.
    pub(super) fn forget_version(&self) {
        for known in [&self.version, &self.oldest] {
            if let Ok(mut known) = known.lock() {
                *known = None;
            }
        }
    }

    /// The version that is advertised: the lower of the engine's and the newest of the table.
    pub(super) async fn version(&self) -> Result<Version, Failure> {
        if let Some(version) = remembered(&self.version) {
            return Ok(version);
        }
        let said = self.engine.ask("GET", "/_ping", None).await?;
        let version = header(&said.headers, "api-version").and_then(|text| text.parse().ok());
        let version = version.ok_or_else(|| {
            Failure::new(Kind::Unreachable, "the engine does not tell what it speaks")
        })?;
        Ok(remember(&self.version, NEWEST.min(version)))
    }

    /// The oldest version that may be spoken: the higher of the engine's and the oldest of the table.
    pub(super) async fn oldest(&self) -> Result<Version, Failure> {
        if let Some(version) = remembered(&self.oldest) {
            return Ok(version);
        }
        let said = self.engine.ask("GET", "/version", None).await?;
        let said = serde_json::from_slice(&said.body).unwrap_or_default();
        Ok(remember(&self.oldest, oldest(&said)))
    }
}

/// A version that the engine told, and when.
pub(crate) type Told = Mutex<Option<(Instant, Version)>>;

fn remembered(told: &Told) -> Option<Version> {
    let told = *told.lock().ok()?;
    let told = told.filter(|(at, _)| at.elapsed() < REMEMBERED);
    told.map(|(_, version)| version)
}

fn remember(told: &Told, version: Version) -> Version {
    if let Ok(mut told) = told.lock() {
        *told = Some((Instant::now(), version));
    }
    version
}

/// The oldest version that may be spoken with an engine that describes itself so.
pub(super) fn oldest(engine: &Value) -> Version {
    let told = engine["MinAPIVersion"].as_str();
    let told = told.and_then(|text| text.parse().ok());
    told.map_or(OLDEST, |told| OLDEST.max(told))
}
