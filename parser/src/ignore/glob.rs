//! One pattern of an ignore file: `*`, `?`, classes, `**`. Knows neither exceptions nor parents.
//!
//! Most patterns are a plain path, or a plain path before or behind a `**`; they are compared as bytes. The others
//! are matched by following all possible positions in the pattern at once, so the time is at most the pattern's
//! length times the path's.

mod judge;
mod regexp;

/// A pattern, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    /// `a/b`
    Exact(Box<[u8]>),
    /// `a/**`: everything that begins with `a/`.
    Prefix(Box<[u8]>),
    /// `**/b`: what is or ends with `/b`; or, without the `/`, what ends with it.
    Suffix(Box<[u8]>),
    /// `**/a/**`: what is in an `a/`, at any depth.
    Within(Box<[u8]>),
    /// Anything else; `tail` is the plain text it ends with.
    Tokens { tokens: Box<[Token]>, tail: Box<[u8]> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[a-z]`. Unlike `?` it may stand for a `/`: it does so in Docker.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**/`, or `**` before something: nothing, or anything that ends with `/`.
    Dirs,
    /// `**` at the end.
    Rest,
}

impl Glob {
    /// `pattern` is cleaned and not empty.
    pub fn parse(pattern: &str) -> Result<Self, &'static str> {
        judge::judge(pattern)?;
        let tokens = tokens(pattern)?;
        let plain = |tokens: &[Token]| -> Option<Box<[u8]>> {
            let literal = |token: &Token| if let Token::Literal(c) = token { Some(*c) } else { None };
            let text: Option<String> = tokens.iter().map(literal).collect();
            text.map(|text| text.into_bytes().into())
        };
        let by_bytes = match tokens.as_slice() {
            [Token::Rest] => Some(Self::Prefix(Box::default())),
            [Token::Dirs, rest @ ..] if rest.last() != Some(&Token::Rest) => plain(rest).map(|text| {
                // `**foo` is no `**/foo`: it may end anywhere.
                let slash: &[u8] = if pattern.starts_with("**/") { b"/" } else { b"" };
                Self::Suffix([slash, &text].concat().into())
            }),
            [Token::Dirs, rest @ .., Token::Rest] => plain(rest).map(Self::Within),
            [rest @ .., Token::Rest] => plain(rest).map(Self::Prefix),
            all => plain(all).map(Self::Exact),
        };
        Ok(by_bytes.unwrap_or_else(|| {
            let plain_from =
                tokens.iter().rposition(|token| !matches!(token, Token::Literal(_))).map_or(0, |at| at + 1);
            let tail = plain(&tokens[plain_from..]).unwrap_or_default();
            Self::Tokens { tokens: tokens.into(), tail }
        }))
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(text) => **text == *path,
            Self::Prefix(text) => path.starts_with(text),
            Self::Suffix(text) => path.ends_with(text) || text.strip_prefix(b"/") == Some(path),
            Self::Within(text) => is_within(text, path),
            Self::Tokens { tokens, tail } => {
                path.ends_with(tail) && begins(tokens, path) && Run::over(tokens, path).is_some_and(|run| run.accepts())
            }
        }
    }

    /// Whether `path` or one of its parents matches.
    pub fn covers(&self, path: &[u8]) -> bool {
        let parents = || path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        match self {
            Self::Exact(text) => path.strip_prefix(&**text).is_some_and(|rest| rest.is_empty() || rest[0] == b'/'),
            // What a parent begins with, its children begin with.
            Self::Prefix(_) | Self::Within(_) => self.matches(path),
            Self::Suffix(_) => self.matches(path) || parents().any(|parent| self.matches(parent)),
            Self::Tokens { tokens, .. } => begins(tokens, path) && Run::covers(tokens, path),
        }
    }

    /// Whether something in the directory `path`, at any depth, may match.
    pub fn can_match_in(&self, path: &[u8]) -> bool {
        let inside = [path, b"/"].concat();
        match self {
            Self::Exact(text) => text.starts_with(&inside),
            Self::Prefix(text) => text.starts_with(&inside) || inside.starts_with(text),
            Self::Suffix(_) | Self::Within(_) => true,
            Self::Tokens { tokens, .. } => Run::over(tokens, &inside).is_some(),
        }
    }
}

