//! How often the engine looks whether a container is well, which costs the host outside of any limit.

use serde_json::Value;

use super::{body::number, create::Healthcheck, refused::Refused};

/// From one look to the next, in nanoseconds.
const SHORTEST: i64 = 1_000_000_000;

/// Refuses a request that would have the engine look too often.
pub(super) fn check(asked: Option<&Healthcheck>) -> Result<(), Refused> {
    let of = |field: fn(&Healthcheck) -> Option<i64>| number(asked.and_then(field));
    is_rare("Healthcheck.Interval", of(|asked| asked.interval))?;
    is_rare(
        "Healthcheck.StartInterval",
        of(|asked| asked.start_interval),
    )
}

/// Refuses an image that would, where the request has nothing of its own in that place.
pub(super) fn check_image(brought: &Value, asked: Option<&Healthcheck>) -> Result<(), Refused> {
    let merged = |key: &str, own: Option<i64>| match number(own) {
        0 => brought[key].as_i64().unwrap_or_default(),
        own => own,
    };
    let interval = merged("Interval", asked.and_then(|asked| asked.interval));
    is_rare("the image's Healthcheck.Interval", interval)?;
    let start = merged(
        "StartInterval",
        asked.and_then(|asked| asked.start_interval),
    );
    is_rare("the image's Healthcheck.StartInterval", start)
}

/// 0 is the engine's own, which is longer.
fn is_rare(field: &'static str, nanoseconds: i64) -> Result<(), Refused> {
    if nanoseconds == 0 || nanoseconds >= SHORTEST {
        return Ok(());
    }
    let why = "in nanoseconds: each look costs the host, outside of your limits";
    let instead = "a second or more, as with --health-interval 30s --health-start-interval 5s";
    Err(Refused::forbidden(
        field,
        nanoseconds.to_string(),
        why,
        instead,
    ))
}
