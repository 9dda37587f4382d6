//! What `docker top` may ask of the host's `ps`, which the engine runs as root.

use super::refused::Refused;

/// Decides whether the engine may run `ps` with these words.
///
/// It leaves out the processes of others by the column whose heading is `PID`. So no other column
/// may have that heading, and none may come before it that could have several words: else each
/// process of the host could be shown, with its environment.
///
/// # Errors
///
/// [`Refused::Value`] for any other words than plain options, and lists that begin with `pid`.
pub fn ps_args(text: &str) -> Result<(), Refused> {
    let why = "here: plain options like -ef or aux, or -o with a list that begins with pid";
    let refused = || Refused::value("ps_args", text, why);
    let mut is_list = false;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let fits = match is_list {
            true => is_columns(word),
            false => is_options(word) || word.bytes().all(|b| b.is_ascii_digit() || b == b','),
        };
        if !fits {
            return Err(refused());
        }
        is_list = !is_list && word.ends_with('o');
    }
    match is_list {
        true => Err(refused()),
        false => Ok(()),
    }
}

/// Letters, where an `o` is the last, since columns may follow it at once.
fn is_options(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or(word);
    let before = letters.strip_suffix('o').unwrap_or(letters);
    let plain = |b: u8| b.is_ascii_alphabetic() && !matches!(b, b'o' | b'O');
    !letters.is_empty() && before.bytes().all(plain)
}

fn is_columns(list: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b == b',';
    list.split(',').next() == Some("pid") && list.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_the_pid_or_the_options_are_plain() {
        for good in [
            "",
            "-ef",
            "aux",
            "-eo pid,args",
            "axo pid",
            "-p 1,2 -f",
            "-o pid -o pid,lstart",
        ] {
            assert_eq!(ps_args(good), Ok(()), "{good}");
        }
        for bad in [
            "-eouid=PID,args",
            "-eo uid=PID",
            "-eo pid=PID",
            "-eo lstart,pid",
            "-eo args,pid",
            "-eolstart,pid",
            "-o pid -olstart",
            "-O lstart",
            "--format=pid",
            "-eo",
            "-eo %p",
            "-eo pid\t-o\u{a0}lstart",
        ] {
            assert!(ps_args(bad).is_err(), "{bad}");
        }
    }
}
