//! Columns that line up, whatever the script their cells are written in.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::{INDENT, wrap};

/// Spaces between two columns.
const GAP: usize = 2;

/// The least width to which a column is cut: a letter or two and the ellipsis.
const LEAST: usize = 4;

/// The width to which a column can be cut and still tells something.
const READABLE: usize = 12;

/// Lays out `rows` of equally many cells as lines without trailing blanks.
///
/// With a `width`, the widest columns are cut, with an ellipsis, until the lines fit it or every
/// column is as narrow as it may be.
pub(crate) fn layout(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width())
            .max()
    };
    let mut widths: Vec<usize> = (0..count)
        .map(|column| widest(column).unwrap_or(0))
        .collect();
    if let Some(width) = width {
        fit(&mut widths, width);
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// The same with nothing cut: where that is wider than `width`, the last cell of a row goes on in
/// lines of its own, indented.
pub(crate) fn told(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let lines = layout(rows, None);
    let Some(width) = width.filter(|width| lines.iter().any(|line| line.width() > *width)) else {
        return lines;
    };
    let heads: Vec<_> = rows
        .iter()
        .map(|row| row[..row.len().saturating_sub(1)].to_vec())
        .collect();
    let heads = layout(&heads, None).into_iter();
    let on_below = |((line, head), row): ((String, String), &Vec<String>)| {
        if line.width() <= width {
            return vec![line];
        }
        let tail = row.last().map_or("", |tail| tail);
        let below = wrap(tail, width.saturating_sub(INDENT)).into_iter();
        let below = below.map(|text| format!("{:INDENT$}{text}", ""));
        [head].into_iter().chain(below).collect()
    };
    let lines = lines.into_iter().zip(heads).zip(rows);
    lines.flat_map(on_below).collect()
}

/// Lays out the items of a menu. The first cell, by which one is chosen, stays whole as far as
/// `width` allows; of the facts beside it, those on the right are left out first.
pub(crate) fn items(rows: &[Vec<String>], width: usize) -> Vec<String> {
    let names = rows.iter().map(|row| row.first().map_or("", |name| name));
    let widest = names.clone().map(UnicodeWidthStr::width).max();
    let widest = widest.unwrap_or(0).min(width);
    let facts: Vec<_> = rows
        .iter()
        .map(|row| row.iter().skip(1).cloned().collect())
        .collect();
    let room = width.saturating_sub(widest + GAP);
    let count = if room < LEAST {
        0
    } else {
        fitting(&facts, room)
    };
    let facts: Vec<Vec<String>> = facts
        .into_iter()
        .map(|facts: Vec<String>| facts.into_iter().take(count).collect())
        .collect();
    let item = |(name, facts): (&str, String)| {
        let name = cut(name, widest);
        let pad = widest + GAP - name.width();
        format!("{name}{:pad$}{facts}", "").trim_end().to_owned()
    };
    names.zip(layout(&facts, Some(room))).map(item).collect()
}

/// How many of the first columns have room in `width`, if each is cut to [`READABLE`] at most.
pub(crate) fn fitting(rows: &[Vec<String>], width: usize) -> usize {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter()
            .filter_map(move |row| row.get(column)?.width().into())
    };
    let least = |column: usize| widest(column).max().unwrap_or(0).min(READABLE);
    let mut used = 0;
    let fits = |column: &usize| {
        used += least(*column) + if *column > 0 { GAP } else { 0 };
        used <= width
    };
    (0..count).take_while(fits).count().max(1)
}

/// Narrows the widest of `widths`, one step at a time, until all fit `width` together.
fn fit(widths: &mut [usize], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    let mut surplus = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    while surplus > 0 {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => break,
        }
        surplus -= 1;
    }
}

/// One row, padded to `widths`.
fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    let mut owed = 0;
    for (cell, width) in row.iter().zip(widths) {
        let cell = cut(cell, *width);
        if !cell.is_empty() {
            line.extend(std::iter::repeat_n(' ', owed));
            line.push_str(&cell);
            owed = 0;
        }
        owed += width + GAP - cell.width();
    }
    line
}

