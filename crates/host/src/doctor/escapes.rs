//! Ways out of a container: versions that are known for it.

use ds01_core::device::Inventory;

use super::Finding;
use crate::engine::{About, Part};

const CHECK: &str = "escapes";

/// The name by which the table calls NVIDIA's container toolkit.
const TOOLKIT: &str = "nvidia-container-toolkit";

/// A way out of a container, and the versions that close it.
struct Escape {
    cve: &'static str,
    part: &'static str,
    /// The first good version of each line of releases, oldest first; all after the last are good.
    fixed: &'static [Version],
    /// Only where requests are judged by an authorisation plugin.
    of_plugins: bool,
}

/// Known escapes that a user of a shared host can reach.
///
/// Sources: [CVE-2019-5736] (runc to 1.0-rc6, Docker before 18.09.2), [CVE-2021-30465] (runc before
/// 1.0.0-rc95), [CVE-2024-21626] (runc before 1.1.12), [CVE-2024-45310] (empty files anywhere on the
/// host: runc before 1.1.14, 1.2.0-rc.3), [CVE-2025-31133] (and -52565, -52881: runc before 1.2.8,
/// 1.3.3, 1.4.0-rc.3), [CVE-2024-41110] and [CVE-2026-34040] (the engine's authorisation plugins see
/// no body: before 27.1.1 and its ports back, before 29.3.1), [CVE-2024-0132] (NVIDIA's toolkit to
/// 1.16.1) and [CVE-2025-23266] (to 1.17.7).
///
/// [CVE-2019-5736]: https://www.cve.org/CVERecord?id=CVE-2019-5736
/// [CVE-2021-30465]: https://github.com/opencontainers/runc/security/advisories/GHSA-c3xm-pvg7-gh7r
/// [CVE-2024-21626]: https://github.com/opencontainers/runc/security/advisories/GHSA-xr7r-f8xq-vfvv
/// [CVE-2024-45310]: https://github.com/opencontainers/runc/security/advisories/GHSA-jfvp-7x6p-h2pv
/// [CVE-2025-31133]: https://github.com/opencontainers/runc/security/advisories/GHSA-9493-h29p-rfm2
/// [CVE-2024-41110]: https://github.com/moby/moby/security/advisories/GHSA-v23v-6jw2-98fq
/// [CVE-2026-34040]: https://github.com/moby/moby/security/advisories/GHSA-x744-4wpc-v9h2
/// [CVE-2024-0132]: https://nvidia.custhelp.com/app/answers/detail/a_id/5582
/// [CVE-2025-23266]: https://nvidia.custhelp.com/app/answers/detail/a_id/5659
const KNOWN: [Escape; 10] = [
    escape(
        "CVE-2019-5736",
        "Engine",
        &[version(18, 6, 2), version(18, 9, 2)],
    ),
    escape("CVE-2019-5736", "runc", &[candidate(1, 0, 0, 7)]),
    escape("CVE-2021-30465", "runc", &[candidate(1, 0, 0, 95)]),
    escape("CVE-2024-21626", "runc", &[version(1, 1, 12)]),
    escape(
        "CVE-2024-45310",
        "runc",
        &[version(1, 1, 14), candidate(1, 2, 0, 3)],
    ),
    escape(
        "CVE-2025-31133",
        "runc",
        &[version(1, 2, 8), version(1, 3, 3), candidate(1, 4, 0, 3)],
    ),
    Escape {
        of_plugins: true,
        ..escape(
            "CVE-2024-41110",
            "Engine",
            &[
                version(23, 0, 15),
                version(25, 0, 6),
                version(26, 1, 5),
                version(27, 1, 1),
            ],
        )
    },
    Escape {
        of_plugins: true,
        ..escape("CVE-2026-34040", "Engine", &[version(29, 3, 1)])
    },
    escape("CVE-2024-0132", TOOLKIT, &[version(1, 16, 2)]),
    escape("CVE-2025-23266", TOOLKIT, &[version(1, 17, 8)]),
];

const fn escape(cve: &'static str, part: &'static str, fixed: &'static [Version]) -> Escape {
    Escape {
        cve,
        part,
        fixed,
        of_plugins: false,
    }
}

/// Three numbers, and that of a release candidate; a release comes after all of its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: [u32; 3],
    candidate: u32,
}

