//! The owner's account inside a container, where the image knows nobody.

/// Who a container runs as, and what they are called inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The owner's uid on the host.
    pub uid: u32,
    /// The owner's primary gid on the host.
    pub gid: u32,
    /// The owner's login.
    pub login: String,
    /// The home folder inside, absolute.
    pub home: String,
}

/// The environment variable in which a login shell finds the image's `PATH`.
pub const IMAGE_PATH: &str = "DS01_IMAGE_PATH";

/// `/etc/passwd` with the account in it; nobody else has its login or uid. `image` is the
/// image's own file, if it has one.
pub fn passwd_file(image: Option<&str>, account: &Account, shell: &str) -> String {
    let Account {
        uid,
        gid,
        login,
        home,
    } = account;
    let others = image.unwrap_or("root:x:0:0:root:/root:/bin/sh\n");
    with_line(
        others,
        login,
        *uid,
        &format!("{login}:x:{uid}:{gid}::{home}:{shell}"),
    )
}

/// `/etc/group` with the account's group in it, unless the image has that gid already.
pub fn group_file(image: Option<&str>, account: &Account) -> String {
    let Account { gid, login, .. } = account;
    let others = image.unwrap_or("root:x:0:\n");
    let known = |line: &str| {
        line.split(':')
            .nth(2)
            .is_some_and(|id| id.parse() == Ok(*gid))
    };
    if others.lines().any(known) {
        return others.into();
    }
    with_line(others, login, *gid, &format!("{login}:x:{gid}:"))
}

/// A file of `name:x:id:…` lines, with this one in place of any of the same name or id.
/// Root's stays, and is the account's if that is root.
fn with_line(others: &str, name: &str, id: u32, line: &str) -> String {
    let stays = |other: &&str| {
        let mut fields = other.split(':');
        let same_name = fields.next() == Some(name);
        let same_id = fields.nth(1).is_some_and(|field| field.parse() == Ok(id));
        !other.is_empty() && !same_name && !same_id
    };
    let mut file: String = others
        .lines()
        .filter(stays)
        .flat_map(|other| [other, "\n"])
        .collect();
    file.push_str(line);
    file.push('\n');
    file
}

/// `~/.profile`: the image's `PATH`, which `/etc/profile` of many images forgets, and a prompt
/// that says who and where.
pub fn profile() -> &'static str {
    "# Read by login shells: written by DS01, yours to change.\n\
     if [ -n \"$DS01_IMAGE_PATH\" ]; then PATH=$DS01_IMAGE_PATH; export PATH; fi\n\
     # The command of this name cannot end its own shell without a signal; the shell can.\n\
     alias container-exit=exit\n\
     if [ -n \"$BASH_VERSION\" ]; then\n\
     \x20 # For it in what comes from a pipe, too.\n\
     \x20 shopt -s expand_aliases\n\
     \x20 PS1='\\u@\\h:\\w\\$ '\n\
     \x20 if [ -f ~/.bashrc ]; then . ~/.bashrc; fi\n\
     elif [ -n \"$PS1\" ]; then\n\
     \x20 PS1=\"$USER@$(hostname):\\$PWD\\$ \"\n\
     fi\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Account {
        Account {
            uid: 1001,
            gid: 100,
            login: "a.b@dom".into(),
            home: "/home/a.b@dom".into(),
        }
    }

    #[test]
    fn the_account_replaces_whoever_had_its_name_or_uid() {
        let image = "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1001:1001::/home/ubuntu:/bin/sh\n\
                     a.b@dom:x:5:5::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false";
        assert_eq!(
            passwd_file(Some(image), &alice(), "/bin/bash"),
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n\
             a.b@dom:x:1001:100::/home/a.b@dom:/bin/bash\n"
        );
    }

    #[test]
    fn an_image_without_files_gets_them() {
        let passwd = passwd_file(None, &alice(), "/bin/sh");
        assert!(passwd.starts_with("root:x:0:0:") && passwd.contains("\na.b@dom:x:1001:100:"));
        assert_eq!(group_file(None, &alice()), "root:x:0:\na.b@dom:x:100:\n");
    }

    #[test]
    fn a_group_that_the_image_has_keeps_its_name() {
        assert_eq!(
            group_file(Some("users:x:100:\n"), &alice()),
            "users:x:100:\n"
        );
    }
}
