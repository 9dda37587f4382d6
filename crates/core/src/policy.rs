//! Quotas and policies of a host, from its YAML files.
//!
//! What is more particular wins key by key: a user's override over the group, the group over
//! `defaults`, and those over what ships. `null` is no limit, a key that is absent is inherited.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    failure::{Kind, UserError},
    lifecycle::Rule,
    limits::{ContainerTypes, Exemption, Limits},
    time::Timestamp,
    user::sanitised,
};
use keys::Setting;

mod keys;
mod lines;
mod longest;
mod read;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it was, for messages.
    pub path: String,
    /// What was in it.
    pub text: String,
}

/// The files of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFiles {
    /// `resource-limits.yaml`.
    pub limits: Source,
    /// `user-overrides.yaml`; wins over `user_overrides` in the limits.
    pub overrides: Option<Source>,
    /// `lifecycle-exemptions.yaml`.
    pub exemptions: Option<Source>,
    /// `groups/<group>.members` with their groups: one login a line, `#` before comments.
    pub members: Vec<(String, Source)>,
}

/// Something in a file that has no effect, though its writer may think so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: String,
    /// The line, from 1, if it is known for certain.
    pub line: Option<usize>,
    /// The key and what is the matter with it, on one line.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_placed(f, &self.path, self.line, &self.message)
    }
}

/// Why no limits can be had from the files: `file:line: key: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The file.
    pub path: String,
    /// The line, from 1, if it is known for certain.
    pub line: Option<usize>,
    /// The key and what is the matter with it, on one line.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_placed(f, &self.path, self.line, &self.message)
    }
}

impl std::error::Error for PolicyError {}

impl UserError for PolicyError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(format!(
            "an administrator must correct {}: nothing is granted on guessed limits",
            self.path
        ))
    }
}

fn write_placed(
    f: &mut fmt::Formatter<'_>,
    path: &str,
    line: Option<usize>,
    message: &str,
) -> fmt::Result {
    match line {
        Some(line) => write!(f, "{path}:{line}: {message}"),
        None => write!(f, "{path}: {message}"),
    }
}

/// The quotas and policies of this host.
#[derive(Debug)]
pub struct Policy {
    /// What ships, the policies for all, and `defaults`.
    defaults: Limits,
    /// In the order of the file.
    groups: Vec<Group>,
    default_group: String,
    overrides: BTreeMap<String, Vec<Setting>>,
    aggregate_enforced: bool,
    admin_users: Vec<String>,
    admin_group: Option<String>,
    container_types: ContainerTypes,
    exemptions: Vec<Exemption>,
    recent_use_half_life: Duration,
}

#[derive(Debug)]
struct Group {
    name: String,
    settings: Vec<Setting>,
    members: HashSet<String>,
}

impl Policy {
    /// Reads the files, and says what in them has no effect.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for the first value that is wrong: of another type, negative, without a
    /// unit that is known, written twice, or a section that is null.
    pub fn parse(files: &PolicyFiles) -> Result<(Self, Vec<Warning>), PolicyError> {
        read::policy(files)
    }

    /// What the user with this login may use.
    ///
    /// The group is the first one, in the order of the file, that has the login or its
    /// [`sanitised`] form for a member; nobody's group is the default one.
    pub fn limits_for(&self, login: &str) -> Limits {
        let form = sanitised(login);
        let has = |group: &&Group| group.members.contains(login) || group.members.contains(&form);
        let named = |group: &&Group| group.name == self.default_group;
        let group = self
            .groups
            .iter()
            .find(has)
            .or_else(|| self.groups.iter().find(named));
        let own = self
            .overrides
            .get(login)
            .or_else(|| self.overrides.get(&form));
        self.resolved(group, own)
    }

    fn resolved(&self, group: Option<&Group>, own: Option<&Vec<Setting>>) -> Limits {
        let mut limits = self.defaults.clone();
        limits.group = group
            .map_or(&self.default_group, |group| &group.name)
            .clone();
        limits.overridden = own.is_some();
        let settings = group
            .map(|group| &group.settings)
            .into_iter()
            .chain(own)
            .flatten();
        settings.for_each(|setting| setting.apply(&mut limits));
        limits.settle(self.aggregate_enforced)
    }

    /// The limits of each group, and of each user who has some of their own; before them whose they
    /// are, in words.
    pub fn all_limits(&self) -> Vec<(String, Limits)> {
        let of_group = |group: &Group| {
            (
                format!("group {}", group.name),
                self.resolved(Some(group), None),
            )
        };
        let groups = self.groups.iter().map(of_group);
        let own = self.overrides.keys();
        let own = own.map(|login| (format!("user {login}"), self.limits_for(login)));
        groups.chain(own).collect()
    }

    /// Everybody whom the files name, as they stand there.
    pub fn named(&self) -> BTreeSet<&str> {
        let members = self.groups.iter().flat_map(|group| &group.members);
        members
            .chain(self.overrides.keys())
            .map(String::as_str)
            .collect()
    }

    /// The exemptions from the lifecycle, those that have ended too.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// Whether there is a group of this name.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.name == name)
    }

    /// Whether `access_control` names the login, or one of the user's Unix groups.
    ///
    /// Only the login itself counts, in no other form. The policy group `admin` gives quota and
    /// nothing else. Root is for the caller to know: it is a uid, not a name.
    pub fn is_admin(&self, login: &str, unix_groups: &[String]) -> bool {
        self.admin_users.iter().any(|admin| admin == login)
            || self
                .admin_group
                .as_ref()
                .is_some_and(|group| unix_groups.contains(group))
    }

    /// The rules for containers that our own commands did not make.
    pub fn container_types(&self) -> &ContainerTypes {
        &self.container_types
    }

    /// The exemption of a user from one rule of the lifecycle, at `now`; `None` if there is none that
    /// has not ended. Whom it is for is the login, or its [`sanitised`] form as in lists of members.
    pub fn exemption(&self, login: &str, rule: Rule, now: Timestamp) -> Option<&Exemption> {
        let form = sanitised(login);
        self.exemptions.iter().find(|exemption| {
            let from = match rule {
                Rule::Idle => exemption.idle_timeout,
                Rule::Longest => exemption.max_runtime,
            };
            let theirs = exemption.login == login || exemption.login == form;
            from && theirs && exemption.until.is_none_or(|until| now < until)
        })
    }

    /// The time after which what somebody used counts half in the waiting line.
    pub fn recent_use_half_life(&self) -> Duration {
        self.recent_use_half_life
    }
}
