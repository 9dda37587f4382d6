//! Columns that line up, whatever the script their cells are written in.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
