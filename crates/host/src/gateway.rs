//! The gateway, as a command without direct access uses it.

use std::{cell::OnceCell, path::PathBuf, time::Duration};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::PENDING,
};
use tokio::time::timeout;

use crate::{Answered, Operation, config::Config, engine::Engine, http};

/// The gateway of this host.
pub(crate) struct Gateway {
    socket: PathBuf,
    limit: Duration,
    engine: OnceCell<Engine>,
}

/// What the body of a refusal holds for us.
#[derive(serde::Deserialize)]
struct Refusal {
    ds01: Failure,
}

impl Gateway {
    /// That of `config`. Nothing is asked yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            socket: config.paths.run.join("docker.sock"),
            limit: config.engine.timeout(),
            engine: OnceCell::new(),
        }
    }

    /// Whether this host has one, be it running or not.
    pub(crate) fn is_there(&self) -> bool {
        self.socket.exists()
    }

    /// It answers Docker's own calls as well.
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left.
    pub(crate) fn engine(&self) -> Result<&Engine, Failure> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&self.socket, self.limit)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// Has an operation done by the gateway.
    ///
    /// # Errors
    ///
    /// The operation's own; or if the gateway does not answer.
    pub(crate) fn ask<O: Operation>(&self, operation: &O) -> Result<Answered<O::Answer>, Failure> {
        let failed = |error: String| {
            let mut failure = Failure::new(Kind::Unreachable, "DS01's gateway does not answer");
            failure.causes = vec![error];
            failure.with_hint("tell an admin: systemctl status ds01-gateway")
        };
        let request = serde_json::to_string(operation).map_err(|e| failed(e.to_string()))?;
        let path = format!("/ds01/v1/{}", O::NAME);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        // Nothing that the ledger waits for takes longer.
        let limit = PENDING + operation.takes();
        let call = http::ask(&self.socket, "POST", &path, Some(request));
        let said = match runtime.block_on(async { timeout(limit, call).await }) {
            Ok(said) => said.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no answer within {} s", limit.as_secs()))),
        };
        match said.status {
            200 => serde_json::from_slice(&said.body).map_err(|error| failed(error.to_string())),
            status => {
                let refusal = serde_json::from_slice::<Refusal>(&said.body);
                Err(refusal.map_or_else(|_| failed(format!("HTTP {status}")), |r| r.ds01))
            }
        }
    }
}
