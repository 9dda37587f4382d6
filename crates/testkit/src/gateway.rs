//! The gateway of a test host.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::net::{UnixDatagram, UnixStream},
    path::PathBuf,
    process::Stdio,
    thread,
    time::Duration,
};

use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{OrFail, TestHost, fail, users};

/// What the gateway may take to listen.
const LIMIT: Duration = Duration::from_secs(60);

/// Set in the environment, users of every host reach it through the gateway alone.
const BY_GATEWAY: &str = "DS01_TEST_GATEWAY";

pub(crate) fn by_gateway() -> bool {
    env::var_os(BY_GATEWAY).is_some()
}

impl TestHost {
    /// The gateway's socket.
    pub fn gateway_socket(&self) -> PathBuf {
        self.root().join("run/docker.sock")
    }

    /// Starts the gateway as a service manager would, and waits until it says that it is ready.
    pub fn start_gateway(&self) {
        let config = self.root().join("etc/ds01.toml");
        let mut command = self
            .as_user("root")
            .prepared("ds01-gateway", &["--config", &config.to_string_lossy()]);
        let log = File::create(self.root().join("gateway.log")).or_fail("make gateway.log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let told = self.root().join("notify.sock");
        // Left by one that was started before.
        let _ = fs::remove_file(&told);
        let ready = UnixDatagram::bind(&told).or_fail("make the socket of the service manager");
        ready
            .set_read_timeout(Some(LIMIT))
            .or_fail("set a time limit");
        command.env("NOTIFY_SOCKET", &told);
        let child = command.spawn().or_fail("start the gateway");
        *self.gateway.lock().or_fail("lock the gateway") = Some(child);
        let mut state = [0; 64];
        let length = ready.recv(&mut state).or_fail("hear from the gateway");
        if &state[..length] != b"READY=1" {
            fail(format_args!(
                "the gateway is not ready: {}",
                self.gateway_log()
            ));
        }
    }

    /// Ends the gateway as a service manager would. `false` if none ran.
    pub fn stop_gateway(&self) -> bool {
        let running = self.gateway.lock().or_fail("lock the gateway").take();
        running.is_some_and(|mut child| {
            let pid = Pid::from_raw(i32::try_from(child.id()).or_fail("a process id"));
            kill(pid, Signal::SIGTERM).or_fail("end the gateway");
            child.wait().or_fail("wait for the gateway");
            true
        })
    }

    /// Ends the gateway at once, without letting it finish.
    pub fn kill_gateway(&self) {
        let running = self.gateway.lock().or_fail("lock the gateway").take();
        if let Some(mut child) = running {
            child.kill().or_fail("kill the gateway");
            child.wait().or_fail("wait for the gateway");
        }
    }

    /// The gateway's process id.
    pub fn gateway_pid(&self) -> u32 {
        let running = self.gateway.lock().or_fail("lock the gateway");
        match running.as_ref() {
            Some(child) => child.id(),
            None => fail("no gateway runs"),
        }
    }

    /// A connection of a user's to the gateway, to be written to byte by byte.
    pub fn connect(&self, user: &str) -> UnixStream {
        let user = users::find(self.root(), user);
        let socket = self.gateway_socket();
        // Credentials are a thread's own: the kernel notes those of the one that connects.
        let connected = thread::spawn(move || {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            // SAFETY: two system calls on numbers; the thread ends right after.
            let taken = unsafe {
                libc::syscall(libc::SYS_setresgid, gid, gid, gid) == 0
                    && libc::syscall(libc::SYS_setresuid, uid, uid, uid) == 0
            };
            match taken {
                true => UnixStream::connect(socket),
                false => Err(io::Error::last_os_error()),
            }
        });
        match connected.join() {
            Ok(connected) => connected.or_fail("connect to the gateway"),
            Err(_) => fail("connecting to the gateway panicked"),
        }
    }

    /// What the gateway has written to its log.
    pub fn gateway_log(&self) -> String {
        fs::read_to_string(self.root().join("gateway.log")).or_fail("read gateway.log")
    }
}
