//! Names of images: which are everybody's, and which one user's own.
//!
//! `myapp` of user 1001 is `ds01-1001/myapp` to the engine. Every other name is shared: it can be
//! used by all, and only admins give or take it.

use crate::{
    failure::{Kind, UserError},
    name::{ContainerName, EngineName, InvalidName},
};

/// Holds an account of its owner's, on top of a shared image; made and named by DS01.
pub const WITH_ACCOUNT: &str = "with.account";

/// Has a tag for each container: the name that its image has for its sake alone.
pub const OF_CONTAINER: &str = "of.container";

/// Parts of a path that a user's image can have: the engine finds a user's by how many there are.
const DEEPEST: usize = 4;

/// Why a user's image cannot have this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwn {
    /// It is another user's, or DS01's own.
    #[error("you cannot give an image the name {0}")]
    Anothers(String),
    /// It cannot follow the owner's prefix.
    #[error("an image of yours cannot be called {0:?}")]
    Odd(String),
}

impl UserError for NotOwn {
    fn kind(&self) -> Kind {
        match self {
            Self::Anothers(_) => Kind::Forbidden,
            Self::Odd(_) => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("choose a name like my-thesis, without a registry".into())
    }
}

/// What the names of a user's own images begin with.
pub fn own(uid: u32) -> String {
    format!("ds01-{uid}/")
}

/// What all names of a user's own images look like, as the engine filters by `reference`.
///
/// ```
/// # use ds01_core::image::own_patterns;
/// assert_eq!(own_patterns(7)[1], "ds01-7/*/*");
/// ```
pub fn own_patterns(uid: u32) -> Vec<String> {
    let deep = |parts| format!("{}{}", own(uid), vec!["*"; parts].join("/"));
    (1..=DEEPEST).map(deep).collect()
}

/// The image of a user's project, as the engine has it.
pub fn of_project(uid: u32, project: &ContainerName) -> String {
    format!("{}{project}:latest", own(uid))
}

/// The name by which a container's image is the container's alone: AIME's `mlc-remove` deletes the
/// image name that it finds, which must not be one that others use.
///
/// ```
/// # use ds01_core::image::of_container;
/// let name = of_container(&"thesis._.1001".parse().unwrap());
/// assert_eq!(name, "ds01-1001/of.container:thesis._.1001");
/// ```
pub fn of_container(container: &EngineName) -> String {
    format!("{}{OF_CONTAINER}:{container}", own(container.uid))
}

/// The container for whose sake alone an image has this name, where that is one which the engine calls
/// `container`, or once did: ours, or of AIME's own `mlc-create`.
pub fn sake(image: &str, container: &str) -> Option<EngineName> {
    let (path, tag) = image.rsplit_once(':')?;
    let of: EngineName = tag.parse().ok()?;
    let ours = path == format!("{}{OF_CONTAINER}", own(of.uid));
    (ours || tag == container).then_some(of)
}

/// As people write it: clients write out where a name without a registry would be looked for.
fn short(name: &str) -> &str {
    let hub = ["docker.io/", "index.docker.io/"];
    let hub = hub.iter().find_map(|hub| name.strip_prefix(hub));
    hub.map_or(name, |rest| rest.strip_prefix("library/").unwrap_or(rest))
}

/// The uid in a name of somebody's own image; `None` for a shared one.
pub fn owner(name: &str) -> Option<u32> {
    let name = short(name);
    name.strip_prefix("ds01-")?.split_once('/')?.0.parse().ok()
}

/// The login and the rest, of a name like `ds01-<login>/<project>`. None where a uid stands in that
/// place, though a login may look like one.
pub fn by_login(name: &str) -> Option<(&str, &str)> {
    let (login, rest) = short(name).strip_prefix("ds01-")?.split_once('/')?;
    (login.parse::<u32>().is_err() && !login.is_empty()).then_some((login, rest))
}

/// The engine's names to try for what a user calls `text`, in this order.
///
/// None for what could be more than a name in a path of the API, as `a/get?x` could.
pub fn candidates(text: &str, uid: u32) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let odd = |part: &str| ["", ".", ".."].contains(&part);
    if !text.chars().all(plain) || text.split('/').any(odd) {
        return Vec::new();
    }
    match owner(text) {
        Some(owner) if owner == uid => vec![text.into()],
        Some(_) => Vec::new(),
        None => [own_name(text, uid).ok(), Some(text.into())]
            .into_iter()
            .flatten()
            .collect(),
    }
}

