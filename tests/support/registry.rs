//! A registry of images on this machine, as far as an engine needs one to fetch from.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use ds01_testkit::TestHost;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What is said of an image that there is not.
const UNKNOWN: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

/// Blobs and manifests by the end of their paths.
type Contents = BTreeMap<String, Vec<u8>>;

/// Gives an image of the host's engine to a registry, and takes it from the engine: what it is
/// called now, to be fetched. The registry ends with the test.
#[track_caller]
pub(crate) fn in_registry(host: &TestHost, image: &str, name: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = host.root().join("saved");
    let saved = folder.to_string_lossy();
    let script = format!("mkdir {saved} && docker save {image} | tar -x -C {saved}");
    let socket = format!("unix://{}", host.engine().socket().display());
    let root = host.as_user("root").env("DOCKER_HOST", &socket);
    root.run("sh", &["-c", &script]).ok();
    let file = |path: &str| std::fs::read(folder.join(path)).unwrap();
    let saved: Value = serde_json::from_slice(&file("manifest.json")).unwrap();
    let (config, layers) = (&saved[0]["Config"], saved[0]["Layers"].as_array().unwrap());

    let mut contents = Contents::new();
    let mut blob = |path: &Value, kind: &str| {
        let bytes = file(path.as_str().unwrap());
        let (digest, size) = (sha256(&bytes), bytes.len());
        contents.insert(format!("blobs/{digest}"), bytes);
        json!({ "mediaType": kind, "size": size, "digest": digest })
    };
    let config = blob(config, "application/vnd.docker.container.image.v1+json");
    let tar = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let layers: Vec<_> = layers.iter().map(|layer| blob(layer, tar)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let manifest = manifest.to_string().into_bytes();
    let (repository, tag) = name.split_once(':').unwrap();
    contents.insert(format!("manifests/{}", sha256(&manifest)), manifest.clone());
    contents.insert(format!("manifests/{tag}"), manifest);
    host.docker(&["rmi", "-f", image]).ok();

    let contents = Arc::new(contents);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let contents = Arc::clone(&contents);
            thread::spawn(move || answer(stream, &contents));
        }
    });
    format!("{address}/{repository}:{tag}")
}

/// Answers a request, and closes the connection. What asks for TLS is not understood.
fn answer(mut stream: TcpStream, contents: &Contents) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let mut words = first.split(' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let found = contents
        .iter()
        .find(|(end, _)| path.ends_with(end.as_str()));
    let (status, body) = match found {
        Some((_, body)) => ("200 OK", body.as_slice()),
        None if path == "/v2/" => ("200 OK", &b"{}"[..]),
        None => ("404 Not Found", UNKNOWN.as_bytes()),
    };
    let kind = if path.contains("/manifests/") {
        MANIFEST
    } else {
        "application/octet-stream"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: {kind}\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // Whoever hung up has no use for it.
    let _ = stream.write_all(head.as_bytes());
    if method == Some("GET") {
        let _ = stream.write_all(body);
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut sum = Command::new("sha256sum");
    let mut sum = sum
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}
