//! What the engine answers when it does not do what it was asked.

use std::{error::Error, io, path::PathBuf, time::Duration};

use bollard::errors::Error as Bollard;
use ds01_core::failure::{Kind, UserError};

/// Why a call to the engine has no result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine listens there.
    #[error("no Docker Engine answers at {}", socket.display())]
    Absent {
        /// The socket.
        socket: PathBuf,
    },
    /// The caller may not use the engine's socket.
    #[error("you may not use the Docker Engine at {}", socket.display())]
    Forbidden {
        /// The socket.
        socket: PathBuf,
    },
    /// No answer in time.
    #[error("the Docker Engine did not {what} within {} s", limit.as_secs())]
    TimedOut {
        /// What it was asked.
        what: &'static str,
        /// The time it had.
        limit: Duration,
    },
    /// It went away, or answered what nobody can read.
    #[error("the Docker Engine did not {what}")]
    Broken {
        /// What it was asked.
        what: &'static str,
        /// How the connection ended.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It said no.
    #[error("the Docker Engine did not {what}: {message}")]
    Refused {
        /// What it was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
}

impl EngineError {
    /// The HTTP status of an answer; `None` when there was none.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the engine may have done it all the same: it was asked, and no answer came.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Broken { .. })
    }

    pub(super) fn from_bollard(what: &'static str, error: Bollard, socket: PathBuf) -> Self {
        if let Bollard::DockerResponseServerError {
            status_code,
            message,
        } = error
        {
            // One line: the engine's longer answers have several.
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            return Self::Refused {
                what,
                status: status_code,
                message,
            };
        }
        match connect_failure(&error) {
            Some(io::ErrorKind::PermissionDenied) => Self::Forbidden { socket },
            Some(_) => Self::Absent { socket },
            None => Self::Broken {
                what,
                // What is around the first cause tells of HTTP, which helps no reader.
                source: root(&error).to_string().into(),
            },
        }
    }
}

/// The first cause of an error.
fn root<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    error.source().map_or(error, root)
}

/// Why no connection came about: `None` if one did.
fn connect_failure(error: &Bollard) -> Option<io::ErrorKind> {
    if matches!(error, Bollard::SocketNotFoundError(_)) {
        return Some(io::ErrorKind::NotFound);
    }
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound,
        ) = kind
        {
            return kind;
        }
        source = error.source();
    }
    None
}

impl UserError for EngineError {
    fn kind(&self) -> Kind {
        match self {
            Self::Forbidden { .. } => Kind::Forbidden,
            Self::Refused { status: 404, .. } => Kind::NotFound,
            Self::Refused {
                status: 304 | 409, ..
            } => Kind::State,
            // The gateway's word for an engine that it cannot reach.
            Self::Refused { status: 503, .. } => Kind::Unreachable,
            Self::Refused { .. } => Kind::Failed,
            Self::Absent { .. } | Self::TimedOut { .. } | Self::Broken { .. } => Kind::Unreachable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { .. } => {
                Some("ask an admin to start it: systemctl start docker".to_string())
            }
            Self::Forbidden { .. } => Some("ask an admin for access to DS01".to_string()),
            Self::TimedOut { .. } | Self::Broken { .. } => {
                Some("see what became of it with container-list --all".to_string())
            }
            // It is about the request, and the engine has said what; or the gateway has said what to do.
            Self::Refused {
                status: 400 | 404 | 503,
                ..
            } => None,
            Self::Refused { .. } => {
                Some("tell an admin; journalctl -u docker shows more".to_string())
            }
        }
    }
}
