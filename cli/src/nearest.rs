//! The nearest right spelling of a wrong name. Knows no names.

/// The candidate that the fewest single-letter changes lead to, if they are few enough to be a slip.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = (wrong.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(wrong, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, if there is something to mean.
pub fn suggestion<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, candidates).map(|right| format!("did you mean `{right}`?"))
}

/// Insertions, deletions, changes and swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &right) in b.iter().enumerate() {
            let mut least = (rows[i][j + 1] + 1).min(row[j] + 1).min(rows[i][j] + usize::from(left != right));
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["local", "oci", "tar", "docker", "image"];
        assert_eq!(nearest("dokcer", names), Some("docker"));
        assert_eq!(nearest("locl", names), Some("local"));
        assert_eq!(nearest("tra", names), Some("tar"));
        assert_eq!(nearest("registry", names), None);
        assert_eq!(nearest("", names), None);
    }
}
