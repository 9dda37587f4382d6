//! The gateway, as a command without direct access uses it.

use std::{io, path::PathBuf};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::PENDING,
};

use crate::{Answered, Operation, config::Config, engine::Engine, http};

/// The gateway of this host.
pub(crate) struct Gateway {
    socket: PathBuf,
    engine: Engine,
}

/// What the body of a refusal holds for us.
#[derive(serde::Deserialize)]
struct Refusal {
    ds01: Failure,
}

impl Gateway {
    /// That of `config`. Nothing is asked yet.
    pub(crate) fn new(config: &Config) -> Self {
        let socket = config.paths.run.join("docker.sock");
        let engine = Engine::new(&socket, config.engine.timeout());
        Self { socket, engine }
    }

    /// Whether this host has one, be it running or not.
    pub(crate) fn is_there(&self) -> bool {
        self.socket.exists()
    }

    /// It answers Docker's own calls as well.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
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
        // Nothing that the ledger waits for takes longer.
        let limit = PENDING + operation.takes();
        let said = http::ask(&self.socket, "POST", &path, &request, limit);
        let said = said.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => failed(format!("no answer within {} s", limit.as_secs())),
            _ => failed(error.to_string()),
        })?;
        match said.status {
            200 => serde_json::from_slice(&said.body).map_err(|error| failed(error.to_string())),
            status => {
                let refusal = serde_json::from_slice::<Refusal>(&said.body);
                Err(refusal.map_or_else(|_| failed(format!("HTTP {status}")), |r| r.ds01))
            }
        }
    }
}
