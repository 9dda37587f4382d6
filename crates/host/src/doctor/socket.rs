//! The engine's socket: whoever can write it is root.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use nix::unistd::{Gid, Group};

use super::{Finding, quoted};

const CHECK: &str = "socket";

/// Who may write the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    uid: u32,
    mode: u32,
    /// The name of its group.
    group: String,
    /// Who is in it, but root.
    members: Vec<String>,
}

/// `trusted` is the group whose members are meant to use the engine directly.
pub(super) fn check(socket: &Path, trusted: Option<&str>) -> Vec<Finding> {
    match access(socket) {
        Ok(access) => judge(socket, &access, trusted),
        // Whether an engine answers there is told of by its own check.
        Err(error) => {
            let what = format!("cannot look at {}: {error}", socket.display());
            vec![Finding::unknown(CHECK, what)]
        }
    }
}

fn access(socket: &Path) -> std::io::Result<Access> {
    let known = fs::metadata(socket)?;
    let group = Group::from_gid(Gid::from_raw(known.gid()))?;
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut members = primary_members(&passwd, known.gid());
    let (group, others) = match group {
        Some(group) => (group.name, group.mem),
        None => (known.gid().to_string(), Vec::new()),
    };
    members.extend(others);
    members.sort();
    members.dedup();
    members.retain(|login| login != "root");
    Ok(Access {
        uid: known.uid(),
        mode: known.mode() & 0o7777,
        group,
        members,
    })
}

/// Those whose own group it is; a name service lists them nowhere else.
fn primary_members(passwd: &str, gid: u32) -> Vec<String> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let own = fields.filter(|fields| fields.get(3).is_some_and(|own| *own == gid.to_string()));
    own.filter_map(|fields| Some((*fields.first()?).to_string()))
        .collect()
}

fn judge(socket: &Path, access: &Access, trusted: Option<&str>) -> Vec<Finding> {
    let Access {
        uid,
        mode,
        group,
        members,
    } = access;
    let (shown, typed) = (socket.display(), quoted(socket));
    let root = "whoever can write the engine's socket is root on this host";
    let mut findings = Vec::new();
    if *uid != 0 {
        let what = format!("{shown} belongs to {}", crate::users::login(*uid));
        let fix = format!("chown root {typed}");
        findings.push(Finding::wrong(CHECK, what).because(root).mend(fix));
    }
    if mode & 0o002 != 0 {
        let what = format!("{shown} has mode {mode:o}: everybody can write it");
        let fix = format!("chmod 660 {typed}");
        findings.push(Finding::wrong(CHECK, what).because(root).mend(fix));
    }
    if mode & 0o020 != 0 && !members.is_empty() {
        let (names, are) = (
            members.join(", "),
            if members.len() == 1 { "is" } else { "are" },
        );
        let what = format!("{names} {are} in the group {group}, which can write {shown}");
        findings.push(if trusted == Some(group) {
            Finding::warning(CHECK, what)
                .because("each of them can become root and edit the ledger: limits are advice among them")
                .mend("let them in by the gateway, and take access.docker_group out of ds01.toml")
        } else {
            let remove = members.iter().map(|login| format!("gpasswd -d {login} {group}"));
            Finding::wrong(CHECK, what)
                .because("each of them is root on this host, and held by no limit")
                .mend(remove.collect::<Vec<_>>().join("; "))
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("only root can write {shown}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    fn verdicts(uid: u32, mode: u32, members: &[&str], trusted: Option<&str>) -> Vec<Verdict> {
        let access = Access {
            uid,
            mode,
            group: "docker".into(),
            members: members.iter().map(|login| login.to_string()).collect(),
        };
        let findings = judge(Path::new("/run/docker.sock"), &access, trusted);
        findings.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn whoever_can_write_it_must_be_meant_to() {
        assert_eq!(verdicts(0, 0o660, &[], None), [Verdict::Ok]);
        assert_eq!(verdicts(0, 0o600, &["alice"], None), [Verdict::Ok]);
        assert_eq!(verdicts(0, 0o660, &["alice"], None), [Verdict::Wrong]);
        assert_eq!(
            verdicts(0, 0o660, &["alice"], Some("gpu")),
            [Verdict::Wrong]
        );
        assert_eq!(
            verdicts(0, 0o660, &["alice"], Some("docker")),
            [Verdict::Warning]
        );
        assert_eq!(verdicts(0, 0o666, &[], Some("docker")), [Verdict::Wrong]);
        assert_eq!(verdicts(1000, 0o600, &[], None), [Verdict::Wrong]);
    }

    #[test]
    fn ones_own_group_counts() {
        let passwd = "root:x:0:0:::\nalice:x:1001:998:::\nbob:x:1002:1002:::\nodd\n";
        assert_eq!(primary_members(passwd, 998), ["alice"]);
    }
}
