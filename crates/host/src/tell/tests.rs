use std::{
    fs::{self, Permissions},
    io::Read,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    time::Instant,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    pty::{OpenptyResult, openpty},
    sys::stat::Mode,
    unistd::{mkdtemp, mkfifo},
};

use super::*;
use crate::config::Config;

const TEXT: &str = "thesis was idle for 27m";

/// A state directory, a log, and somebody with a folder.
struct Place {
    root: PathBuf,
    person: Person,
    by_command: ByCommand,
}

impl Place {
    /// `uid` is of no other test, and of nobody on this machine.
    fn of(uid: u32) -> Self {
        let root = mkdtemp(&std::env::temp_dir().join("ds01-tell-XXXXXX")).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        for dir in ["state", "log", "work"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        chown(root.join("work"), Some(uid), Some(uid)).unwrap();
        let person = Person {
            uid,
            gid: uid,
            login: format!("user{uid}"),
            home: root.clone(),
        };
        Self {
            root,
            person,
            by_command: ByCommand::default(),
        }
    }

    fn site(&self) -> Site {
        let mut config = Config::default();
        config.paths.state = self.root.join("state");
        config.paths.log = self.root.join("log");
        config.tell = self.by_command.clone();
        Site::as_is(config, "test")
    }

    fn tell(&self, text: &str) {
        let notice = Notice {
            text: text.into(),
            workspace: Some(self.root.join("work")),
        };
        tell(&self.site(), &self.person, &notice);
    }

    fn alerts(&self) -> PathBuf {
        self.root.join("work/.ds01-alerts")
    }

    fn alerts_text(&self) -> String {
        fs::read_to_string(self.alerts()).unwrap()
    }

    /// What waits for the next login.
    fn kept(&self) -> Vec<String> {
        let kept = login::take(&self.root.join("state"), self.person.uid).unwrap();
        kept.into_iter().map(|kept| kept.text).collect()
    }

    /// The ways that failed, and why.
    fn failures(&self) -> Vec<[String; 2]> {
        let log = fs::read_to_string(self.root.join("log/events.jsonl")).unwrap_or_default();
        let events = log
            .lines()
            .map(|line| serde_json::from_str::<Event>(line).unwrap());
        events
            .map(|event| {
                assert_eq!(event.event_type, "alert.failed");
                ["way", "reason"].map(|key| event.details[key].clone())
            })
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A terminal of this uid's, of which everything can be read at once. It shows a line end as two
/// characters, for programs that do not.
fn terminal(uid: u32, mode: u32) -> OpenptyResult {
    let pty = openpty(None, None).unwrap();
    let path = path_of(&pty);
    chown(&path, Some(uid), None).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    pty
}

fn path_of(pty: &OpenptyResult) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap()
}

fn shown(pty: OpenptyResult) -> String {
    let mut text = [0; 65536];
    let count = File::from(pty.master).read(&mut text).unwrap_or(0);
    String::from_utf8_lossy(&text[..count]).into_owned()
}

#[test]
fn all_ways_are_taken_and_nothing_that_drives_a_terminal_gets_through() {
    let place = Place::of(61201);
    let pty = terminal(61201, 0o620);
    place.tell("bad\x1b[2J\nname\u{202e}");
    let escaped = r"bad\u{1b}[2J\nname\u{202e}";
    assert_eq!(shown(pty), format!("\r\r\nDS01: {escaped}\r\r\n"));
    let alerts = place.alerts_text();
    let [head, line] = alerts.lines().collect::<Vec<_>>()[..] else {
        panic!("{alerts}")
    };
    assert!(head.starts_with("# "));
    assert!(line.ends_with(&format!("Z {escaped}")), "{line}");
    let about = fs::metadata(place.alerts()).unwrap();
    assert_eq!((about.uid(), about.gid()), (61201, 61201));
    place.tell(TEXT);
    assert_eq!(place.kept(), [escaped, TEXT]);
    assert_eq!(place.kept(), [] as [&str; 0], "each is told once");
    assert_eq!(place.failures(), [] as [[String; 2]; 0]);
}

#[test]
fn only_terminals_that_are_theirs_and_take_messages_are_written_to() {
    let place = Place::of(61202);
    let refusing = terminal(61202, 0o600);
    let others = terminal(61203, 0o622);
    // Nobody reads it, and it is full.
    let stuck = terminal(61202, 0o620);
    fcntl(&stuck.slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&stuck.slave, &[b'x'; 1024]).is_ok() {}
    let taking = [terminal(61202, 0o620), terminal(61202, 0o620)];
    place.tell(TEXT);
    assert_eq!([shown(refusing), shown(others)], ["", ""]);
    for pty in taking {
        assert_eq!(shown(pty), format!("\r\r\nDS01: {TEXT}\r\r\n"));
    }
    assert!(!shown(stuck).contains("DS01"));
    assert_eq!(place.failures(), [] as [[String; 2]; 0]);
}

#[test]
fn what_stands_in_the_place_of_the_file_stays_as_it_is() {
    let place = Place::of(61204);
    let alerts = place.alerts();
    let victim = place.root.join("work/victim");
    let own = |path: &Path| chown(path, Some(61204), Some(61204)).unwrap();
    let expect = |reason: &str| {
        place.tell(TEXT);
        let path = alerts.display();
        let failures = place.failures();
        let reason = ["workspace", &format!("{path}: {reason}")].map(str::to_string);
        assert_eq!(failures.last().map(|[_, why]| why), Some(&reason[1]));
        assert_eq!(place.kept(), [TEXT], "the others are not kept from it");
    };
    let not_ours = "it is not a file of DS01's";

    fs::write(&victim, "precious\n").unwrap();
    own(&victim);
    symlink(&victim, &alerts).unwrap();
    expect("Too many levels of symbolic links (os error 40)");
    fs::remove_file(&alerts).unwrap();
    fs::hard_link(&victim, &alerts).unwrap();
    expect(not_ours);
    fs::remove_file(&alerts).unwrap();
    // One that looks like ours has another name as well.
    fs::write(&victim, "").unwrap();
    fs::hard_link(&victim, &alerts).unwrap();
    expect(not_ours);
    assert_eq!(fs::read(&victim).unwrap(), b"");
    fs::remove_file(&alerts).unwrap();
    mkfifo(&alerts, Mode::S_IRWXU).unwrap();
    own(&alerts);
    expect(not_ours);
    fs::remove_file(&alerts).unwrap();
    let list = "# My own list of alerts.\n".repeat(10);
    fs::write(&alerts, &list).unwrap();
    own(&alerts);
    expect(not_ours);
    assert_eq!(place.alerts_text(), list);
    fs::remove_file(&alerts).unwrap();
    fs::create_dir(&alerts).unwrap();
    expect("Is a directory (os error 21)");
    // Root could write it, and the user could not.
    fs::remove_dir(&alerts).unwrap();
    chown(place.root.join("work"), Some(0), Some(0)).unwrap();
    expect("Permission denied (os error 13)");
    assert!(!alerts.exists());
    fs::remove_dir_all(place.root.join("work")).unwrap();
    let before = place.failures().len();
    place.tell(TEXT);
    assert_eq!(place.failures().len(), before, "no workspace is no failure");
}

#[test]
fn the_files_stay_short_and_keep_what_is_new() {
    let place = Place::of(61205);
    let long = |number: usize| format!("{number} {}", "x".repeat(2 * LONGEST));
    for number in 0..40 {
        place.tell(&long(number));
    }
    let alerts = place.alerts_text();
    assert!(alerts.len() as u64 <= MOST, "{}", alerts.len());
    let mut lines = alerts.lines();
    assert!(lines.next().unwrap().starts_with("# "));
    let numbers: Vec<usize> = lines
        .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..40).collect::<Vec<_>>(), "none torn");
    let kept = place.kept();
    assert!(kept.len() > 5 && kept.len() < 20, "{}", kept.len());
    assert!(kept.iter().all(|text| text.len() == LONGEST));
    assert!(kept.last().unwrap().starts_with("39 "));
}