/// The engine's name for the image that a user makes as `name`, with a tag or without.
///
/// # Errors
///
/// [`NotOwn`].
pub fn own_name(name: &str, uid: u32) -> Result<String, NotOwn> {
    let (own, name) = (own(uid), short(name));
    let rest = match owner(name) {
        Some(owner) if owner == uid => name.strip_prefix(&own).unwrap_or(name),
        Some(_) => return Err(NotOwn::Anothers(name.into())),
        None => name,
    };
    let (path, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let tagged = !tag.is_empty() && tag.len() <= 128 && tag.chars().all(word);
    let fits = path.split('/').all(part) && path.split('/').count() <= DEEPEST;
    if !path.chars().all(plain) || !fits || !tagged {
        return Err(NotOwn::Odd(name.into()));
    }
    if [WITH_ACCOUNT, OF_CONTAINER].contains(&path) {
        return Err(NotOwn::Anothers(name.into()));
    }
    Ok(format!("{own}{rest}"))
}

/// Whether an image that has these names may be seen by a user: one of them is shared, or theirs.
pub fn is_visible<'a>(mut names: impl Iterator<Item = &'a str>, uid: u32) -> bool {
    names.any(|name| owner(name).is_none_or(|owner| owner == uid))
}

/// Whether DS01 gave an image this name, for the sake of a container or an account.
pub fn is_internal(name: &str) -> bool {
    let Some(path) = owner(name).and_then(|uid| name.strip_prefix(&own(uid))) else {
        return false;
    };
    let path = path.split([':', '@']).next().unwrap_or_default();
    [WITH_ACCOUNT, OF_CONTAINER].contains(&path)
}

/// Whether a list shows this name to a user.
pub fn is_listed(name: &str, uid: u32) -> bool {
    owner(name).is_none_or(|owner| owner == uid) && !is_internal(name)
}

/// The user's own name for an image.
pub fn shown(name: &str, uid: u32) -> &str {
    name.strip_prefix(&own(uid)).unwrap_or(name)
}

/// The name of a container that is made from an image, where none was given: the last part of the
/// image's, without tag.
///
/// # Errors
///
/// [`InvalidName`] if nothing is left of it.
pub fn container_name(image: &str) -> Result<ContainerName, InvalidName> {
    let path = image.split('@').next().unwrap_or(image);
    let last = path.rsplit('/').next().unwrap_or(path);
    let name = last.split(':').next().unwrap_or(last);
    name.parse().or_else(|_| {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").parse()
    })
}

/// Whether `name` is the image's id or a beginning of it, and no name.
pub fn is_id(name: &str, id: &str) -> bool {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    let asked = name.strip_prefix("sha256:").unwrap_or(name);
    !asked.is_empty() && digits.starts_with(asked)
}

/// Whether a name could be the beginning of some image's id, where no image has it.
pub fn may_be_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a name is a whole id, which no other image can ever have.
pub fn is_whole_id(name: &str) -> bool {
    name.strip_prefix("sha256:").unwrap_or(name).len() == 64 && may_be_id(name)
}

/// A name with the tag that stands for none: then it is no id.
pub fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.contains([':', '@']) {
        true => name.into(),
        false => format!("{name}:latest"),
    }
}

