//! What an image brings into each container that is made from it, whatever the request says.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    binds, health,
    places::{clean, place},
    plan::Planned,
    ports,
};
use crate::{failure::Failure, label};

/// Refuses an image that would bring along what no request may ask for.
///
/// `config` is what the engine tells of it under that name; `asked` is the request, unless the container
/// is one of our own commands'.
///
/// # Errors
///
/// Status 2 for labels that are too long; as [`plan`](super::plan()) for mounts, ports and health checks.
pub fn check_image(name: &str, config: &Value, asked: Option<&Planned>) -> Result<(), Failure> {
    let table = |key: &str| config[key].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let labels = table("Labels").map(|(key, value)| (key.clone(), text(value)));
    let labels: BTreeMap<String, String> = labels.collect();
    label::check_image(name, &labels)?;
    let body = asked.map(|asked| &asked.body);
    let host = body.and_then(|body| body.host_config.as_ref());
    if host.and_then(|host| host.publish_all_ports) == Some(true) {
        // The engine publishes each.
        let exposed = config["ExposedPorts"].as_object();
        ports::few("PublishAllPorts", exposed.map_or(0, Map::len))?;
    }
    let field = "the image's Volumes";
    table("Volumes").try_for_each(|(volume, _)| place(field, &clean(field, volume)?))?;
    binds::few(body.map_or(0, binds::count) + table("Volumes").count())?;
    let own = body.and_then(|body| body.healthcheck.as_ref());
    Ok(health::check_image(&config["Healthcheck"], own)?)
}
