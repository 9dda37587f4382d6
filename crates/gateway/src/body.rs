//! Bodies of JSON, read into the types of the call that they belong to and written anew.

use ds01_core::{
    docker,
    failure::{Failure, Kind},
    route::Action,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The body of `POST /auth`: credentials for a registry, as the user has them.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Login {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    email: Option<String>,
    serveraddress: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Reads a body as that of `action`, and writes what was understood.
///
/// # Errors
///
/// Status 400 if it is not one.
pub(crate) fn anew(action: Action, text: &[u8]) -> Result<String, Failure> {
    let text = match text.trim_ascii() {
        // Some clients leave out what is empty.
        b"" | b"null" => b"{}",
        text => text,
    };
    match action {
        Action::ContainerCreate | Action::Commit => of::<docker::CreateBody>(text),
        Action::ContainerExec => of::<docker::ExecBody>(text),
        Action::ExecStart => of::<docker::ExecStartBody>(text),
        Action::VolumeCreate => of::<docker::VolumeBody>(text),
        Action::NetworkCreate => of::<docker::NetworkBody>(text),
        Action::NetworkConnect => of::<docker::ConnectBody>(text),
        Action::NetworkDisconnect => of::<docker::DisconnectBody>(text),
        Action::Operation => of::<serde_json::Map<String, serde_json::Value>>(text),
        _ => of::<Login>(text),
    }
}

/// A body of this type.
///
/// # Errors
///
/// Status 400 if it is not one.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    Ok(docker::read(text.as_bytes())?)
}

/// A body as the engine is sent it.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn write<T: Serialize>(body: &T) -> Result<String, Failure> {
    serde_json::to_string(body)
        .map_err(|error| Failure::new(Kind::Failed, format!("the body cannot be written: {error}")))
}

fn of<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<String, Failure> {
    write(&docker::read::<T>(text)?)
}