/// The one name that a pull would set, of the two query keys that tell it. `None` if it would set
/// many, or one that is a user's.
pub fn pulled(image: &str, tag: &str) -> Option<String> {
    let last = image.rsplit('/').next()?;
    let name = match (tag, last.contains(':') || last.contains('@')) {
        ("", true) => image.to_string(),
        ("", false) => return None,
        (tag, false) if tag.starts_with("sha256:") => format!("{image}@{tag}"),
        (tag, false) => format!("{image}:{tag}"),
        (_, true) => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let odd = |part: &str| ["", ".", ".."].contains(&part);
    let fits = name.chars().all(plain) && !name.split('/').any(odd);
    (fits && owner(&name).is_none()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_an_id_is_one_no_more_with_a_tag() {
        let whole = "0123456789abcdef".repeat(4);
        for (name, may_be, is_whole, tagged) in [
            ("abc", true, false, "abc:latest"),
            ("sha256:abc", true, false, "sha256:abc"),
            (&whole, true, true, &format!("{whole}:latest")),
            (
                &format!("sha256:{whole}"),
                true,
                true,
                &format!("sha256:{whole}"),
            ),
            ("abc:1", false, false, "abc:1"),
            ("abcx", false, false, "abcx:latest"),
            ("lab:5000/abc", false, false, "lab:5000/abc:latest"),
            ("lab/abc@sha256:00", false, false, "lab/abc@sha256:00"),
        ] {
            assert_eq!(may_be_id(name), may_be, "{name}");
            assert_eq!(is_whole_id(name), is_whole, "{name}");
            assert_eq!(with_tag(name), *tagged, "{name}");
        }
    }

    #[test]
    fn ones_own_image_goes_before_a_shared_one_and_anothers_is_none() {
        assert_eq!(candidates("app", 1001), ["ds01-1001/app", "app"]);
        assert_eq!(candidates("ds01-1001/app:1", 1001), ["ds01-1001/app:1"]);
        assert_eq!(candidates("ubuntu@sha256:0", 1001), ["ubuntu@sha256:0"]);
        assert!(candidates("ds01-1002/app", 1001).is_empty());
        assert!(candidates("docker.io/ds01-1002/app", 1001).is_empty());
        for odd in [
            "", "a/get?b", "a#b", "../b", "a//b", "a b", "a%2fb", "a\r\nb",
        ] {
            assert!(candidates(odd, 1001).is_empty(), "{odd}");
        }
    }

    #[test]
    fn a_login_can_stand_for_a_uid_unless_it_looks_like_one() {
        assert_eq!(by_login("ds01-a.b@dom/app:1"), Some(("a.b@dom", "app:1")));
        for other in ["ds01-1002/app", "ds01-/app", "ds01-alice", "pytorch:2.8"] {
            assert_eq!(by_login(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_user_makes_has_their_prefix() {
        let own = |name| own_name(name, 1001).map_err(|error| error.to_string());
        assert_eq!(own("app:1"), Ok("ds01-1001/app:1".into()));
        assert_eq!(own("a/b_c.d"), Ok("ds01-1001/a/b_c.d".into()));
        assert_eq!(own("a/b/c/d"), Ok("ds01-1001/a/b/c/d".into()));
        for same in [
            "ds01-1001/app",
            "docker.io/library/app",
            "index.docker.io/ds01-1001/app",
        ] {
            assert_eq!(own(same), Ok("ds01-1001/app".into()));
        }
        for taken in [
            "ds01-1002/app",
            "docker.io/ds01-1002/app",
            "with.account:0",
            "ds01-1001/with.account",
            "docker.io/library/with.account",
            "docker.io/ds01-1001/with.account",
            "of.container:thesis._.1001",
        ] {
            assert!(
                own(taken).unwrap_err().starts_with("you cannot give"),
                "{taken}"
            );
        }
        for odd in [
            "",
            "App",
            "a//b",
            "a/b/c/d/e",
            "../b",
            "host:5000/a",
            "a:",
            "a:b:c",
            "a@sha256:0",
            "-a",
        ] {
            assert!(own(odd).unwrap_err().contains("cannot be called"), "{odd}");
        }
    }

    #[test]
    fn an_image_of_others_alone_is_not_seen() {
        let seen = |names: &[&str]| is_visible(names.iter().copied(), 1001);
        assert!(seen(&["ubuntu:22"]) && seen(&["ds01-1002/a:1", "ds01-1001/a:1"]));
        assert!(!seen(&["ds01-1002/a:1"]) && !seen(&[]));
        let listed = |name| is_listed(name, 1001);
        assert!(listed("ds01-1001/a:1") && listed("ds01-1001/with.account2"));
        assert!(!listed("ds01-1001/with.account:0") && !listed("ds01-1001/of.container:a._.1001"));
        assert_eq!(shown("ds01-1001/a:1", 1001), "a:1");
    }

    #[test]
    fn a_container_is_named_after_its_image() {
        let name = |image| container_name(image).map(String::from);
        for (image, expected) in [
            ("ds01-alice/project:experiment-42", "project"),
            ("aime/pytorch:2.8.0", "pytorch"),
            ("host:5000/Lab/my.Image__x@sha256:0", "my-image-x"),
            ("ubuntu", "ubuntu"),
        ] {
            assert_eq!(name(image).as_deref(), Ok(expected));
        }
        for none in ["", "a/", ":1", "a/_"] {
            assert_eq!(name(none), Err(InvalidName::Empty), "{none}");
        }
        assert_eq!(name("my_app").as_deref(), Ok("my_app"));
    }

    #[test]
    fn a_name_is_a_containers_alone_if_its_tag_is_or_was_the_containers_name() {
        let of = |image| sake(image, "thesis._.1001").map(|of| of.to_string());
        for image in [
            "ds01-1001/of.container:thesis._.1001",
            "aimehub/x:thesis._.1001",
        ] {
            assert_eq!(of(image).as_deref(), Some("thesis._.1001"));
        }
        let renamed = of("ds01-1001/of.container:before._.1001");
        assert_eq!(renamed.as_deref(), Some("before._.1001"));
        for other in [
            "aimehub/x",
            "aimehub/x:other._.1001",
            "thesis._.1001",
            "h:50/thesis._.1001",
            "ds01-1002/of.container:other._.1001",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_pull_sets_one_shared_name() {
        assert_eq!(pulled("ubuntu", "22").as_deref(), Some("ubuntu:22"));
        assert_eq!(pulled("h:5000/a:1", "").as_deref(), Some("h:5000/a:1"));
        assert_eq!(pulled("a", "sha256:0").as_deref(), Some("a@sha256:0"));
        for (image, tag) in [
            ("ubuntu", ""),
            ("ds01-1002/a", "1"),
            ("a:1", "2"),
            ("a/../b", "1"),
        ] {
            assert_eq!(pulled(image, tag), None, "{image} {tag}");
        }
    }
}
