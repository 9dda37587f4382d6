//! The files of a policy, section by section.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    Group, Policy, PolicyError, PolicyFiles, Source, Warning,
    keys::{self, QUOTA},
    values::{self, Read, nullable},
    yaml::{At, Map, Node},
};
use crate::{
    limits::{ContainerTypes, Exemption, Limits},
    recent,
};

type Result<T> = std::result::Result<T, PolicyError>;

/// The group of users whom no list has, where the file names none.
const DEFAULT_GROUP: &str = "student";

pub(super) fn policy(files: &PolicyFiles) -> Result<(Policy, Vec<Warning>)> {
    let mut policy = Policy {
        defaults: Limits::shipped(),
        groups: Vec::new(),
        default_group: DEFAULT_GROUP.into(),
        overrides: BTreeMap::new(),
        aggregate_enforced: true,
        admin_users: Vec::new(),
        admin_group: None,
        container_types: ContainerTypes::shipped(),
        exemptions: Vec::new(),
        recent_use_half_life: recent::HALF_LIFE,
    };
    let mut warnings = Vec::new();
    let top = At::top(&files.limits);
    let Some(map) = Node::parse(&files.limits)? else {
        return Err(top.error("holds no limits"));
    };
    limits(&mut policy, top, &map, &mut warnings)?;
    for (group, source) in &files.members {
        members_file(&mut policy.groups, group, source, &mut warnings);
    }
    in_two_groups(&policy.groups, &files.limits, &mut warnings);
    // Overrides come last: what they are checked against depends on all of the above.
    if let Some((key, node)) = map.iter().find(|(key, _)| key == "user_overrides") {
        let at = top.child(key);
        overrides(&mut policy, at, at.map(node)?, &mut warnings)?;
    }
    if let Some(source) = &files.overrides
        && let Some(map) = Node::parse(source)?
    {
        overrides(&mut policy, At::top(source), &map, &mut warnings)?;
    }
    if let Some(source) = &files.exemptions
        && let Some(map) = Node::parse(source)?
    {
        exemptions(&mut policy, At::top(source), &map, &mut warnings)?;
    }
    Ok((policy, warnings))
}

/// The value, or an error that says what it should have been.
fn value<T>(at: At, node: &Node, read: impl FnOnce(&Node) -> Read<T>) -> Result<T> {
    read(node).map_err(|wrong| at.error(wrong.instead_of(node)))
}

/// All of `resource-limits.yaml` but the overrides.
fn limits(policy: &mut Policy, top: At, map: &Map, warnings: &mut Vec<Warning>) -> Result<()> {
    let mut global = Vec::new();
    let mut defaults = Vec::new();
    let mut default_group = None;
    for (key, node) in map {
        let at = top.child(key);
        match key.as_str() {
            "policies" => keys::policies(at, node, &mut global, warnings)?,
            "defaults" => defaults = keys::section(at, at.map(node)?, &[], warnings)?,
            "default_group" => default_group = Some((at, value(at, node, values::text)?)),
            "groups" => {
                for (name, node) in at.map(node)? {
                    policy
                        .groups
                        .push(group(at.child(name), name, node, warnings)?);
                }
            }
            "user_overrides" => {}
            "container_types" => {
                container_types(&mut policy.container_types, at, at.map(node)?, warnings)?;
            }
            "access_control" => access_control(policy, at, at.map(node)?, warnings)?,
            "enforcement" => enforcement(policy, at, at.map(node)?, warnings)?,
            "waiting_line" => waiting_line(policy, at, at.map(node)?, warnings)?,
            // Sections of the original that nothing here reads; one may be all comments.
            "gpu_allocation" | "monitoring" | "bare_metal_access" if *node == Node::Null => {}
            "gpu_allocation" | "monitoring" | "bare_metal_access" => {
                warnings.push(at.warning(NO_EFFECT));
            }
            _ => warnings.push(at.warning(UNKNOWN)),
        }
    }
    global
        .iter()
        .chain(&defaults)
        .for_each(|setting| setting.apply(&mut policy.defaults));
    if let Some((at, name)) = default_group {
        if !policy.groups.iter().any(|group| group.name == name) {
            return Err(at.error(format!("no group {name:?} in groups")));
        }
        policy.default_group = name;
    }
    Ok(())
}

