//! A container's `/etc/passwd` and `/etc/group`, which the engine reads as root at each start, to
//! their end.

use ds01_testkit::TestHost;

use super::{as_root, client, docker, done, refused, sleeper};
use crate::support::{duties::pass, expect::inspect};

const POLICY: &str = "{{.HostConfig.RestartPolicy.Name}}";

/// Runs this in a container of alice's, as root in it.
#[track_caller]
fn inside(host: &TestHost, name: &str, script: &str) {
    done(host, "alice", &["exec", name, "sh", "-c", script]);
}

#[track_caller]
fn not_started(host: &TestHost, name: &str, what: &str) {
    let said = refused(host, "alice", &["start", name]);
    let expected = format!(
        "container {name} is not started: its {what}; the engine reads it as root, and takes a file \
         of 1 MiB at most"
    );
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains(&format!("container-remove {name}")), "{said}");
}

#[test]
fn a_pipe_for_a_file_of_users_keeps_the_engine_from_nothing() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "pipe", &["--restart", "always"]);
    sleeper(&host, "alice", "good", &[]);
    inside(&host, "pipe", "rm -f /etc/passwd; mkfifo /etc/passwd");
    // As it would for each command.
    let said = docker(&host, "alice", &["exec", "pipe", "id"]);
    let expected = "nothing is run in pipe: its /etc/passwd is a pipe (FIFO)";
    assert!(said.stderr.contains(expected), "{said:?}");
    // It reads each once more when it starts, if it is to start the container.
    host.engine().restart();
    assert_eq!(
        inspect(&host, "pipe._.20001", "{{.State.Status}}"),
        "exited"
    );
    not_started(&host, "pipe", "/etc/passwd is a pipe (FIFO)");
    let again = host.run("container-start", &["pipe"]);
    assert_eq!(again.status, Some(4), "{again:?}");
    done(&host, "alice", &["start", "good"]);
    // What its policy was before this version: a start takes it away.
    let policy = ["update", "--restart", "always", "pipe._.20001"];
    host.docker(&policy).ok();
    not_started(&host, "pipe", "/etc/passwd is a pipe (FIFO)");
    assert_eq!(inspect(&host, "pipe._.20001", POLICY), "no");
    // A pass, for one that nobody starts.
    host.docker(&policy).ok();
    pass(&host, "ds01-holds", &[]).ok();
    assert_eq!(inspect(&host, "pipe._.20001", POLICY), "no");
    done(&host, "alice", &["rm", "pipe"]);
}

#[test]
fn a_long_file_of_users_and_a_link_to_a_pipe_are_not_read() {
    let host = TestHost::behind_gateway(1);
    let end = |name: &str| drop(done(&host, "alice", &["stop", "-t", "0", name]));
    sleeper(&host, "alice", "long", &[]);
    inside(&host, "long", "head -c 8000000 /dev/zero >/etc/group");
    end("long");
    not_started(&host, "long", "/etc/group is a file of 8000000 bytes");
    sleeper(&host, "alice", "link", &[]);
    inside(
        &host,
        "link",
        "mkfifo /pipe; rm -f /etc/passwd; ln -s none/../../pipe /etc/passwd",
    );
    end("link");
    not_started(&host, "link", "/etc/passwd is a link that leads nowhere");
    // What is short is read as ever: from a link, and from none.
    sleeper(&host, "alice", "fit", &[]);
    inside(
        &host,
        "fit",
        "rm -f /etc/group /etc/passwd; echo me:x:7:7::/:/bin/sh >/users; ln -s /users /etc/passwd",
    );
    end("fit");
    done(&host, "alice", &["start", "fit"]);
    let who = docker(&host, "alice", &["exec", "-u", "me", "fit", "id", "-u"]);
    assert_eq!(who.ok().trim(), "7");
}

#[test]
fn an_image_is_imported_without_devices_and_pipes() {
    let host = TestHost::behind_gateway(1);
    let script = format!(
        "cd {0}; mkdir -p good/etc evil/etc; cp $(command -v busybox) good/
         echo me:x:7:7::/:/ >good/etc/passwd; mkfifo good/etc/group
         mknod evil/etc/passwd c 1 9
         tar -c -C good . >home/alice/good.tar; tar -cz -C good . >home/alice/good.tgz
         tar -c -C evil . >home/alice/evil.tar",
        host.root().display()
    );
    as_root(&host, &script).ok();
    for archive in ["good.tar", "good.tgz"] {
        done(
            &host,
            "alice",
            &["import", &format!("/home/alice/{archive}"), "mine"],
        );
        let run = ["run", "--rm", "-u", "me", "mine", "/busybox", "id", "-u"];
        assert_eq!(done(&host, "alice", &run), "7", "{archive}");
    }
    let import = ["import", "/home/alice/evil.tar", "mine"];
    let said = refused(&host, "alice", &import);
    let why = "the archive cannot be imported: ./etc/passwd is neither file, folder nor link";
    assert!(said.starts_with(why), "{said}");
    // One that root imported.
    let evil = host.home("alice").join("evil.tar");
    host.docker(&["import", &evil.to_string_lossy(), "evil"])
        .ok();
    let run = client(&host, "alice").run("docker", &["run", "--name", "x", "evil", "/busybox"]);
    assert!(
        run.stderr.contains("its /etc/passwd is a device"),
        "{run:?}"
    );
    done(&host, "alice", &["ps"]);
}
