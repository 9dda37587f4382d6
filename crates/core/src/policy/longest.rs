//! How long a run may last, exemptions included.

use std::time::Duration;

use super::Policy;
use crate::{
    lifecycle::{ContainerKind, Rule},
    limits::Limits,
    time::Timestamp,
};

impl Policy {
    /// The longest run, begun at `from`, of a container of this kind of the user with this login and
    /// these limits; `None` is for ever, as for who is exempt without an end.
    ///
    /// An exemption that ends before the run would be over changes nothing; otherwise the run is over
    /// when it ends.
    pub fn longest_run(
        &self,
        login: &str,
        limits: &Limits,
        kind: ContainerKind,
        from: Timestamp,
    ) -> Option<Duration> {
        let longest = kind.rules(limits, &self.container_types).max_runtime?;
        match self.exemption(login, Rule::Longest, from) {
            None => Some(longest),
            Some(exemption) => Some(longest.max(exemption.until?.since(from))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyFiles, Source};

    #[test]
    fn who_is_exempt_runs_until_the_exemption_ends_at_the_least() {
        let source = |text: &str| Source {
            path: "file".into(),
            text: text.into(),
        };
        let files = PolicyFiles {
            limits: source(
                "defaults: {max_runtime_h: 24}\ndefault_group: student\ngroups:\n  student: {}\n",
            ),
            overrides: None,
            exemptions: Some(source(
                "exemptions:\n- {username: alice, exempt_from: [max_runtime_h]}\n\
                 - {username: bob, exempt_from: [idle_timeout_h]}\n\
                 - {username: carol, exempt_from: [max_runtime_h], expires_on: 2026-12-31}\n",
            )),
            members: Vec::new(),
        };
        let policy = Policy::parse(&files).unwrap().0;
        let limits = policy.limits_for("");
        let carol = policy.exemptions.last().and_then(|last| last.until);
        let end = carol.unwrap();
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let run = |login: &str, before: Duration| {
            policy.longest_run(login, &limits, ContainerKind::Ds01, end - before)
        };
        let (day, week) = (hours(24), hours(168));
        assert_eq!(run("alice", week), None);
        assert_eq!(run("bob", week), Some(day));
        assert_eq!(run("carol", week), Some(week));
        assert_eq!(run("carol", hours(2)), Some(day));
        assert_eq!(run("carol", Duration::ZERO), Some(day), "it has ended");
    }
}
