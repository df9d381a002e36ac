//! The nearest spelling of a word among known ones. Knows no instruction.
//!
//! Distance is Damerau-Levenshtein's (optimal string alignment): insert, delete, replace, or swap two neighbours.

/// The known word that `word` was probably meant to be; none if it is one, or if it is like none.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    // Nobody misspells so much; and it keeps a hostile word from costing anything.
    if length > 32 {
        return None;
    }
    // A third of the letters wrong, but never all of them.
    let limit = (length / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .and_then(|(distance, candidate)| (distance > 0).then_some(candidate))
}

fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
    }
}
