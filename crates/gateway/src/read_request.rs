//! Reads a client's request into types.

use std::time::Duration;

use ds01_core::{
    failure::{Failure, Kind},
    route::{self, Action, Body, LONGEST_JSON, Route},
};
use http_body_util::{BodyExt, Limited};
use hyper::{
    Request,
    body::{Body as _, Incoming},
    header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE, USER_AGENT},
};
use tokio::time::timeout;

use crate::channel::{ParsedBody, ParsedRequest};

/// What a client has to send JSON.
const JSON: Duration = Duration::from_secs(60);

/// Reads the head of a request, and its body unless that is for the engine.
pub(crate) async fn read_request(
    request: &mut Request<Incoming>,
) -> Result<ParsedRequest, Failure> {
    let (uri, headers) = (request.uri(), request.headers());
    if uri.authority().is_some() {
        return Err(route::NoRoute::Path.into());
    }
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Failure::new(Kind::Usage, "the request has two lengths"));
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let method = request.method().as_str().to_string();
    let (path, query) = (uri.path().to_string(), uri.query().map(str::to_string));
    let found = route::route(&method, &path, query.as_deref())?;
    if text(HOST) == Some(route::DS01) && found.action != Action::Operation {
        let what = "DS01's gateway was asked in place of the engine";
        return Err(Failure::new(Kind::Forbidden, what).with_hint("see engine.socket in ds01.toml"));
    }
    let upgrade = headers.contains_key(UPGRADE);
    let docker_cli = text(USER_AGENT).is_some_and(|agent| agent.starts_with("Docker-Client/"));
    let registry = match found.action {
        Action::Build => text(HeaderName::from_static("x-registry-config")),
        _ => text(HeaderName::from_static("x-registry-auth")),
    };
    let registry = registry.map(str::to_string);
    let body = body(&found, request).await?;
    Ok(ParsedRequest {
        method,
        path,
        query,
        upgrade,
        docker_cli,
        registry,
        body,
    })
}

async fn body(found: &Route, request: &mut Request<Incoming>) -> Result<ParsedBody, Failure> {
    if found.body == Body::Stream {
        return Ok(ParsedBody::Stream(request.body().size_hint().exact()));
    }
    let usage = |text: String| Failure::new(Kind::Usage, text);
    let limited = Limited::new(request.body_mut(), LONGEST_JSON).collect();
    let bytes = match timeout(JSON, limited).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => return Err(usage(format!("the body cannot be read: {error}"))),
        Err(_) => return Err(usage("the body did not come in time".into())),
    };
    match found.body {
        Body::Json => match crate::body::anew(found.action, &bytes)? {
            // Numbers can have more digits than they were written with.
            text if text.len() > LONGEST_JSON => Err(usage("the body is too long".into())),
            text => Ok(ParsedBody::Json(text)),
        },
        _ if matches!(bytes.trim_ascii(), b"" | b"{}" | b"null") => Ok(ParsedBody::None),
        _ => Err(usage("this call has no body".into())),
    }
}
