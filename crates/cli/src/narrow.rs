//! What is no prose, and may be longer than a narrow terminal is wide: how a command is called, and
//! lines to be typed.

use unicode_width::UnicodeWidthStr;

/// Columns before what goes on, where it cannot stand under what it goes on from.
const HANG: usize = 4;

/// How cron's lines begin: cron reads no line together with the next.
const CRON: &str = "* ";

/// How a command is called, in lines of at most `width` columns: what goes on stands under its first
/// argument, or where that leaves too little room, a little in.
pub(crate) fn usage(text: &str, width: usize) -> Vec<String> {
    let arguments = text.find('[').unwrap_or(text.len());
    let (lead, rest) = text.split_at(arguments);
    let parts = rest.split(' ').flat_map(|word| word.split_inclusive('|'));
    let longest = parts.map(UnicodeWidthStr::width).max();
    let hang = match lead.width() + longest.unwrap_or_default() > width {
        true => HANG,
        false => lead.width(),
    };
    choices(lead, rest, width, hang)
}

/// The words of `text` after `lead`, in lines of at most `width` columns, all but the first `hang`
/// columns in. Choices, `table|json`, are torn only where they have no room on a line of their own.
pub(crate) fn choices(lead: &str, text: &str, width: usize, hang: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = lead.to_owned();
    let mut blank = "";
    for word in text.split(' ') {
        let whole = word.width() <= width.saturating_sub(hang);
        let end = if whole { '\0' } else { '|' };
        for part in word.split_inclusive(end) {
            if line.width() + blank.width() + part.width() > width {
                lines.push(line.trim_end().to_owned());
                line = " ".repeat(hang);
                blank = "";
            }
            line = line + blank + part;
            blank = "";
        }
        blank = " ";
    }
    lines.push(line);
    lines
}

/// A line to be typed or pasted, `indent` columns in and in lines of at most `width` columns, as far
/// as its words and cron allow: each but the last goes on by the backslash at its end.
pub(crate) fn command(line: &str, width: usize, indent: usize) -> Vec<String> {
    if indent + line.width() <= width || line.starts_with(CRON) {
        return vec![format!("{:indent$}{line}", "")];
    }
    let words = words(line);
    let mut lines: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let more = if at + 1 < words.len() { " \\" } else { "" };
        let needs = word.width() + more.width();
        match lines.last_mut() {
            Some(last) if last.width() + 1 + needs <= width => {
                last.push(' ');
                last.push_str(word);
            }
            last => {
                let hang = match last {
                    Some(last) => {
                        last.push_str(" \\");
                        (indent + HANG).min(width.saturating_sub(needs))
                    }
                    None => indent,
                };
                lines.push(format!("{:hang$}{word}", ""));
            }
        }
    }
    lines
}

/// The words of a line as a shell reads them: what is quoted is not torn, nor is a comment.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let mut quote = None;
        let end = rest.char_indices().find(|(_, c)| {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(*c),
                (Some(begun), c) if begun == *c => quote = None,
                _ => {}
            }
            quote.is_none() && *c == ' '
        });
        let end = end.filter(|_| !rest.starts_with('#'));
        let (word, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_goes_on_under_its_first_argument_and_choices_are_torn_last() {
        let named = "Usage: container-extend [options] [<container duration>...]";
        assert_eq!(usage(named, 80), [named]);
        let lines = [
            "Usage: container-extend [options]",
            "                        [<container",
            "                        duration>...]",
        ];
        assert_eq!(usage(named, 40), lines);
        let lines = ["Usage: gpu [options]", "           [users|system|reserved]"];
        assert_eq!(
            usage(&lines.concat().replace("           ", " "), 34),
            lines
        );
        let chosen = "Usage: gpu [options] [users|system|reserved] [now]";
        let lines = [
            "Usage: gpu [options]",
            "           [users|",
            "           system|",
            "           reserved]",
            "           [now]",
        ];
        assert_eq!(usage(chosen, 21), lines);
        // Under the first argument there is no room.
        let lines = [
            "Usage: gpu",
            "    [options]",
            "    [users|",
            "    system|",
            "    reserved]",
            "    [now]",
        ];
        assert_eq!(usage(chosen, 14), lines);
        assert_eq!(usage("gpu", 2), ["gpu"]);
    }

    #[test]
    fn a_command_line_goes_on_by_backslashes_and_is_the_same_when_it_is_pasted() {
        for (line, width, lines) in [
            ("gpu-status -q", 15, &["  gpu-status -q"][..]),
            ("gpu-status -q", 14, &["  gpu-status \\", "      -q"]),
            (
                "echo 'python train.py' | attach thesis",
                28,
                &["  echo 'python train.py' | \\", "      attach thesis"],
            ),
            // What cannot be torn is as far left as it must be.
            (
                "deploy --image=0123456789",
                21,
                &["  deploy \\", "   --image=0123456789"],
            ),
            (
                "deploy --image=0123456789",
                10,
                &["  deploy \\", "--image=0123456789"],
            ),
            (
                "ls -a # what is there",
                10,
                &["  ls -a \\", "# what is there"],
            ),
            (
                "* * * * * root ds01-idle",
                20,
                &["  * * * * * root ds01-idle"],
            ),
        ] {
            assert_eq!(command(line, width, 2), lines, "{line}");
        }
    }
}