pub(super) const NO_EFFECT: &str = "has no effect";
pub(super) const UNKNOWN: &str = "unknown key";

fn group(at: At, name: &str, node: &Node, warnings: &mut Vec<Warning>) -> Result<Group> {
    // It is part of a slice's name and of a label.
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    {
        return Err(at.error("the name of a group has only letters a-z, digits, '-' and '_'"));
    }
    let map = at.map(node)?;
    let settings = keys::section(at, map, &["members"], warnings)?;
    let members = match map.iter().find(|(key, _)| key == "members") {
        Some((key, node)) => value(at.child(key), node, values::texts)?
            .into_iter()
            .collect(),
        None => HashSet::new(),
    };
    Ok(Group {
        name: name.into(),
        settings,
        members,
    })
}

/// One login a line; `#` begins a comment.
fn members_file(groups: &mut [Group], name: &str, source: &Source, warnings: &mut Vec<Warning>) {
    let mut warn = |line, message| {
        warnings.push(Warning {
            path: source.path.clone(),
            line,
            message,
        });
    };
    let Some(group) = groups.iter_mut().find(|group| group.name == name) else {
        return warn(None, "has no effect: the limits have no such group".into());
    };
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    for (number, line) in (1..).zip(text.lines()) {
        let login = line.split('#').next().unwrap_or_default().trim();
        if login.contains(|c: char| c.is_whitespace() || c.is_control()) {
            warn(Some(number), "has no effect: one login a line".into());
        } else if !login.is_empty() {
            group.members.insert(login.into());
        }
    }
}

/// The first group that has somebody counts.
fn in_two_groups(groups: &[Group], limits: &Source, warnings: &mut Vec<Warning>) {
    for (at, group) in groups.iter().enumerate() {
        let members: BTreeSet<_> = group.members.iter().collect();
        for login in members {
            let before = groups[..at]
                .iter()
                .find(|other| other.members.contains(login));
            let Some(Group { name: first, .. }) = before else {
                continue;
            };
            let message = format!(
                "groups.{}.members: {login} has no effect: {first} has them too, and comes first",
                group.name
            );
            warnings.push(Warning {
                path: limits.path.clone(),
                line: None,
                message,
            });
        }
    }
}

fn overrides(policy: &mut Policy, at: At, map: &Map, warnings: &mut Vec<Warning>) -> Result<()> {
    for (login, node) in map {
        let at = at.child(login);
        let own = at.map(node)?;
        let settings = keys::section(at, own, &[], warnings)?;
        policy
            .overrides
            .entry(login.clone())
            .or_default()
            .extend(settings);
        let Some((key, node)) = own.iter().find(|(key, _)| keys::current(key) == QUOTA) else {
            continue;
        };
        let at = at.child(key);
        let meant = value(at, node, |node| nullable(node, values::gpus))?;
        if let Some(quota) = policy.limits_for(login).quota
            && meant.is_none_or(|meant| meant > quota)
        {
            warnings.push(at.warning(format!("has no effect above aggregate.gpu_limit, {quota}")));
        }
    }
    Ok(())
}

fn container_types(
    types: &mut ContainerTypes,
    at: At,
    map: &Map,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    for (name, node) in map {
        let at = at.child(name);
        let Some(rules) = types.named(name) else {
            warnings.push(at.warning("unknown type of container"));
            continue;
        };
        for (key, node) in at.map(node)? {
            let at = at.child(key);
            let hours = |node: &Node| nullable(node, values::hours);
            match key.as_str() {
                "idle_timeout_h" => rules.idle_timeout = value(at, node, hours)?,
                "max_runtime_h" => rules.max_runtime = value(at, node, hours)?,
                keys::GRACE => {
                    rules.stop_grace = value(at, node, values::grace)?;
                    warnings.extend(values::shortened(node).map(|what| at.warning(what)));
                }
                _ => warnings.push(at.warning(UNKNOWN)),
            }
        }
    }
    Ok(())
}

