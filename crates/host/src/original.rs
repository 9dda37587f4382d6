//! What the original DS01 has left on a host, beside its containers.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the original keeps its programs.
const ROOT: &str = "/opt/ds01-infra";

/// Where it puts links to them, which hide commands of the same name.
const LINKS: &str = "/usr/local/bin";

/// Its files elsewhere: the folder, how their names begin, and what they do.
const FILES: [(&str, &str, &str); 5] = [
    ("/etc/cron.d", "ds01-", "its duties run beside DS01's own"),
    (
        "/etc/systemd/system",
        "ds01-",
        "its services run beside DS01's own",
    ),
    ("/etc/profile.d", "ds01-", "its greeting runs at each login"),
    (
        "/etc/sudoers.d",
        "ds01",
        "it lets users run its scripts as root",
    ),
    ("/etc/logrotate.d", "ds01-", "it rotates the log by copying"),
];

/// Something that is left, and the command that takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What it is, and what it does.
    pub what: String,
    /// What to type.
    pub fix: String,
}

/// What is left of the original on this host, in the order in which to take it away.
pub fn left() -> Vec<Left> {
    below(Path::new("/"))
}

fn below(root: &Path) -> Vec<Left> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let mut left = Vec::new();
    for (folder, begin, what) in FILES {
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            // A folder has what an admin set beside a unit of ours.
            name.is_some_and(|name| name.starts_with(begin)) && !path.is_dir() && !is_packaged(path)
        };
        let mut paths = entries(&at(folder));
        paths.retain(ours);
        left.extend(paths.iter().map(|path| Left {
            what: format!("{} is of the original system: {what}", path.display()),
            fix: match folder {
                "/etc/systemd/system" => {
                    let unit = path.file_name().unwrap_or_default().display();
                    format!(
                        "systemctl --no-reload disable --now {unit}; rm {}",
                        path.display()
                    )
                }
                _ => format!("rm {}", path.display()),
            },
        }));
    }
    let infra = at(ROOT);
    let leads_there = |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.starts_with(&infra));
    let links = entries(&at(LINKS)).into_iter().filter(leads_there).count();
    if links > 0 {
        left.push(Left {
            what: format!(
                "{links} commands in {} hide those of DS01",
                at(LINKS).display()
            ),
            fix: format!(
                "find {} -lname '{}/*' -delete",
                at(LINKS).display(),
                infra.display()
            ),
        });
    }
    if infra.exists() {
        left.push(Left {
            what: format!(
                "{} has the original's programs and configuration",
                infra.display()
            ),
            fix: format!(
                "compare {}/config with /etc/ds01, then rm -r {}",
                infra.display(),
                infra.display()
            ),
        });
    }
    left
}

/// Whether it is a link to what a package or an admin has elsewhere: a unit that is switched on, say.
fn is_packaged(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to.starts_with("/usr/lib") || to.starts_with("/lib"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_left_is_said_with_what_to_type() {
        let root = std::env::temp_dir().join(format!("ds01-original-{}", std::process::id()));
        let at = |path: &str| root.join(path);
        for folder in [
            "etc/cron.d",
            "etc/systemd/system",
            "usr/local/bin",
            "opt/ds01-infra",
        ] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let texts = || -> Vec<_> {
            let left = below(&root).into_iter();
            let shown = left.map(|left| format!("{}: {}", left.what, left.fix));
            let root = format!("{}/", root.display());
            shown.map(|line| line.replace(&root, "/")).collect()
        };
        let infra = "/opt/ds01-infra has the original's programs and configuration: \
                     compare /opt/ds01-infra/config with /etc/ds01, then rm -r /opt/ds01-infra";
        assert_eq!(texts(), [infra]);

        for file in [
            "etc/cron.d/ds01-maintenance",
            "etc/cron.d/other",
            "etc/systemd/system/ds01-exporter.service",
        ] {
            fs::write(at(file), "").unwrap();
        }
        // Ours, as systemctl enable leaves it; and one of somebody's.
        symlink(
            "/usr/lib/systemd/system/ds01.target",
            at("etc/systemd/system/ds01-gateway.service"),
        )
        .unwrap();
        symlink(at("opt/ds01-infra/x"), at("usr/local/bin/container-list")).unwrap();
        symlink("/usr/bin/true", at("usr/local/bin/mine")).unwrap();
        assert_eq!(
            texts(),
            [
                "/etc/cron.d/ds01-maintenance is of the original system: its duties run beside DS01's own: \
                 rm /etc/cron.d/ds01-maintenance",
                "/etc/systemd/system/ds01-exporter.service is of the original system: its services run beside \
                 DS01's own: systemctl --no-reload disable --now ds01-exporter.service; \
                 rm /etc/systemd/system/ds01-exporter.service",
                "1 commands in /usr/local/bin hide those of DS01: \
                 find /usr/local/bin -lname '/opt/ds01-infra/*' -delete",
                infra,
            ]
        );
        fs::remove_dir_all(root).unwrap();
    }
}
