//! What the user may have meant.

/// The candidate that `word` most likely is a misspelling of.
///
/// `None` if even the nearest differs in more than a third of the word's letters (at least one may
/// always differ). A letter too many, too few or wrong, and two that changed places, count as one
/// difference each. Of candidates equally near, the first.
///
/// ```
/// # use ds01_cli::nearest;
/// assert_eq!(nearest("statr", ["start", "stop"]), Some("start"));
/// assert_eq!(nearest("launch", ["start", "stop"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().collect();
    let tolerated = (letters.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&letters, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= tolerated && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance with adjacent transpositions (optimal string alignment), row by row.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_slips() {
        let distance = |a: &str, b| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("gpu", "gpu"), 0);
        assert_eq!(distance("gpus", "gpu"), 1);
        assert_eq!(distance("imgae", "image"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_word_unlike_all_candidates_has_no_nearest() {
        let words = ["--image", "--gpu", "-h"];
        assert_eq!(nearest("--gpus", words), Some("--gpu"));
        assert_eq!(nearest("--imagee", words), Some("--image"));
        assert_eq!(nearest("--verbose", words), None);
        assert_eq!(
            nearest("x", ["y"]),
            None,
            "nothing of the word would be left"
        );
        assert_eq!(nearest("ab", [] as [&str; 0]), None);
    }
}
