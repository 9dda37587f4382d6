//! What the engine answers when it does not do what it was asked.

use std::{
    error::Error,
    fmt::{self, Display, Formatter},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::errors::Error as Bollard;
use ds01_core::failure::{Kind, UserError};
use serde::Deserialize;

use crate::http::Said;

/// What the engine is asked to do, in words that can follow "did not".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A call that changes nothing.
    Read(&'static str),
    /// A call that changes something: without an answer nobody knows whether it did.
    Change(&'static str),
}

impl Call {
    /// The words.
    pub(super) fn words(self) -> &'static str {
        let (Self::Read(words) | Self::Change(words)) = self;
        words
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

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
    /// This process could not ask it.
    #[error("the Docker Engine cannot be asked")]
    Unasked {
        /// Why.
        source: io::Error,
    },
    /// It was not asked to remove a container, as it would have found its files, or has removed none and
    /// they are not where they were: see [`crate::going`].
    #[error("the container's files cannot be moved")]
    NotMoved {
        /// Why.
        source: io::Error,
    },
    /// No answer in time.
    #[error("the Docker Engine did not {what} within {} s", limit.as_secs())]
    TimedOut {
        /// What it was asked.
        what: Call,
        /// The time it had.
        limit: Duration,
    },
    /// It went away, or answered what nobody can read.
    #[error("the Docker Engine did not {what}")]
    Broken {
        /// What it was asked.
        what: Call,
        /// How the connection ended.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file of an image that is read whole has more than a MiB.
    #[error("{path} in the image is larger than 1 MiB")]
    TooLarge {
        /// Which.
        path: String,
    },
    /// The engine refused the call.
    #[error("the Docker Engine did not {what}: {message}")]
    Refused {
        /// What it was asked.
        what: Call,
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

    /// As the engine refuses to remove a container which is not in a state to be.
    pub(crate) fn cannot_remove(message: String) -> Self {
        Self::Refused {
            what: Call::Change("remove it"),
            status: 409,
            message,
        }
    }

    /// A refusal, in the engine's own words.
    pub(super) fn refused(what: Call, said: &Said) -> Self {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let text = || String::from_utf8_lossy(&said.body).into_owned();
        let message = serde_json::from_slice(&said.body).map(|Refusal { message }| message);
        Self::Refused {
            what,
            status: said.status,
            message: one_line(&message.unwrap_or_else(|_| text())),
        }
    }

    /// What became of a call that had `limit`.
    pub(super) fn from_io(what: Call, error: io::Error, socket: PathBuf, limit: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden { socket },
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Absent { socket },
            io::ErrorKind::TimedOut => Self::TimedOut { what, limit },
            _ => Self::Broken {
                what,
                source: error.into(),
            },
        }
    }

    pub(super) fn from_bollard(what: Call, error: Bollard, socket: PathBuf) -> Self {
        if let Bollard::DockerResponseServerError {
            status_code,
            message,
        } = error
        {
            return Self::Refused {
                what,
                status: status_code,
                message: one_line(&message),
            };
        }
        match connect_failure(&error, &socket) {
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

/// The engine's longer answers have several.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first cause of an error.
fn root<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    error.source().map_or(error, root)
}

/// Why no connection came about: `None` if one did.
fn connect_failure(error: &Bollard, socket: &Path) -> Option<io::ErrorKind> {
    if matches!(error, Bollard::SocketNotFoundError(_)) {
        // It says so of what is in a folder that the caller may not enter, too.
        let seen = fs::metadata(socket);
        let hidden = seen.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        return Some(match hidden {
            true => io::ErrorKind::PermissionDenied,
            false => io::ErrorKind::NotFound,
        });
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
            Self::Refused { .. } | Self::Unasked { .. } | Self::NotMoved { .. } => Kind::Failed,
            Self::TooLarge { .. } => Kind::Usage,
            Self::Absent { .. } | Self::TimedOut { .. } | Self::Broken { .. } => Kind::Unreachable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { .. } => {
                Some("ask an admin to start it: systemctl start docker".to_string())
            }
            Self::Forbidden { .. } => Some("ask an admin for access to DS01".to_string()),
            Self::TimedOut {
                what: Call::Read(_),
                ..
            }
            | Self::Broken {
                what: Call::Read(_),
                ..
            } => {
                Some("try again; if that fails too, tell an admin: systemctl status docker".into())
            }
            Self::TimedOut { .. } | Self::Broken { .. } => {
                Some("see what became of it with container-list --all".to_string())
            }
            Self::TooLarge { .. } => {
                Some("name another image, with --image=<image>; see image-list --all".to_string())
            }
            Self::NotMoved { .. } => Some("tell an admin".into()),
            // It is about the request, and the engine has said what; or the gateway has said what to do.
            Self::Unasked { .. }
            | Self::Refused {
                status: 400 | 404 | 503,
                ..
            } => None,
            Self::Refused { .. } => {
                Some("tell an admin; journalctl -u docker shows more".to_string())
            }
        }
    }
}