const fn version(major: u32, minor: u32, patch: u32) -> Version {
    candidate(major, minor, patch, u32::MAX)
}

const fn candidate(major: u32, minor: u32, patch: u32, candidate: u32) -> Version {
    Version {
        numbers: [major, minor, patch],
        candidate,
    }
}

impl Version {
    /// Reads `20.10.24+dfsg1`, `1.0-rc6`, `v1.4.0-rc.3`, `1.0.0~rc93+ds1`.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().trim_start_matches('v');
        let mut numbers = [0; 3];
        for (at, number) in numbers.iter_mut().enumerate() {
            let digits = leading_digits(rest);
            match digits.parse() {
                Ok(parsed) => *number = parsed,
                Err(_) if at > 0 => break,
                Err(_) => return None,
            }
            rest = &rest[digits.len()..];
            match rest.strip_prefix('.') {
                Some(more) => rest = more,
                None => break,
            }
        }
        let after = rest
            .strip_prefix(['-', '~'])
            .and_then(|rest| rest.strip_prefix("rc"));
        let candidate = after.map(|rest| leading_digits(rest.trim_start_matches('.')).parse());
        Some(Self {
            numbers,
            candidate: candidate.map_or(u32::MAX, |number| number.unwrap_or(0)),
        })
    }
}

fn leading_digits(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    &text[..end]
}

impl Escape {
    fn is_open_in(&self, version: Version) -> bool {
        let line = |v: &Version| [v.numbers[0], v.numbers[1]];
        let closes = |fixed: &Version| version >= *fixed && line(&version) == line(fixed);
        let last = self.fixed.last();
        last.is_some_and(|last| version < *last) && !self.fixed.iter().any(closes)
    }
}

/// `toolkit` is the version of NVIDIA's; only asked for where there are GPUs.
pub(super) fn check(
    about: &About,
    toolkit: Option<&str>,
    inventory: Option<&Inventory>,
) -> Vec<Finding> {
    let mut parts = about.parts.clone();
    parts.retain(|part| KNOWN.iter().any(|known| known.part == part.name));
    let mut findings = Vec::new();
    match toolkit {
        Some(version) => parts.push(Part {
            name: TOOLKIT.into(),
            version: version.into(),
            commit: String::new(),
        }),
        None if inventory.is_some_and(|all| !all.devices.is_empty()) => {
            let what = format!("the version of {TOOLKIT} could not be found out");
            let fix = "compare nvidia-ctk --version with 1.17.8, as root";
            findings.push(Finding::unknown(CHECK, what).mend(fix));
        }
        None => {}
    }
    let plugins = !about.authorization_plugins.is_empty();
    findings.extend(parts.iter().map(|part| of_part(part, plugins)));
    findings
}

fn of_part(part: &Part, plugins: bool) -> Finding {
    let Part { name, version, .. } = part;
    let Some(parsed) = Version::parse(version) else {
        return Finding::unknown(CHECK, format!("{name} has the version {version:?}"))
            .mend("compare it with the security advisories of its maker");
    };
    let concerns = |known: &&Escape| known.part == *name && (plugins || !known.of_plugins);
    let open: Vec<_> = KNOWN
        .iter()
        .filter(concerns)
        .filter(|known| known.is_open_in(parsed))
        .map(|known| known.cve)
        .collect();
    if open.is_empty() {
        return Finding::ok(
            CHECK,
            format!("{name} {version} has no escape that is known here"),
        );
    }
    let cves = open.join(", ");
    if is_of_distribution(part) {
        let package = if part.commit.is_empty() {
            version
        } else {
            &part.commit
        };
        let what = format!("{name} {version} is older than the release that closes {cves}");
        let trackers = open
            .iter()
            .map(|cve| format!("https://security-tracker.debian.org/tracker/{cve}"));
        let trackers = trackers.collect::<Vec<_>>().join(" ");
        return Finding::warning(CHECK, what)
            .because(
                "it cannot be told from the version alone: a distribution mends old numbers too",
            )
            .mend(format!("look for {package} in {trackers}"));
    }
    Finding::wrong(CHECK, format!("{name} {version} is open to {cves}"))
        .because("whoever starts a container can become root on this host")
        .mend(format!("upgrade {name}, and restart docker"))
}

