//! What `docker top` may ask of the host's `ps`, which the engine runs as root.

use super::refused::Refused;

/// What selects and shows processes, in the forms that people type.
const OPTIONS: [&str; 14] = [
    "-A", "-aux", "-ax", "-e", "-eF", "-ef", "-efw", "-efww", "-el", "-f", "aux", "auxw", "auxww",
    "ax",
];

/// What a list of columns follows.
const LISTING: [&str; 5] = ["-Ao", "-axo", "-eo", "-o", "axo"];

/// Columns, beside the pid, that have one line and nothing of a process but what `ps -ef` shows.
const COLUMNS: [&str; 46] = [
    "%cpu", "%mem", "args", "bsdstart", "bsdtime", "c", "class", "cls", "cmd", "comm", "command",
    "cputime", "egid", "egroup", "etime", "etimes", "euid", "euser", "gid", "group", "lstart",
    "lwp", "ni", "nice", "nlwp", "pcpu", "pgid", "pmem", "ppid", "pri", "psr", "rgid", "rss",
    "ruid", "ruser", "s", "sid", "start", "stat", "state", "stime", "time", "tty", "uid", "user",
    "vsz",
];

/// Decides whether the engine may run `ps` with these words.
///
/// It takes the first line for the heading, and leaves out the processes of others by the column that
/// is called `PID` there. Without a heading, or with another column before it that could have several
/// words, it would tell of each process of the host, with its environment. `ps` has more such ways
/// than anybody knows: so there is a list of what is plain.
///
/// # Errors
///
/// [`Refused::Value`] for any other words.
pub fn ps_args(text: &str) -> Result<(), Refused> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let is_plain = match words[..] {
        [] => true,
        [options] => OPTIONS.contains(&options),
        [options, list] => LISTING.contains(&options) && is_columns(list),
        _ => false,
    };
    let why = "here: nothing, aux, -ef, or -eo and columns of which pid is the first, as in -eo \
               pid,user,args";
    match is_plain {
        true => Ok(()),
        false => Err(Refused::value("ps_args", text, why)),
    }
}

fn is_columns(list: &str) -> bool {
    let mut columns = list.split(',');
    columns.next() == Some("pid") && columns.all(|column| COLUMNS.contains(&column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_heading_and_the_first_column_of_a_list_is_the_pid() {
        for good in [
            "",
            "-ef",
            "aux",
            "-aux",
            "-eo pid,args",
            "axo pid",
            "-o  pid,user,%cpu,lstart",
        ] {
            assert_eq!(ps_args(good), Ok(()), "{good}");
        }
        for bad in [
            "h e k -pid -p 1,2",
            "auxh",
            "h -eo pid,args",
            "-eo pid,args h",
            "e",
            "auxe",
            "k pid",
            "-p 1",
            "1,2",
            "-F/etc/shadow",
            "-eouid=PID,args",
            "-eo uid=PID",
            "-eo pid=PID",
            "-eo pid,environ",
            "-eo lstart,pid",
            "-eolstart,pid",
            "-o pid -olstart",
            "-O lstart",
            "--format=pid",
            "--no-headers",
            "-eo",
            "-eo %p",
            "-eo pid\t-o\u{a0}lstart",
        ] {
            assert!(ps_args(bad).is_err(), "{bad}");
        }
    }
}