/// `text` in at most `width` columns; what had to be cut ends in an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut room = width.saturating_sub(1);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if columns > room {
            break;
        }
        room -= columns;
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
        cells
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect()
    }

    #[test]
    fn wide_and_combining_characters_line_up() {
        let rows = rows(&[
            &["NAME", "GPU"],
            &["名前", "0"],
            &["e\u{301}", "1:2"],
            &["", "-"],
        ]);
        assert_eq!(
            layout(&rows, None),
            ["NAME  GPU", "名前  0", "e\u{301}     1:2", "      -"]
        );
    }

    #[test]
    fn no_line_ends_in_blanks() {
        assert_eq!(
            layout(&rows(&[&["a", "b", ""], &["longer", "", ""]]), None),
            ["a       b", "longer"]
        );
        assert_eq!(layout(&[], Some(80)), [] as [&str; 0]);
    }

    #[test]
    fn only_the_widest_columns_are_cut_to_fit() {
        let rows = rows(&[
            &["NAME", "IMAGE", "GPU"],
            &["thesis", "registry/pytorch:2.8", "0"],
        ]);
        let lines = layout(&rows, Some(24));
        assert_eq!(
            lines,
            ["NAME    IMAGE        GPU", "thesis  registry/p…  0"]
        );
        assert_eq!(
            layout(&rows, Some(33))[1],
            "thesis  registry/pytorch:2.8  0"
        );
    }

    #[test]
    fn what_is_told_goes_on_below_and_nothing_is_cut() {
        let rows = rows(&[
            &["TIME", "TYPE", "DETAILS"],
            &["12:00", "start", "gpus=\"0 1\" reason=\"somebody else\""],
            &["12:01", "stop", "by=all"],
        ]);
        assert_eq!(told(&rows, Some(80)), layout(&rows, None));
        let below = [
            "TIME   TYPE   DETAILS",
            "12:00  start",
            "  gpus=\"0 1\"",
            "  reason=\"somebody else\"",
            "12:01  stop   by=all",
        ];
        assert_eq!(told(&rows, Some(26)), below);
    }

    #[test]
    fn the_name_in_a_menu_stays_whole() {
        let rows = rows(&[
            &[
                "a-long-name-of-a-project",
                "running",
                "no GPU",
                "registry/pytorch:2.8",
            ],
            &["b", "stopped", "GPU 0:1", "app"],
        ]);
        let item = |width: usize| items(&rows, width).remove(0);
        let name = "a-long-name-of-a-project";
        assert_eq!(
            item(80),
            format!("{name}  running  no GPU   registry/pytorch:2.8")
        );
        assert_eq!(
            item(60),
            format!("{name}  running  no GPU   registry/pytorc…")
        );
        assert_eq!(item(44), format!("{name}  running  no GPU"));
        assert_eq!(item(36), format!("{name}  running"));
        assert_eq!(item(26), name);
        assert_eq!(item(10), "a-long-na…");
        assert_eq!(
            items(&rows, 60)[1],
            format!("{:26}stopped  GPU 0:1  app", "b")
        );
    }

    #[test]
    fn columns_without_room_are_left_out_from_the_right() {
        let rows = rows(&[
            &["GPU", "USER", "MEMORY"],
            &["0", "a-long-login-name", "0B/80GB"],
        ]);
        for (width, count) in [(80, 3), (26, 3), (25, 2), (17, 2), (16, 1), (1, 1)] {
            assert_eq!(fitting(&rows, width), count, "{width}");
        }
    }

    #[test]
    fn a_cut_never_splits_a_wide_character() {
        assert_eq!(cut("名前名前", 6), "名前…");
        assert_eq!(cut("名前名前", 5), "名前…");
        assert_eq!(cut("名前名前", 4), "名…");
    }

    #[test]
    fn a_terminal_too_narrow_for_all_columns_is_overrun_rather_than_blank() {
        let lines = layout(&rows(&[&["aaaaaaaa", "bbbbbbbb"]]), Some(1));
        assert_eq!(lines, ["aaa…  bbb…"]);
    }
}