/// Whether `text` (`a/`) begins `path`, or a part of it.
fn is_within(text: &[u8], path: &[u8]) -> bool {
    let mut starts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    path.starts_with(text) || starts.any(|start| path[start..].starts_with(text))
}

/// Whether the first byte, where the pattern says what it is, is right.
fn begins(tokens: &[Token], path: &[u8]) -> bool {
    match tokens.first() {
        Some(Token::Literal(c)) if c.is_ascii() => path.first() == Some(&(*c as u8)),
        _ => true,
    }
}

/// The positions in a pattern that are possible after some of a path.
struct Run<'a> {
    tokens: &'a [Token],
    active: Vec<bool>,
}

impl<'a> Run<'a> {
    fn start(tokens: &'a [Token]) -> Self {
        let mut active = vec![false; tokens.len() + 1];
        enter(&mut active, tokens, 0);
        Self { tokens, active }
    }

    /// `None` when no position is left.
    fn over(tokens: &'a [Token], path: &[u8]) -> Option<Self> {
        let mut run = Self::start(tokens);
        let mut next = vec![false; tokens.len() + 1];
        for c in chars(path) {
            if !run.step(c, &mut next) {
                return None;
            }
        }
        Some(run)
    }

    /// Whether all of `path` or what stands before one of its `/` is accepted.
    fn covers(tokens: &'a [Token], path: &[u8]) -> bool {
        let mut run = Self::start(tokens);
        let mut next = vec![false; tokens.len() + 1];
        for c in chars(path) {
            if c == '/' && run.accepts() {
                return true;
            }
            if !run.step(c, &mut next) {
                return false;
            }
        }
        run.accepts()
    }

    /// Takes `c`; false when no position is left.
    fn step(&mut self, c: char, next: &mut Vec<bool>) -> bool {
        next.fill(false);
        let mut alive = false;
        for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| self.active[*at]) {
            let to = match token {
                Token::Literal(literal) if *literal == c => at + 1,
                Token::One if c != '/' => at + 1,
                Token::Class { negated, ranges }
                    if ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated =>
                {
                    at + 1
                }
                Token::Many if c != '/' => at,
                Token::Rest => at,
                Token::Dirs => {
                    next[at] = true;
                    alive = true;
                    if c != '/' {
                        continue;
                    }
                    at + 1
                }
                Token::Literal(_) | Token::One | Token::Class { .. } | Token::Many => continue,
            };
            enter(next, self.tokens, to);
            alive = true;
        }
        std::mem::swap(&mut self.active, next);
        alive
    }

    fn accepts(&self) -> bool {
        self.active[self.tokens.len()]
    }
}

/// The characters of a path; what is no UTF-8 counts as a replacement character a byte.
fn chars(path: &[u8]) -> impl Iterator<Item = char> {
    path.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars().chain(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER)))
}

/// Marks position `at` and those that follow without a character.
fn enter(active: &mut [bool], tokens: &[Token], mut at: usize) {
    active[at] = true;
    while matches!(tokens.get(at), Some(Token::Many | Token::Rest | Token::Dirs)) {
        at += 1;
        active[at] = true;
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(c) = take(&mut rest) {
        let token = match c {
            '*' => match rest.strip_prefix('*') {
                None => Token::Many,
                Some(after) => {
                    rest = after.strip_prefix('/').unwrap_or(after);
                    if rest.is_empty() { Token::Rest } else { Token::Dirs }
                }
            },
            '?' => Token::One,
            // The end of the expression is escaped: a `$`, and then anything.
            '\\' if rest.is_empty() => {
                tokens.push(Token::Literal('$'));
                Token::Rest
            }
            '\\' => match regexp::escape(&mut rest, &tokens)? {
                Some(token) => token,
                None => continue,
            },
            '[' => regexp::class(&mut rest)?,
            c => Token::Literal(c),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

fn take(rest: &mut &str) -> Option<char> {
    let mut chars = rest.chars();
    let c = chars.next();
    *rest = chars.as_str();
    c
}
