//! The users of containers: whether they are those who made them.

use std::collections::BTreeMap;

use ds01_core::{container::Sighting, name::EngineName};

use super::{Finding, ledger::Facts, or_ok};
use crate::users::{Person, UnknownUser, person};

const CHECK: &str = "owners";

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut known: BTreeMap<u32, Result<Person, UnknownUser>> = BTreeMap::new();
    let records = facts
        .records
        .iter()
        .filter_map(|(_, record)| record.as_ref());
    let findings = facts.containers.iter().filter_map(|container| {
        let record = records
            .clone()
            .find(|record| record.id == container.id && record.container == container.name)?;
        let name: EngineName = record.container.parse().ok()?;
        let today = known.entry(name.uid).or_insert_with(|| person(name.uid));
        let today = today.as_ref().map(|person| person.login.as_str());
        of(facts, container, name.uid, &record.login, today)
    });
    or_ok(
        findings.collect(),
        CHECK,
        "every container of DS01 is of who made it",
    )
}

/// What is wrong with a container of this uid, which `made` made by their login, and `today` has it.
fn of(
    facts: &Facts<'_>,
    container: &Sighting,
    uid: u32,
    made: &str,
    today: Result<&str, &UnknownUser>,
) -> Option<Finding> {
    let name = &container.name;
    let removal = facts.removal(container);
    match today {
        Ok(today) if today == made || made.is_empty() => None,
        Ok(today) => {
            let what = format!("{name} was made by {made}, and its uid {uid} is {today}'s by now");
            let finding = Finding::wrong(CHECK, what)
                .because(format!(
                    "if that is not {made} under a new name, {today} can start and enter it, with \
                     the files that {made} left"
                ))
                .mend(format!(
                    "if {today} is somebody else: {removal}, and chown what {made} left; if it is \
                     the same person: none, until it is made anew"
                ));
            Some(finding)
        }
        Err(UnknownUser::Service(error)) => {
            let what = format!("whose {name} is: the name service does not answer: {error}");
            Some(Finding::unknown(CHECK, what))
        }
        Err(_) => {
            let what = format!("{name} is of uid {uid}, which has no login; {made} made it");
            let finding = Finding::warning(CHECK, what)
                .because(
                    "nobody can use it, it may hold a GPU, and whoever gets the uid next gets the \
                     container with it",
                )
                .mend(format!(
                    "if the name service is in order, see getent passwd {made}: {removal}"
                ));
            Some(finding)
        }
    }
}

#[cfg(test)]
mod tests {
    use ds01_core::{
        container::{ContainerId, State},
        labels::Labels,
        ledger::Ledger,
        time::Timestamp,
    };

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_container_is_of_who_made_it_or_that_is_said() {
        let ledger = Ledger::default();
        let facts = Facts {
            stored: None,
            ledger: &ledger,
            containers: &[],
            claims: BTreeMap::new(),
            records: &[],
            inventory: None,
            now: Timestamp(0),
            docker: "docker",
        };
        let container = Sighting {
            id: ContainerId("0a".into()),
            name: "thesis._.1001".into(),
            state: State::Exited,
            image: String::new(),
            created: Timestamp(0),
            status: String::new(),
            labels: Labels::default(),
            binds: Vec::new(),
        };
        let told = |today: Result<&str, &UnknownUser>| {
            let found = of(&facts, &container, 1001, "alice", today)?;
            Some((found.verdict, found.what, found.fix.unwrap_or_default()))
        };
        assert_eq!(told(Ok("alice")), None);
        let (verdict, what, fix) = told(Ok("novice")).unwrap();
        assert_eq!(verdict, Verdict::Wrong);
        assert_eq!(
            what,
            "thesis._.1001 was made by alice, and its uid 1001 is novice's by now"
        );
        assert!(
            fix.contains("docker rm thesis._.1001") && fix.contains("chown"),
            "{fix}"
        );
        let (verdict, what, fix) = told(Err(&UnknownUser::Uid(1001))).unwrap();
        assert_eq!(verdict, Verdict::Warning);
        assert!(what.contains("no login"), "{what}");
        assert!(fix.contains("docker rm thesis._.1001"), "{fix}");
        let down = UnknownUser::Service("gone".into());
        assert_eq!(told(Err(&down)).unwrap().0, Verdict::Unknown);
    }
}