#[test]
fn the_admins_command_gets_it_as_nobody_and_is_killed_when_it_takes_too_long() {
    let mut place = Place::of(61206);
    let out = place.root.join("out");
    fs::write(&out, "").unwrap();
    fs::set_permissions(&out, Permissions::from_mode(0o666)).unwrap();
    let run = |place: &mut Place, script: &str| {
        place.by_command.command = ["/bin/sh", "-c", script, "a b", "$0;x"]
            .map(str::to_string)
            .to_vec();
        place.tell("it's $HOME; `id`");
    };
    let script = format!(
        "{{ id -u; id -G; cat; printf '%s|' \"$DS01_USER\" \"$HOME\" \"$0\" \"$@\"; }} >{}",
        out.display()
    );
    run(&mut place, &script);
    let nobody = "65534\n65534\nit's $HOME; `id`\nuser61206||a b|$0;x|";
    assert_eq!(fs::read_to_string(&out).unwrap(), nobody);
    assert_eq!(place.failures(), [] as [[String; 2]; 0]);
    place.kept();

    run(&mut place, "exit 3");
    place.by_command.timeout_s = 1;
    let script = format!("sleep 600 & echo $! $$ >{}; wait", out.display());
    let begun = Instant::now();
    run(&mut place, &script);
    assert!(begun.elapsed() < Duration::from_secs(60));
    for pid in fs::read_to_string(&out).unwrap().split_whitespace() {
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !stat().is_empty() && !stat().contains(") Z ") {
            assert!(begun.elapsed() < Duration::from_secs(60), "{pid} lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    place.by_command.command = vec!["/nonexistent".into()];
    place.tell(TEXT);
    place.by_command.user = "nosuchuser".into();
    place.tell(TEXT);
    let expected = [
        "/bin/sh: exit status: 3",
        "timed out",
        "/nonexistent: No such file or directory (os error 2)",
        "/nonexistent: there is no user nosuchuser",
    ];
    let expected = expected.map(|reason| ["command".to_string(), reason.into()]);
    assert_eq!(place.failures(), expected);
    assert_eq!(place.kept().len(), 4, "the other ways were taken");
    assert_eq!(place.alerts_text().lines().count(), 6);
}

#[test]
fn many_who_cannot_be_told_take_no_longer_than_one_and_each_is_over_by_itself() {
    let mut place = Place::of(61207);
    let script = "read text; case $text in quick*) ;; *) sleep 600;; esac";
    place.by_command.command = ["/bin/sh", "-c", script].map(str::to_string).to_vec();
    place.by_command.timeout_s = 5;
    let notice = |text: String| {
        let workspace = None;
        (place.person.clone(), Notice { text, workspace })
    };
    let mut notices: Vec<_> = (0..8)
        .map(|number| notice(format!("slow {number}")))
        .collect();
    notices.push(notice("quick".into()));
    let begun = Instant::now();
    let mut told = Vec::new();
    tell_all(&place.site(), &notices, |number| {
        told.push((number, begun.elapsed()))
    });
    let all = begun.elapsed();
    assert!(all >= Duration::from_secs(5), "{all:?}");
    assert!(
        all < Duration::from_secs(15),
        "one after the other: {all:?}"
    );
    let (first, after) = told[0];
    assert_eq!(first, 8, "{told:?}");
    assert!(
        after < Duration::from_secs(5),
        "it waited for the others: {told:?}"
    );
    let mut numbers: Vec<_> = told.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>(), "each once");
    let late = ["command", "timed out"].map(str::to_string);
    assert_eq!(place.failures(), vec![late; 8]);
    assert_eq!(place.kept().len(), 9);
}

#[test]
fn of_very_many_some_are_told_after_the_others() {
    let mut place = Place::of(61208);
    let script = "read text; case $text in slow*) sleep 2;; esac";
    place.by_command.command = ["/bin/sh", "-c", script].map(str::to_string).to_vec();
    let notices: Vec<_> = (0..AT_ONCE + 8)
        .map(|number| {
            let kind = if number == 0 { "slow" } else { "quick" };
            let (text, workspace) = (format!("{kind} {number}"), None);
            (place.person.clone(), Notice { text, workspace })
        })
        .collect();
    let mut told = Vec::new();
    tell_all(&place.site(), &notices, |number| told.push(number));
    let slow = told.iter().position(|number| *number == 0);
    assert_eq!(slow, Some(AT_ONCE - 1), "{told:?}");
    told.sort_unstable();
    assert_eq!(told, (0..AT_ONCE + 8).collect::<Vec<_>>(), "each once");
}

#[test]
fn notices_at_the_same_time_are_all_in_the_workspace_though_the_older_half_goes() {
    let place = Place::of(61209);
    let notice = |number: usize| Notice {
        text: format!("notice {number:02} {}", "x".repeat(400)),
        workspace: Some(place.root.join("work")),
    };
    let all: Vec<_> = (0..8)
        .map(|number| (place.person.clone(), notice(number)))
        .collect();
    // There is room for 38 of them: some cut it.
    for round in 0..20 {
        tell_all(&place.site(), &all, |_| {});
        let text = place.alerts_text();
        assert_eq!(text.matches("# What DS01").count(), 1, "{text}");
        let last: Vec<_> = text.lines().rev().take(8).map(|l| &l[21..30]).collect();
        for number in 0..8 {
            let it = format!("notice {number:02}");
            assert!(last.contains(&&*it), "{round}: {it}: {last:?}");
        }
    }
    assert_eq!(place.failures(), [] as [[String; 2]; 0]);
}
