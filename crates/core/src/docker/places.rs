//! Paths on the host, and places in a container where something may be mounted.

use super::refused::Refused;

/// Where NVIDIA's runtime reads which devices a container gets.
const SELECTING: [&str; 2] = [
    "/run/nvidia-container-devices",
    "/var/run/nvidia-container-devices",
];

/// An absolute path, without what could lead elsewhere than it seems.
pub(super) fn path(field: &'static str, text: &str) -> Result<String, Refused> {
    if !text.starts_with('/') {
        return Err(Refused::value(field, text, "not an absolute path"));
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    match parts.contains(&"..") {
        true => Err(Refused::value(field, text, "'..' in a path")),
        false => Ok(format!("/{}", parts.join("/"))),
    }
}

/// A place that an image names, or that is compared with others: as the engine reads it.
pub(super) fn clean(field: &'static str, text: &str) -> Result<String, Refused> {
    if !text.starts_with('/') {
        return Err(Refused::value(field, text, "not an absolute path"));
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// A place in the container.
pub(super) fn target(field: &'static str, text: &str) -> Result<String, Refused> {
    let place = path(field, text)?;
    if place == "/" {
        return Err(Refused::value(field, text, "the container's own root"));
    }
    if place == "/etc" {
        let why = "the engine makes files of its own in it, as root";
        return Err(Refused::forbidden(
            field,
            text,
            why,
            "mount what is below it",
        ));
    }
    let selects = |folder| {
        let rest = place.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match SELECTING.into_iter().any(selects) {
        true => Err(Refused::forbidden(
            field,
            text,
            "it selects GPUs",
            "ask for GPUs with --gpus, as in --gpus 1",
        )),
        false => Ok(place),
    }
}

/// Refuses a place where no volume without a name may be.
pub(super) fn place(field: &'static str, text: &str) -> Result<(), Refused> {
    if text.contains(':') {
        let why = "a path and nothing else; name volumes with two characters or more";
        return Err(Refused::value(field, text, why));
    }
    target(field, text).map(drop)
}
