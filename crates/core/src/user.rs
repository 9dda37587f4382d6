//! How a login is written where not every character can stand.

/// The longest name in a slice, as the original cuts it.
const LONGEST: usize = 32;

/// How much of a longer name is kept before the uid.
const KEPT: usize = 27;

/// A login without its domain, with every other character than a letter, digit or `_` as `_`.
///
/// Runs of `_` are one, and none stands at an end; the result may be empty. Lists of members hold
/// logins in this form too. Two logins can have the same form, so it names nobody for certain.
///
/// ```
/// # use ds01_core::user::sanitised;
/// assert_eq!(sanitised("h.lee@uni.example"), "h_lee");
/// ```
pub fn sanitised(login: &str) -> String {
    joined(local_part(login), |c| c.is_ascii_alphanumeric())
}

/// The name of a user in slices and paths: [`sanitised`], but a dash is escaped and not replaced.
///
/// A plain dash would make systemd nest the slice. The uid is added where the form is not enough
/// to tell users apart: it is empty, over 32 characters, or `taken` says another user has it.
///
/// ```
/// # use ds01_core::user::slice_user;
/// assert_eq!(slice_user("anna-lena@uni.example", 1001, |_| false), r"anna\x2dlena");
/// assert_eq!(slice_user("h.lee", 1002, |form| form == "h_lee"), "h_lee_1002");
/// ```
pub fn slice_user(login: &str, uid: u32, taken: impl Fn(&str) -> bool) -> String {
    let form = joined(local_part(login), |c| c.is_ascii_alphanumeric() || c == '-');
    let long = form.len() > LONGEST;
    let kept = if long {
        form[..KEPT].trim_end_matches('_')
    } else {
        &form
    };
    let escaped = escape(kept);
    if escaped.is_empty() {
        format!("u{uid}")
    } else if long || taken(&escaped) {
        format!("{escaped}_{uid}")
    } else {
        escaped
    }
}

/// The slice of a user's containers, inside the slice of the group.
///
/// `user` is what [`slice_user`] made.
///
/// ```
/// # use ds01_core::user::slice;
/// assert_eq!(slice("student", "h_lee"), "ds01-student-h_lee.slice");
/// ```
pub fn slice(group: &str, user: &str) -> String {
    format!("ds01-{}-{user}.slice", escape(group))
}

/// A dash as systemd writes it within a part of a name.
///
/// Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names".
fn escape(part: &str) -> String {
    part.replace('-', r"\x2d")
}

fn local_part(login: &str) -> &str {
    login.split('@').next().unwrap_or_default()
}

/// The runs of characters that may be kept, with one `_` between them.
fn joined(login: &str, keep: impl Fn(char) -> bool) -> String {
    let runs: Vec<&str> = login
        .split(|c| !keep(c))
        .filter(|run| !run.is_empty())
        .collect();
    runs.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_logins_have_the_originals_form() {
        for (login, form) in [
            ("alice", "alice"),
            ("john.doe", "john_doe"),
            ("anna-lena@students.uni.example", "anna_lena"),
            ("__a..b__", "a_b"),
            ("12345", "12345"),
            ("zoë", "zo"),
            ("a/../b", "a_b"),
            ("@uni.example", ""),
            ("...", ""),
            ("", ""),
        ] {
            assert_eq!(sanitised(login), form, "{login}");
        }
    }

    #[test]
    fn no_part_of_a_slice_has_a_plain_dash() {
        let slice = slice("phd-students", &slice_user("a-b.c", 7, |_| false));
        assert_eq!(slice, r"ds01-phd\x2dstudents-a\x2db_c.slice");
    }

    #[test]
    fn names_that_do_not_tell_users_apart_have_the_uid() {
        let free = |login: &str| slice_user(login, 1001, |_| false);
        assert_eq!(free("..."), "u1001");
        assert_eq!(free("@uni.example"), "u1001");
        assert_eq!(free(&"x".repeat(32)), "x".repeat(32));
        assert_eq!(free(&"x".repeat(64)), format!("{}_1001", "x".repeat(27)));
        assert_eq!(
            free(&format!("{}.{}", "x".repeat(26), "y".repeat(9))),
            format!("{}_1001", "x".repeat(26))
        );
        assert_eq!(slice_user("a.b", 1001, |form| form == "a_b"), "a_b_1001");
    }
}