/// Whether a distribution built it: those mend old versions without a new number.
fn is_of_distribution(part: &Part) -> bool {
    const MARKS: [&str; 7] = ["dfsg", "+ds", "~ds", "+deb", "ubuntu", ".el", ".fc"];
    MARKS
        .iter()
        .any(|mark| part.version.contains(mark) || part.commit.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    fn part(name: &str, version: &str, commit: &str) -> Part {
        let [name, version, commit] = [name, version, commit].map(str::to_string);
        Part {
            name,
            version,
            commit,
        }
    }

    #[test]
    fn versions_are_read_as_their_makers_write_them() {
        for (text, expected) in [
            ("20.10.24+dfsg1", Some(version(20, 10, 24))),
            ("18.09.2", Some(version(18, 9, 2))),
            ("1.1.5+ds1", Some(version(1, 1, 5))),
            ("v1.7.27", Some(version(1, 7, 27))),
            ("1.0-rc6", Some(candidate(1, 0, 0, 6))),
            ("1.0.0~rc93+ds1", Some(candidate(1, 0, 0, 93))),
            ("1.4.0-rc.3", Some(candidate(1, 4, 0, 3))),
            ("1.17.8-1", Some(version(1, 17, 8))),
            ("28", Some(version(28, 0, 0))),
            ("", None),
            ("unknown", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
        assert!(candidate(1, 0, 0, 95) < version(1, 0, 0));
    }

    #[test]
    fn a_version_is_judged_by_its_own_line_of_releases() {
        for (name, version, commit, plugins, verdict) in [
            ("runc", "1.0-rc6", "", false, Verdict::Wrong),
            (
                "runc",
                "1.1.11",
                "v1.1.11-0-g4bccb38c",
                false,
                Verdict::Wrong,
            ),
            ("runc", "1.1.12", "", false, Verdict::Wrong),
            ("runc", "1.2.7", "", false, Verdict::Wrong),
            ("runc", "1.2.8", "", false, Verdict::Ok),
            ("runc", "1.3.2", "", false, Verdict::Wrong),
            ("runc", "1.3.3", "", false, Verdict::Ok),
            ("runc", "1.4.0-rc.2", "", false, Verdict::Wrong),
            ("runc", "1.4.0", "", false, Verdict::Ok),
            ("runc", "1.5.1", "", false, Verdict::Ok),
            (
                "runc",
                "1.1.5+ds1",
                "1.1.5+ds1-1+deb12u1",
                false,
                Verdict::Warning,
            ),
            (
                "runc",
                "1.1.7-0ubuntu1~22.04.1",
                "",
                false,
                Verdict::Warning,
            ),
            ("runc", "weird", "", false, Verdict::Unknown),
            ("Engine", "18.09.1", "", false, Verdict::Wrong),
            ("Engine", "18.06.2", "", false, Verdict::Ok),
            ("Engine", "27.1.0", "", false, Verdict::Ok),
            ("Engine", "27.1.0", "", true, Verdict::Wrong),
            ("Engine", "29.3.0", "", true, Verdict::Wrong),
            ("Engine", "29.3.1", "", true, Verdict::Ok),
            (TOOLKIT, "1.16.1", "", false, Verdict::Wrong),
            (TOOLKIT, "1.17.7", "", false, Verdict::Wrong),
            (TOOLKIT, "1.17.8", "", false, Verdict::Ok),
        ] {
            let finding = of_part(&part(name, version, commit), plugins);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn what_is_open_is_named() {
        let finding = of_part(&part("runc", "1.1.11", ""), false);
        assert_eq!(
            finding.what,
            "runc 1.1.11 is open to CVE-2024-21626, CVE-2024-45310, CVE-2025-31133"
        );
        for (version, before) in [("1.1.13", true), ("1.1.14", false), ("1.2.0-rc.2", true)] {
            let finding = of_part(&part("runc", version, ""), false);
            let is_open = finding.what.contains("CVE-2024-45310");
            assert_eq!(is_open, before, "{finding:?}");
        }
    }

    #[test]
    fn the_toolkit_is_asked_for_where_there_are_gpus() {
        let about = About::default();
        let some = Inventory {
            devices: vec![],
            ..Inventory::default()
        };
        assert_eq!(check(&about, None, Some(&some)), []);
        assert_eq!(check(&about, None, None), []);
        assert_eq!(check(&about, Some("1.17.8"), None)[0].verdict, Verdict::Ok);
    }
}
