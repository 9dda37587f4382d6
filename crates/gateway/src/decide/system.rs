//! What the engine tells of itself.

use ds01_core::{failure::Failure, route::Query};
use serde_json::{Value, json};

use super::{Call, Outcome, reply, to_engine::oldest};
use crate::filters::Filters;

impl Call<'_> {
    pub(super) async fn ping(&self) -> Result<Outcome, Failure> {
        let said = self.gateway.engine.ask("GET", "/_ping", None).await;
        // A client that could not ask what is spoken would be told that its version is too new.
        let said = said.inspect_err(|_| self.gateway.forget_version())?;
        let advertised = self.gateway.version().await?;
        let headers = [
            ("Api-Version", advertised.to_string()),
            // BuildKit's own protocol is refused: clients shall use the classic builder.
            ("Builder-Version", "1".into()),
            ("Docker-Experimental", "false".into()),
            ("Ostype", "linux".into()),
            (
                "Cache-Control",
                "no-cache, no-store, must-revalidate".into(),
            ),
            ("Content-Type", "text/plain; charset=utf-8".into()),
        ];
        let headers = headers.map(|(name, value)| (name.to_string(), value));
        Ok(Outcome::Reply(
            said.status,
            headers.into(),
            said.body.to_vec(),
        ))
    }

    pub(super) async fn version_of_engine(&self) -> Result<Outcome, Failure> {
        let mut version = self.engine("GET", "/version", None).await?;
        let advertised = self.gateway.version().await?.to_string();
        let oldest = oldest(&version).to_string();
        version["ApiVersion"] = json!(advertised);
        version["MinAPIVersion"] = json!(oldest);
        for component in version["Components"].as_array_mut().into_iter().flatten() {
            if component["Details"]["ApiVersion"].is_string() {
                component["Details"]["ApiVersion"] = json!(advertised);
                component["Details"]["MinAPIVersion"] = json!(oldest);
            }
        }
        reply(200, &version)
    }

    /// The engine, with the numbers of the caller's own containers.
    pub(super) async fn info(&self) -> Result<Outcome, Failure> {
        let mut info = self.engine("GET", "/info", None).await?;
        let mine = self.listed("?all=1").await?;
        let count = |state: &str| mine.iter().filter(|c| c["State"] == state).count();
        info["Containers"] = json!(mine.len());
        info["ContainersRunning"] = json!(count("running"));
        info["ContainersPaused"] = json!(count("paused"));
        let stopped = mine.len() - count("running") - count("paused");
        info["ContainersStopped"] = json!(stopped);
        info["Images"] = json!(self.images(Query::new(), Filters::default()).await?.len());
        reply(200, &info)
    }

    /// What the caller's own things take. Layers and caches are shared, and nobody's.
    pub(super) async fn disk_usage(&self) -> Result<Outcome, Failure> {
        // Only here the engine tells what volumes take.
        let volumes = self.engine("GET", "/system/df?type=volume", None).await?;
        reply(
            200,
            &json!({
                "LayersSize": 0,
                "Images": self.images(Query::new(), Filters::default()).await?,
                "Containers": self.listed("?all=1&size=1").await?,
                "Volumes": self.shown_volumes(volumes),
                "BuildCache": Value::Array(Vec::new()),
                "BuilderSize": 0,
            }),
        )
    }
}
