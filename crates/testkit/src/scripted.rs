//! An engine that answers by script, for what a real one cannot be made to do.

use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::OrFail;

/// How long a stalled answer stalls: longer than any time limit under test.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// An answer, good or bad.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Close,
    StallAfterHead,
    HalfBody,
    Raw,
}

impl Answer {
    /// A JSON answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self {
            status,
            headers,
            body: body.into(),
            delay: Duration::ZERO,
            fault: Fault::None,
        }
    }

    /// An error as the engine words it.
    pub fn error(status: u16, message: &str) -> Self {
        Self::new(
            status,
            serde_json::json!({ "message": message }).to_string(),
        )
    }

    /// The connection is closed without an answer.
    pub fn close() -> Self {
        Self {
            fault: Fault::Close,
            ..Self::new(0, "")
        }
    }

    /// These bytes in place of head and body; then the connection is closed.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            fault: Fault::Raw,
            ..Self::new(0, bytes)
        }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Not before this time has passed.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The head comes, the body never.
    #[must_use]
    pub fn stall_after_head(mut self) -> Self {
        self.fault = Fault::StallAfterHead;
        self
    }

    /// Half of the body comes, then the connection is closed.
    #[must_use]
    pub fn half_body(mut self) -> Self {
        self.fault = Fault::HalfBody;
        self
    }

    /// Writes it; returns whether the connection stays open.
    fn write(&self, mut to: impl Write) -> io::Result<bool> {
        thread::sleep(self.delay);
        match self.fault {
            Fault::Close => return Ok(false),
            Fault::Raw => return to.write_all(&self.body).map(|()| false),
            Fault::None | Fault::StallAfterHead | Fault::HalfBody => {}
        }
        write!(
            to,
            "HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n",
            self.status,
            self.body.len()
        )?;
        for (name, value) in &self.headers {
            write!(to, "{name}: {value}\r\n")?;
        }
        write!(to, "\r\n")?;
        match self.fault {
            Fault::StallAfterHead => {
                thread::sleep(FOR_EVER);
                Ok(false)
            }
            Fault::HalfBody => to
                .write_all(&self.body[..self.body.len() / 2])
                .map(|()| false),
            _ => to.write_all(&self.body).map(|()| true),
        }
    }
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Such as `POST`.
    pub method: String,
    /// As sent: with version and query.
    pub path: String,
    /// Decoded if it was chunked.
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).or_fail("parse a request's body")
    }
}

/// An HTTP server on a unix socket that anyone may use. What no rule answers gets 404.
pub struct ScriptedEngine {
    socket: PathBuf,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<Received>>,
    ended: AtomicBool,
}

struct Rule {
    method: String,
    path: String,
    answers: Vec<Answer>,
}

impl ScriptedEngine {
    /// Listens on `socket`.
    pub fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).or_fail("listen");
        fs::set_permissions(socket, Permissions::from_mode(0o666)).or_fail("chmod");
        let script = Arc::<Script>::default();
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Relaxed) {
                    break;
                }
                let script = Arc::clone(&shared);
                // A client that goes away ends its thread with an error that nobody needs.
                thread::spawn(move || drop(serve(&stream, &script)));
            }
        });
        Self {
            socket: socket.into(),
            script,
        }
    }

    /// Answers `method` on `path`, written without query, and without version for any; a `*` at its
    /// end stands for any rest. Several answers are given in turn, the last one for ever. The newest
    /// rule wins.
    pub fn on(&self, method: &str, path: &str, answers: impl IntoIterator<Item = Answer>) {
        // Taken from the end, so that the last one is left over.
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let rule = Rule {
            method: method.into(),
            path: path.into(),
            answers,
        };
        lock(&self.script.rules).push(rule);
    }

    /// What has arrived so far.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.script.requests).clone()
    }
}

/// Stops listening: a new connection is refused. What is being answered goes on.
impl Drop for ScriptedEngine {
    fn drop(&mut self) {
        self.script.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it has ended.
        drop(UnixStream::connect(&self.socket));
    }
}

impl Script {
    fn answer(&self, received: &Received) -> Answer {
        let full = received.path.split('?').next().unwrap_or_default();
        let path = plain(&received.path);
        let mut rules = lock(&self.rules);
        let fits = |rule: &&mut Rule| {
            rule.method == received.method
                && [full, path]
                    .iter()
                    .any(|path| match rule.path.strip_suffix('*') {
                        Some(start) => path.starts_with(start),
                        None => *path == rule.path,
                    })
        };
        let rule = rules.iter_mut().rev().find(fits);
        let answer = rule.and_then(|rule| match rule.answers.len() {
            0 | 1 => rule.answers.first().cloned(),
            _ => rule.answers.pop(),
        });
        answer.unwrap_or_else(|| {
            Answer::error(404, &format!("no script for {} {path}", received.method))
        })
    }
}

fn serve(stream: &UnixStream, script: &Script) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read_request(&mut reader)? {
        lock(&script.requests).push(received.clone());
        let answer = script.answer(&received);
        if !answer.write(stream)? {
            break;
        }
    }
    Ok(())
}

/// The next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut head = Vec::new();
    loop {
        let line = read_line(reader)?;
        match (line.is_empty(), head.is_empty()) {
            (true, true) => return Ok(None),
            (true, false) => break,
            (false, _) => head.push(line),
        }
    }
    let value = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(':'));
        fields
            .into_iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
    };
    let length = value("Content-Length").and_then(|(_, length)| length.trim().parse().ok());
    let mut body = Vec::new();
    if value("Transfer-Encoding").is_some() {
        while let length @ 1.. = chunk_length(&read_line(reader)?)? {
            reader.take(length).read_to_end(&mut body)?;
            read_line(reader)?;
        }
        read_line(reader)?;
    } else {
        reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    }
    let mut words = head[0].split(' ').map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    Ok(Some(Received { method, path, body }))
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().into())
}

fn chunk_length(line: &str) -> io::Result<u64> {
    u64::from_str_radix(line, 16).map_err(io::Error::other)
}

/// A path without version and query.
fn plain(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    let unversioned = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    unversioned.unwrap_or(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
