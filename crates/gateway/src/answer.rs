//! Answers that the keeper gives to the client itself: one process less has to be woken for them.

use std::{
    io::{self, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::SystemTime,
};

use hyper::{StatusCode, header::HeaderValue};
use tokio::io::AsyncWriteExt;

use crate::socket::Socket;

/// The longest body of one: a socket has room for it at once.
pub(crate) const SHORT: usize = 64 << 10;

/// An answer as HTTP/1.1 has it, after which the connection ends. `headers` without those that say
/// how long the body is. To HEAD the body is not told.
pub(crate) fn text(
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    is_head: bool,
) -> Vec<u8> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let date = httpdate::fmt_http_date(SystemTime::now());
    let mut text = format!("HTTP/1.1 {status}\r\nDate: {date}\r\nConnection: close\r\n");
    // What could be taken for more than a value is left out.
    let is_value = |value: &str| value.parse::<HeaderValue>().is_ok();
    for (name, value) in headers.iter().filter(|(_, value)| is_value(value)) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_body {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let mut text = text.into_bytes();
    if has_body && !is_head {
        text.extend(body);
    }
    text
}

/// Tells a client all that it is told.
///
/// # Errors
///
/// If it has gone.
pub(crate) async fn tell(mut client: &UnixStream, text: &[u8]) -> io::Result<()> {
    client.set_nonblocking(true)?;
    let sent = match client.write(text) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        sent => sent?,
    };
    if sent < text.len() {
        let mut client = Socket::new(client.try_clone()?)?;
        client.write_all(&text[sent..]).await?;
    }
    client.shutdown(Shutdown::Write)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn header(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn it_is_whole_http() {
        let headers = [
            header("Content-Type", "text/plain"),
            header("Odd", "a\r\nSet-Cookie: b"),
        ];
        let of = |status, body: &str, is_head| {
            let text = text(status, &headers, body.as_bytes(), is_head);
            let text = String::from_utf8(text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let lines = head
                .lines()
                .filter(|line| !line.starts_with("Date: "))
                .map(str::to_string);
            (lines.collect::<Vec<_>>(), body.to_string())
        };
        let kind = "Content-Type: text/plain";
        let lines = |status: &str, rest: &[&str]| {
            let mut lines = vec![format!("HTTP/1.1 {status}"), "Connection: close".into()];
            lines.extend([kind].iter().chain(rest).map(|line| line.to_string()));
            lines
        };
        let long = lines("200 OK", &["Content-Length: 2"]);
        assert_eq!(of(200, "OK", false), (long.clone(), "OK".into()));
        assert_eq!(of(200, "OK", true), (long, String::new()));
        assert_eq!(
            of(204, "", false),
            (lines("204 No Content", &[]), "".into())
        );
    }

    #[test]
    fn what_a_socket_has_no_room_for_is_told_as_it_is_read() {
        let text = vec![b'x'; 4 << 20];
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let (client, mut end) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut told = Vec::new();
            end.read_to_end(&mut told).map(|_| told)
        });
        runtime.block_on(tell(&client, &text)).unwrap();
        assert!(reader.join().unwrap().unwrap() == text);
    }
}
