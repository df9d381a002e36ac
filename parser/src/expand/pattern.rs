//! The patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*`, `?` and literals. Knows no variable.
//!
//! Matched by following all possible positions in the pattern at once, so the time is at most the pattern's length
//! times the text's, and that is limited. As in BuildKit, neither `*` nor `?` stands for a line feed.

use super::{ExpandErrorKind, Part};

/// How many (position in text, position in pattern) pairs one pattern may look at.
const MAX_STEPS: usize = 1 << 25;

pub(super) struct Pattern<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
}

impl<'a> Pattern<'a> {
    pub fn parse(text: &'a str) -> Part<Self> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '/' | '}')) => Token::Literal(escaped),
                    _ => return Err(ExpandErrorKind::Pattern(text.to_owned())),
                },
                c => Token::Literal(c),
            });
        }
        Ok(Self { text, tokens })
    }

    /// `value` without what matches at its beginning.
    pub fn trim_start(&self, value: &str, longest: bool) -> Part<String> {
        let chars: Vec<char> = value.chars().collect();
        let mut steps = 0;
        let end = self.end(&self.tokens, &chars, longest, &mut steps)?.unwrap_or(0);
        Ok(chars[end..].iter().collect())
    }

    /// `value` without what matches at its end: all is done backwards.
    pub fn trim_end(&self, value: &str, longest: bool) -> Part<String> {
        let tokens: Vec<Token> = self.tokens.iter().rev().copied().collect();
        let chars: Vec<char> = value.chars().rev().collect();
        let mut steps = 0;
        let end = self.end(&tokens, &chars, longest, &mut steps)?.unwrap_or(0);
        Ok(chars[end..].iter().rev().collect())
    }

    /// `value` with `replacement` for the first match, or for all that do not overlap.
    pub fn replace(&self, value: &str, replacement: &str, all: bool, limit: usize) -> Part<String> {
        let chars: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let (mut at, mut matched_to, mut steps) = (0, None, 0);
        while at <= chars.len() {
            let end = self.end(&self.tokens, &chars[at..], true, &mut steps)?.map(|length| at + length);
            match end {
                // Nothing, found right behind the last match, is no match.
                Some(end) if end > at || matched_to != Some(at) => {
                    out.push_str(replacement);
                    matched_to = Some(end);
                    if !all {
                        out.extend(&chars[end..]);
                        return Ok(out);
                    }
                    if end > at {
                        at = end;
                        continue;
                    }
                }
                _ => {}
            }
            out.extend(chars.get(at));
            at += 1;
            if out.len() > limit {
                return Err(ExpandErrorKind::TooLong);
            }
        }
        Ok(out)
    }

    /// Where the shortest or longest match that begins `chars` ends.
    fn end(&self, tokens: &[Token], chars: &[char], longest: bool, steps: &mut usize) -> Part<Option<usize>> {
        let mut active = vec![false; tokens.len() + 1];
        let mut next = active.clone();
        enter(&mut active, tokens, 0);
        let mut found = None;
        for (at, c) in chars.iter().map(Some).chain([None]).enumerate() {
            if active[tokens.len()] {
                found = Some(at);
                if !longest {
                    break;
                }
            }
            let Some(&c) = c else { break };
            *steps += tokens.len() + 1;
            if *steps > MAX_STEPS {
                return Err(ExpandErrorKind::PatternTooSlow(self.text.to_owned()));
            }
            next.fill(false);
            let mut alive = false;
            for (position, token) in tokens.iter().enumerate().filter(|(position, _)| active[*position]) {
                let to = match token {
                    Token::Literal(literal) if *literal == c => position + 1,
                    Token::One if c != '\n' => position + 1,
                    Token::Many if c != '\n' => position,
                    Token::Literal(_) | Token::One | Token::Many => continue,
                };
                enter(&mut next, tokens, to);
                alive = true;
            }
            if !alive {
                break;
            }
            std::mem::swap(&mut active, &mut next);
        }
        Ok(found)
    }
}

/// Marks `position` and, past any `*`, what follows it.
fn enter(active: &mut [bool], tokens: &[Token], mut position: usize) {
    active[position] = true;
    while tokens.get(position) == Some(&Token::Many) {
        position += 1;
        active[position] = true;
    }
}
