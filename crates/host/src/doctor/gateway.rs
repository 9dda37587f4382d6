//! Whether the gateway answers.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::Finding;

const CHECK: &str = "gateway";

/// What it has to connect, and to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Bytes of the first line of an answer, at most.
const LONGEST: u64 = 256;

/// `run` is the directory of its socket.
pub(super) fn check(run: &Path) -> Finding {
    let socket = run.join("docker.sock");
    let shown = socket.display();
    match ping(&socket) {
        Ok(answer) if is_ok(&answer) => Finding::ok(CHECK, format!("it answers at {shown}")),
        Ok(answer) => Finding::wrong(CHECK, format!("it answers {answer:?} at {shown}"))
            .because("docker, compose and dev containers do not work without it")
            .mend("journalctl -u ds01-gateway; then systemctl restart ds01-gateway"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::warning(CHECK, format!("there is none at {shown}"))
                .because("only root, and members of access.docker_group, can use DS01")
                .mend("systemctl --no-reload enable --now ds01-gateway")
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unknown(CHECK, format!("cannot use {shown}: {error}"))
                .mend("run ds01-doctor as root")
        }
        Err(error) => Finding::wrong(CHECK, format!("it does not answer at {shown}: {error}"))
            .because("docker, compose and dev containers do not work without it")
            .mend("journalctl -u ds01-gateway; then systemctl restart ds01-gateway"),
    }
}

/// The first line of its answer, or what there is of it.
fn ping(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().into())
}

fn is_ok(answer: &str) -> bool {
    answer.split(' ').nth(1) == Some("200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_an_answer() {
        assert!(is_ok("HTTP/1.1 200 OK"));
        assert!(!is_ok("HTTP/1.1 500 Internal Server Error"));
        assert!(!is_ok(""));
    }
}
