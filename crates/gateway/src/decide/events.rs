//! The engine's events, as far as they are the caller's.

use ds01_core::{docker::names::to_user, failure::Failure, label, name::EngineName, route::Query};
use serde_json::{Value, json};

use super::{Call, Outcome, lines::Shown};
use crate::filters::Filters;

impl Call<'_> {
    pub(super) async fn events(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        for value in filters.values_mut("container") {
            *value = self.container(value).await?.id.0;
        }
        for value in filters.values_mut("volume") {
            *value = self.volume_name(value)?;
        }
        for value in filters.values_mut("network") {
            *value = self.network(value).await?;
        }
        let mut query = Query::new();
        for key in ["since", "until"] {
            if let Some(values) = self.route.query.get(key) {
                query.insert(key.into(), values.clone());
            }
        }
        query.insert("filters".into(), vec![filters.write()]);
        self.lines("/events", &query, Shown::Events(self.caller.uid))
            .await
    }
}

/// The event as its owner knows it; `None` if it is not theirs.
pub(super) fn shown(mut event: Value, uid: u32) -> Option<Value> {
    let name = |event: &Value| Some(event["Actor"]["Attributes"]["name"].as_str()?.to_string());
    // Only DS01 and root give names that end in a uid, so they tell whose it is. A container's
    // entry in the ledger gets its id a moment after the event.
    let own = match event["Type"].as_str()? {
        "container" => {
            let engine: EngineName = name(&event)?.parse().ok()?;
            let attributes = &mut event["Actor"]["Attributes"];
            // The engine was given the image's id.
            if let Some(image) = attributes.get(label::IMAGE).cloned() {
                event["from"] = image.clone();
                event["Actor"]["Attributes"]["image"] = image;
            }
            let before = event["Actor"]["Attributes"]["oldName"].as_str();
            if let Some(before) = before.and_then(|name| name.parse::<EngineName>().ok()) {
                event["Actor"]["Attributes"]["oldName"] = json!(format!("/{}", before.name));
            }
            (engine.uid == uid).then(|| engine.name.to_string())?
        }
        "network" => to_user(&name(&event)?, uid)?.to_string(),
        "volume" => {
            let own = to_user(event["Actor"]["ID"].as_str()?, uid)?.to_string();
            event["Actor"]["ID"] = json!(own);
            return Some(event);
        }
        _ => return None,
    };
    event["Actor"]["Attributes"]["name"] = json!(own);
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_owners() {
        let line = |kind: &str, name: &str| {
            let actor = json!({ "ID": name, "Attributes": { "name": name } });
            json!({ "Type": kind, "Actor": actor })
        };
        let seen = |kind, name| shown(line(kind, name), 1001);
        let own = |kind| seen(kind, "data._.1001").map(|event| event.to_string());
        assert!(own("container").unwrap().contains(r#"{"name":"data"}"#));
        assert!(own("network").unwrap().contains(r#"{"name":"data"}"#));
        assert!(own("volume").unwrap().contains(r#""ID":"data""#));
        for kind in ["container", "network", "volume"] {
            assert!(seen(kind, "data._.1002").is_none() && seen(kind, "data").is_none());
        }
        assert!(seen("image", "data._.1001").is_none());
    }
}
