//! The nearest spelling of a word among known ones. Knows no instruction.
//!
//! Distance is Damerau-Levenshtein's (optimal string alignment): insert, delete, replace, or swap two neighbours. Most
//! candidates are passed over for their length alone, and a row that is past the limit everywhere ends the comparison.

/// Nobody misspells so much; and it keeps a hostile word from costing anything.
const LONGEST: usize = 32;

/// The known word that `word` was probably meant to be; none if it is one, or if it is like none.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST {
        return None;
    }
    // A third of the letters wrong, but never all of them.
    let limit = (word.len() / 3).clamp(1, 3).min(word.len().checked_sub(1)?);
    let mut best: Option<(usize, &str)> = None;
    let mut letters = Vec::new();
    for candidate in known {
        let limit = best.map_or(limit, |(distance, _)| distance.saturating_sub(1));
        if candidate.chars().count().abs_diff(word.len()) > limit {
            continue;
        }
        letters.clear();
        match candidate.is_ascii() {
            true => letters.extend(candidate.bytes().map(|byte| char::from(byte.to_ascii_lowercase()))),
            false => letters.extend(candidate.chars().flat_map(char::to_lowercase)),
        }
        match distance(&word, &letters, limit, Swaps::One) {
            Some(0) => return None,
            Some(distance) if best.is_none_or(|(least, _)| distance < least) => best = Some((distance, candidate)),
            Some(_) | None => {}
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, deleted or replaced to make `b` of `a`; none if more than `limit`.
pub(crate) fn edits(a: &str, b: &str, limit: usize) -> Option<usize> {
    // Each letter has four bytes at most.
    if a.len().abs_diff(b.len()) > 4 * limit || a.len().max(b.len()) > MAX_WORD {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    distance(&a, &b, limit, Swaps::Two)
}

/// Longer words are like none.
const MAX_WORD: usize = 1024;

/// What swapping two neighbours counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swaps {
    One,
    Two,
}

fn distance(a: &[char], b: &[char], limit: usize, swaps: Swaps) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    // A letter that one of them has and the other has not must at least be replaced.
    let (of_a, of_b) = (letter_set(a), letter_set(b));
    if (of_a & !of_b).count_ones().max((of_b & !of_a).count_ones()) as usize > limit {
        return None;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = last.clone();
    for (i, &from) in a.iter().enumerate() {
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if swaps == Swaps::One && i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        // A swap looks two rows back.
        if row.iter().chain(&last).all(|distance| *distance > limit) {
            return None;
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|distance| *distance <= limit)
}

/// The letters of a word, 64 kinds of them.
fn letter_set(word: &[char]) -> u64 {
    word.iter().fold(0, |set, letter| set | 1 << (*letter as u32 % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "ENV", "ADD", "CMD", "WORKDIR"];
        let find = |word| nearest(word, known);
        assert_eq!(find("FNTRYPOINT"), Some("ENTRYPOINT"));
        assert_eq!(find("copu"), Some("COPY"));
        assert_eq!(find("CPOY"), Some("COPY"));
        assert_eq!(find("WROKDRI"), Some("WORKDIR"));
        assert_eq!(find("RUN"), None);
        assert_eq!(find("X"), None);
        assert_eq!(find("BADCMD"), None);
        assert_eq!(find(""), None);
        // The nearest of several, wherever it stands.
        assert_eq!(nearest("abcdefghi", ["abcdefxyi", "abcdefgxi", "abcxefghi"]), Some("abcdefgxi"));
        assert_eq!(nearest("abcdefghi", ["abcdefxyi", "abcdefghi"]), None);
    }

    #[test]
    fn letters_between_words() {
        for (a, b, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("ab", "ba", 2), ("é", "e", 1)] {
            assert_eq!(edits(a, b, 3), Some(expected), "{a} {b}");
            assert_eq!(edits(b, a, 3), Some(expected), "{b} {a}");
        }
        assert_eq!(edits("kitten", "sitting", 2), None);
    }
}
