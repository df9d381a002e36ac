//! The two pattern languages of a copy. Knows no file system: a pattern and a path in, a yes or no out.
//!
//! * [`Glob`]: Go's `filepath.Match`, one path component at a time, as wildcards in sources are read.
//! * [`Patterns`]: `moby/patternmatcher`, as `--exclude` and `--parents` are read: `**`, `!` exceptions, and a
//!   pattern that matches a directory matches all that is in it.
//!
//! Both are compiled to tokens and matched by following every possible position in the pattern at once, so the time
//! is at most the pattern's length times the path's, whatever the pattern.

/// A pattern of one path component.
#[derive(Debug, Clone)]
pub struct Glob(Vec<Token>);

/// A list of include or exclude patterns; the last that matches decides.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Pattern>);

/// Which patterns matched a directory, and so match what is in it. Start with the default.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

/// A pattern that says nothing sensible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

#[derive(Debug, Clone)]
struct Pattern {
    tokens: Vec<Token>,
    /// What every match begins with: the plain characters before the first wildcard.
    fixed: String,
    exception: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**` at the end: anything at all.
    All,
    /// `**` elsewhere: nothing, or anything up to a slash. Always followed by `DeepRest`.
    Deep,
    /// Within what a `Deep` took.
    DeepRest,
}

impl Glob {
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Lexer::new(pattern, Language::Component).tokens().map(Self)
    }

    pub fn matches(&self, name: &[u8]) -> bool {
        matches(&self.0, &String::from_utf8_lossy(name))
    }
}

/// Whether `component` needs a [`Glob`]. An escaped character is none.
pub fn has_wildcard(component: &str) -> bool {
    let mut chars = component.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

impl Patterns {
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut compiled = Vec::new();
        for pattern in patterns {
            let text = pattern.trim();
            if text.is_empty() {
                continue;
            }
            let (exception, text) = match text.strip_prefix('!') {
                Some("") => return Err(PatternError { pattern: pattern.clone(), reason: "nothing follows the `!`" }),
                Some(rest) => (true, rest),
                None => (false, text),
            };
            let cleaned = super::path::clean_relative(text);
            let tokens = Lexer::new(&cleaned, Language::Deep).tokens()?;
            let plain = |token: &Token| if let Token::Literal(c) = token { Some(*c) } else { None };
            let fixed = tokens.iter().map_while(plain).collect();
            compiled.push(Pattern { tokens, fixed, exception });
        }
        Ok(Self(compiled))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some pattern begins with `!`: then what is in an excluded directory may be included.
    pub fn has_exceptions(&self) -> bool {
        self.0.iter().any(|pattern| pattern.exception)
    }

    /// Whether anything in the directory `dir` could be matched. `dir` itself is not.
    pub fn may_match_in(&self, dir: &[u8]) -> bool {
        self.0.iter().any(|pattern| {
            let fixed = pattern.fixed.as_bytes();
            let common = dir.iter().zip(fixed).take_while(|(a, b)| a == b).count();
            common == fixed.len() || (common == dir.len() && fixed[common] == b'/')
        })
    }

    /// Whether `path` is matched, given what matched the directory it is in.
    pub fn matches(&self, path: &[u8], parent: &Matched) -> (bool, Matched) {
        let path = String::from_utf8_lossy(path);
        let mut matched = false;
        let mut by = vec![false; self.0.len()];
        for (i, pattern) in self.0.iter().enumerate() {
            let inherited = parent.0.get(i).copied().unwrap_or(false);
            // An exception matters only to what is matched, another pattern only to what is not.
            if !inherited && (pattern.exception != matched || !matches(&pattern.tokens, &path)) {
                continue;
            }
            by[i] = true;
            matched = !pattern.exception;
        }
        (matched, Matched(by))
    }
}

/// Follows every position that `tokens` can be at, one character of `text` at a time.
fn matches(tokens: &[Token], text: &str) -> bool {
    let mut at = vec![false; tokens.len() + 1];
    enter(tokens, &mut at, 0);
    for c in text.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (i, token) in tokens.iter().enumerate().filter(|(i, _)| at[*i]) {
            match token {
                Token::Literal(wanted) if *wanted == c => enter(tokens, &mut next, i + 1),
                Token::One if c != '/' => enter(tokens, &mut next, i + 1),
                Token::Many if c != '/' => enter(tokens, &mut next, i),
                Token::Class { negated, ranges }
                    if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated =>
                {
                    enter(tokens, &mut next, i + 1);
                }
                Token::All => enter(tokens, &mut next, i),
                Token::Deep => {
                    next[i + 1] = true;
                    if c == '/' {
                        enter(tokens, &mut next, i + 2);
                    }
                }
                Token::DeepRest => {
                    next[i] = true;
                    if c == '/' {
                        enter(tokens, &mut next, i + 1);
                    }
                }
                Token::Literal(_) | Token::One | Token::Many | Token::Class { .. } => {}
            }
        }
        if !next.contains(&true) {
            return false;
        }
        at = next;
    }
    at[tokens.len()]
}

/// Marks position `i` and those reached from it without a character.
fn enter(tokens: &[Token], at: &mut [bool], mut i: usize) {
    loop {
        at[i] = true;
        i += match tokens.get(i) {
            Some(Token::Many | Token::All) => 1,
            Some(Token::Deep) => 2,
            Some(Token::Literal(_) | Token::One | Token::Class { .. } | Token::DeepRest) | None => return,
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Component,
    Deep,
}

struct Lexer<'a> {
    pattern: &'a str,
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    language: Language,
}

impl<'a> Lexer<'a> {
    fn new(pattern: &'a str, language: Language) -> Self {
        Self { pattern, chars: pattern.chars().peekable(), language }
    }

    fn tokens(mut self) -> Result<Vec<Token>, PatternError> {
        let mut tokens = Vec::new();
        while let Some(c) = self.chars.next() {
            match c {
                '*' if self.language == Language::Deep && self.chars.next_if_eq(&'*').is_some() => {
                    self.deep(&mut tokens);
                }
                '*' => tokens.push(Token::Many),
                '?' => tokens.push(Token::One),
                '[' => tokens.push(self.class()?),
                '\\' => tokens.push(Token::Literal(self.escaped()?)),
                c => tokens.push(Token::Literal(c)),
            }
        }
        Ok(tokens)
    }

    /// `**`, and the slash after it. At the start and before plain characters alone, it matches any ending, even one
    /// in the middle of a name.
    fn deep(&mut self, tokens: &mut Vec<Token>) {
        let slash = self.chars.next_if_eq(&'/').is_some();
        let rest: String = self.chars.clone().collect();
        let plain = !rest.contains(['*', '?', '[', ']', '\\']);
        if rest.is_empty() || (tokens.is_empty() && !slash && plain) {
            tokens.push(Token::All);
        } else {
            tokens.extend([Token::Deep, Token::DeepRest]);
        }
    }

    fn class(&mut self) -> Result<Token, PatternError> {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            if !ranges.is_empty() && self.chars.next_if_eq(&']').is_some() {
                return Ok(Token::Class { negated, ranges });
            }
            let low = self.class_char()?;
            let high = if self.chars.next_if_eq(&'-').is_some() { self.class_char()? } else { low };
            ranges.push((low, high));
        }
    }

    fn class_char(&mut self) -> Result<char, PatternError> {
        match self.chars.next() {
            Some('\\') => self.escaped(),
            None | Some('-' | ']') => Err(self.error("a `[` is not closed, or empty")),
            Some(c) => Ok(c),
        }
    }

    fn escaped(&mut self) -> Result<char, PatternError> {
        self.chars.next().ok_or_else(|| self.error("nothing follows the last `\\`"))
    }

    fn error(&self, reason: &'static str) -> PatternError {
        PatternError { pattern: self.pattern.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_go_s() {
        for (pattern, name, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt2", false),
            ("*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("[abc]", "b", true),
            ("[^abc]", "b", false),
            ("[a-c]x", "cx", true),
            ("[[]x]", "[x]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("a*b*c", "a12b34c", true),
            ("**", "ab", true),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert_eq!(glob.matches(name.as_bytes()), expected, "{pattern} on {name}");
        }
        for pattern in ["[", "[]", "[a", "a\\", "[-]", "[a-]"] {
            assert!(Glob::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn an_evil_glob_takes_no_time() {
        let glob = Glob::new(&"*a".repeat(200)).unwrap();
        assert!(!glob.matches("a".repeat(199).as_bytes()));
    }

    fn matched(patterns: &[&str], path: &str) -> bool {
        let patterns = Patterns::new(&patterns.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()).unwrap();
        let mut parent = Matched::default();
        let mut matched = false;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (matched, parent) = patterns.matches(&path.as_bytes()[..end], &parent);
        }
        matched
    }

    #[test]
    fn patterns_are_moby_s() {
        for (patterns, path, expected) in [
            (&["*.md"][..], "a.md", true),
            (&["*.md"], "d/a.md", false),
            (&["**/*.md"], "d/e/a.md", true),
            (&["**/*.md"], "a.md", true),
            (&["d"], "d/e/f", true),
            (&["d/"], "d/e", true),
            (&["./d"], "d", true),
            (&["d/**"], "d/e/f", true),
            (&["d/**"], "d", false),
            (&["a/**/b"], "a/x/y/b", true),
            (&["a/**/b"], "a/b", true),
            (&["**foo"], "xfoo", true),
            (&["**/foo"], "xfoo", false),
            (&["**/foo"], "x/foo", true),
            (&["**"], "x/foo", true),
            (&["*", "!a"], "a", false),
            (&["*", "!a"], "b", true),
            (&["d", "!d/keep"], "d/keep", false),
            (&["d", "!d/keep"], "d/other", true),
            (&["*", "!d", "d/x"], "d/x/y", true),
        ] {
            assert_eq!(matched(patterns, path), expected, "{patterns:?} on {path}");
        }
        let patterns = Patterns::new(&["a/b/*.so".to_owned(), "x*/y".to_owned()]).unwrap();
        for (dir, expected) in [("a", true), ("a/b", true), ("a/c", false), ("ab", false), ("xx", true), ("y", false)] {
            assert_eq!(patterns.may_match_in(dir.as_bytes()), expected, "{dir}");
        }
        assert!(Patterns::new(&["!".to_owned()]).is_err());
        assert!(Patterns::new(&["[".to_owned()]).is_err());
    }
}