fn access_control(
    policy: &mut Policy,
    at: At,
    map: &Map,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    for (key, node) in map {
        let at = at.child(key);
        match key.as_str() {
            "admin_users" => policy.admin_users = value(at, node, values::texts)?,
            "admin_group" if *node == Node::Null => policy.admin_group = None,
            "admin_group" => policy.admin_group = Some(value(at, node, values::text)?),
            "wrapper" => warnings.push(at.warning(NO_EFFECT)),
            _ => warnings.push(at.warning(UNKNOWN)),
        }
    }
    Ok(())
}

fn enforcement(policy: &mut Policy, at: At, map: &Map, warnings: &mut Vec<Warning>) -> Result<()> {
    for (key, node) in map {
        let at = at.child(key);
        match key.as_str() {
            "aggregate_limits" => policy.aggregate_enforced = value(at, node, values::flag)?,
            // Which one it is, the engine says.
            "cgroup_driver" => warnings.push(at.warning(NO_EFFECT)),
            _ => warnings.push(at.warning(UNKNOWN)),
        }
    }
    Ok(())
}

fn waiting_line(policy: &mut Policy, at: At, map: &Map, warnings: &mut Vec<Warning>) -> Result<()> {
    for (key, node) in map {
        let at = at.child(key);
        match key.as_str() {
            "recent_use_half_life_h" => {
                policy.recent_use_half_life = value(at, node, values::hours)?;
            }
            _ => warnings.push(at.warning(UNKNOWN)),
        }
    }
    Ok(())
}

fn exemptions(policy: &mut Policy, top: At, map: &Map, warnings: &mut Vec<Warning>) -> Result<()> {
    for (key, node) in map {
        let at = top.child(key);
        match node {
            _ if key != "exemptions" => warnings.push(at.warning(UNKNOWN)),
            Node::Null => {}
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = index.to_string();
                    policy
                        .exemptions
                        .push(exemption(at.child(&index), item, warnings)?);
                }
            }
            other => return Err(at.error(format!("must be a list, not {other}"))),
        }
    }
    Ok(())
}

fn exemption(at: At, node: &Node, warnings: &mut Vec<Warning>) -> Result<Exemption> {
    let mut login = None;
    let mut rules = Vec::new();
    let mut until = None;
    let mut reason = None;
    for (key, node) in at.map(node)? {
        let at = at.child(key);
        match key.as_str() {
            "username" => login = Some(value(at, node, values::text)?),
            "exempt_from" => {
                rules = value(at, node, values::texts)?;
                let odd = |rule: &&String| !matches!(rule.as_str(), IDLE | RUNTIME);
                if let Some(odd) = rules.iter().find(odd) {
                    return Err(at.error(format!("must have {IDLE} or {RUNTIME}, not {odd:?}")));
                }
            }
            "expires_on" if *node == Node::Null => {}
            "expires_on" => until = Some(value(at, node, values::end)?),
            "reason" if *node == Node::Null => {}
            "reason" => reason = Some(value(at, node, values::text)?),
            _ => warnings.push(at.warning(UNKNOWN)),
        }
    }
    let login = login.ok_or_else(|| at.error("needs a username"))?;
    let exempt = |from: &str| rules.iter().any(|rule| rule == from);
    let (idle_timeout, max_runtime) = (exempt(IDLE), exempt(RUNTIME));
    Ok(Exemption {
        login,
        idle_timeout,
        max_runtime,
        until,
        reason,
    })
}

const IDLE: &str = "idle_timeout_h";
const RUNTIME: &str = "max_runtime_h";
