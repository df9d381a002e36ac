//! What rules ask of single words: whether a name is that of a secret, and what a misspelt one was meant to be. Knows no
//! instruction.

use crate::nearest;

/// Whether a variable's name tells of a secret: one of its parts between `_` does, and none says that it is not itself one.
pub(crate) fn names_secret(name: &str) -> bool {
    let any = |words: &[&str]| name.split('_').any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)));
    any(&SECRET) && !any(&HARMLESS)
}

const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];

const HARMLESS: [&str; 3] = ["public", "file", "version"];

/// The known word that is at most two letters off; the first of the nearest. None if `word` is known.
pub(crate) fn meant<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        if candidate == word {
            return None;
        }
        let limit = best.map_or(2, |(distance, _)| distance - 1);
        if let Some(distance) = nearest::edits(word, candidate, limit).filter(|_| limit > 0) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        for name in ["API_KEY", "key", "GITHUB_TOKEN", "secret_MESSAGE", "AUTH", "X_passwd_Y"] {
            assert!(names_secret(name), "{name}");
        }
        for name in ["KEYS", "TOKEN_FILE", "PUBLIC_KEY", "KEY_VERSION", "MONKEY", "", "AUTHOR", "PASSWORD-X"] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn spellings() {
        let known = ["PATH", "VERSION", "BASE", "VASE"];
        assert_eq!(meant("PATHS", known), Some("PATH"));
        assert_eq!(meant("VERSIN", known), Some("VERSION"));
        assert_eq!(meant("CASE", known), Some("BASE"));
        assert_eq!(meant("VERSION", known), None);
        // A swap is two letters off, and case matters.
        assert_eq!(meant("VERSOIN", known), Some("VERSION"));
        assert_eq!(meant("version", known), None);
        assert_eq!(meant("PATHSSS", known), None);
        assert_eq!(meant("É", ["é", "ab", "abc"]), Some("é"));
    }
}
