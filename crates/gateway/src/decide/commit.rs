//! An image of a container as it is.
//!
//! The engine's own commit goes through the files that a container has changed by their paths, as root
//! and outside of it: who moves its folders meanwhile, from inside or by a descriptor of one that was
//! sent out, has it take in files of the host. An export is read from within. So an image is made of
//! that, with the container's settings; it has one layer, and none of its base's.

use std::time::Duration;

use ds01_core::{
    dockerfile::weight_of_changes,
    failure::{Failure, Kind},
    route::write_query,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Call, Outcome, reply};

/// What the engine may take to see that nobody reads an export any more.
const LETS_GO: Duration = Duration::from_secs(1);

impl Call<'_> {
    pub(super) async fn commit(&self) -> Result<Outcome, Failure> {
        let owned = self
            .container(self.one("container").unwrap_or_default())
            .await?;
        let repo = self.one("repo").filter(|repo| !repo.is_empty());
        let repo = self.own_image(repo.ok_or_else(unnamed)?).await?;
        self.may_name(&[self.tagged(&repo)]).await?;
        let said: Value = match self.json()?.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or(Value::Bool(true)),
        };
        let is_empty = said.is_null() || said.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_empty {
            let message = "an image has its container's settings, and what --change says";
            return Err(Failure::new(Kind::Usage, message));
        }
        let _place = self.place(&self.gateway.building).await?;
        let _reading = self.reading(&owned)?;
        let seen = self.looked_at(&owned).await?;
        let mut changes = settings(&seen["Config"]);
        changes.extend(
            self.route
                .query
                .get("changes")
                .into_iter()
                .flatten()
                .cloned(),
        );
        Self::may_weigh(weight_of_changes(&changes))?;
        let mut query = [("fromSrc", "-".to_string()), ("repo", repo)]
            .map(|(key, value)| (key.to_string(), vec![value]))
            .into_iter()
            .collect::<ds01_core::route::Query>();
        query.insert("changes".into(), changes);
        for (key, from) in [("tag", "tag"), ("message", "comment")] {
            if let Some(value) = self.one(from) {
                query.insert(key.into(), vec![value.into()]);
            }
        }
        let from = format!("/containers/{}/export", owned.id.0);
        let to = format!("/images/create{}", write_query(&query));
        let said = self.gateway.engine.pipe(&from, &to).await;
        if said.is_err() {
            // What was not read to its end, the engine lets go of a moment later.
            sleep(LETS_GO).await;
        }
        let said = said?;
        reply(201, &json!({ "Id": made(&said.body)? }))
    }
}

fn unnamed() -> Failure {
    let message = "an image without a name would have no owner";
    let hint = "name it: docker commit CONTAINER my-image";
    Failure::new(Kind::Usage, message).with_hint(hint)
}

/// The id of the image that an import made, which the last of its lines tells.
fn made(said: &[u8]) -> Result<String, Failure> {
    let lines = serde_json::Deserializer::from_slice(said).into_iter::<Value>();
    let last = lines.map_while(Result::ok).last().unwrap_or_default();
    match last["status"].as_str() {
        Some(id) if id.starts_with("sha256:") => Ok(id.into()),
        _ => {
            let why = last["error"].as_str().or(last["message"].as_str());
            let message = format!("the image was not made: {}", why.unwrap_or("no answer"));
            Err(Failure::new(Kind::Failed, message))
        }
    }
}

/// The instructions of a Dockerfile that stand for a container's settings. What cannot be written in
/// one line is left out.
fn settings(config: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (key, word) in [("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")] {
        if config[key].is_array() {
            all.push(format!("{word} {}", config[key]));
        }
    }
    for (key, word) in [("WorkingDir", "WORKDIR"), ("User", "USER")] {
        let text = config[key].as_str().unwrap_or_default();
        if !text.is_empty() && text.chars().all(is_plain) {
            all.push(format!("{word} {text}"));
        }
    }
    for (key, word) in [("ExposedPorts", "EXPOSE"), ("Volumes", "VOLUME")] {
        for name in config[key]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            match key {
                "Volumes" => all.push(format!("{word} {}", json!([name]))),
                _ => all.push(format!("{word} {name}")),
            }
        }
    }
    let env = config["Env"].as_array().into_iter().flatten();
    let env = env.filter_map(|pair| pair.as_str()?.split_once('='));
    let labels = config["Labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    let env = env.map(|pair| ("ENV", pair));
    let pairs = env.chain(labels.map(|pair| ("LABEL", pair)));
    all.extend(pairs.filter_map(|(word, (key, value))| {
        let is_line = !key.is_empty() && key.chars().all(is_plain) && !value.contains(['\n', '\r']);
        is_line.then(|| format!("{word} {key}={}", quoted(value)))
    }));
    all
}

/// Whether it means itself in a Dockerfile.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-:@+".contains(c)
}

/// A value as a Dockerfile has it in quotes, with nothing in it that stands for something else.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_so_that_they_mean_themselves() {
        let config = json!({
            "Cmd": ["sh", "-c", "echo \"$A\"\nb"], "Entrypoint": null, "WorkingDir": "/work dir", "User": "5:5",
            "Env": ["A=b c", "B=\\$x\"'", "C=two\nlines", "odd key=1", "D="],
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/a b": {}}, "Labels": {"l.m": "n", "o p": "q"},
        });
        let expected = [
            r#"CMD ["sh","-c","echo \"$A\"\nb"]"#,
            "USER 5:5",
            "EXPOSE 80/tcp",
            r#"VOLUME ["/a b"]"#,
            r#"ENV A="b c""#,
            r#"ENV B="\\\$x\"'""#,
            r#"ENV D="""#,
            r#"LABEL l.m="n""#,
        ];
        assert_eq!(settings(&config), expected);
    }

    #[test]
    fn the_last_line_tells_what_was_made() {
        let id = made(b"{\"status\":\"Importing\"}\r\n{\"status\":\"sha256:12\"}\r\n");
        assert_eq!(id.unwrap(), "sha256:12");
        let failed =
            made(b"{\"status\":\"x\"}{\"errorDetail\":{},\"error\":\"full\"}").unwrap_err();
        assert_eq!(failed.message, "the image was not made: full");
        assert!(made(b"").is_err());
    }
}
