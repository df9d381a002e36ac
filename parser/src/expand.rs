//! Shell words as a Dockerfile has them: quotes, escapes, variables. Knows no instruction and no scope: the caller
//! says what a variable's value is.
//!
//! One pass over the characters, as BuildKit's lexer makes it. `$name` and `${name…}` are replaced; what stands in a
//! modifier (`${x:-word}`) is a word of its own and goes through the same pass, up to its closing `}`. Quotes and the
//! escape character vanish or stay as the [`Lexer`] says. Beside the text, the words it falls into are kept: white
//! space that was written or came from a variable separates them, white space in quotes does not.
//!
//! Nesting and growth are limited: `ENV A=$A$A`, repeated, doubles a value each time.

mod pattern;
mod reference;
mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use words::Words;

/// How deep `${a:-${b:-…}}` may nest.
const MAX_DEPTH: u32 = 100;

/// How many bytes an expansion may add to its text.
const MAX_GROWTH: usize = 1 << 20;

/// Tells the values of variables.
pub trait Variables {
    /// `None` when `name` is not set, which is not the same as set to nothing.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).map(String::as_str)
    }
}

/// No variable is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// Variables, and those that were asked for without being set.
pub(crate) struct Noting<'v> {
    variables: &'v dyn Variables,
    missed: RefCell<BTreeSet<String>>,
}

impl<'v> Noting<'v> {
    pub fn new(variables: &'v dyn Variables) -> Self {
        Self { variables, missed: RefCell::default() }
    }

    pub fn into_missed(self) -> BTreeSet<String> {
        self.missed.into_inner()
    }
}

impl Variables for Noting<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name);
        if value.is_none() {
            let mut missed = self.missed.borrow_mut();
            if !missed.contains(name) {
                missed.insert(name.to_owned());
            }
        }
        value
    }
}

/// What becomes of `'` and `"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quotes {
    /// They group, and vanish.
    #[default]
    Removed,
    /// They group, and stay (BuildKit's `RawQuotes`).
    Kept,
    /// They are characters like others (BuildKit's `SkipProcessQuotes`).
    Plain,
}

/// What stands in the place of a variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unset {
    #[default]
    Empty,
    /// The reference to it, as written.
    Kept,
}

/// How text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexer {
    /// `\`, or what the `# escape=` directive says.
    pub escape: char,
    pub quotes: Quotes,
    pub unset: Unset,
    /// The escape character stays in front of what it escapes.
    pub raw_escapes: bool,
}

/// What a text came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    pub text: String,
    pub words: Vec<String>,
    /// Variables that were asked for and set.
    pub matched: BTreeSet<String>,
    /// Variables that were asked for and not set.
    pub unmatched: BTreeSet<String>,
}

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot expand `{text}`: {kind}")]
pub struct ExpandError {
    /// The text as written; its head, when it is long.
    pub text: String,
    pub kind: ExpandErrorKind,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandErrorKind {
    #[error("a `{0}` is never closed")]
    OpenQuote(char),
    #[error("a `${{` is never closed: expected `}}`")]
    OpenBrace,
    #[error("a replacement lacks its second part: expected `${{name/pattern/replacement}}`")]
    NoReplacement,
    #[error("bad substitution: expected a variable's name after `${{`")]
    NoName,
    #[error(
        "`{0}` is not a modifier: expected one of `:-`, `:+`, `:?`, `-`, `+`, `?`, `#`, `##`, `%`, `%%`, `/`, `//`"
    )]
    Modifier(String),
    /// `${name:?message}`
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("invalid pattern `{0}`: `\\` can stand before `*`, `?`, `\\`, `/` and `}}` only")]
    Pattern(String),
    #[error("matching `{0}` takes too long")]
    PatternTooSlow(String),
    #[error("references are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("it grows by more than {MAX_GROWTH} bytes")]
    TooLong,
}

impl Lexer {
    /// Quotes removed, escapes removed, unset variables empty.
    pub fn new(escape: char) -> Self {
        Self { escape, quotes: Quotes::default(), unset: Unset::default(), raw_escapes: false }
    }

    /// The text alone.
    pub fn word(&self, text: &str, variables: &dyn Variables) -> Result<String, ExpandError> {
        if self.is_plain(text) {
            return Ok(without_mark(text).to_owned());
        }
        self.read(text, variables, &mut Words::unwanted()).map(|expansion| expansion.text)
    }

    /// The words the text falls into.
    pub fn words(&self, text: &str, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
        self.expand(text, variables).map(|expansion| expansion.words)
    }

    /// The text, its words and the variables it asked for.
    pub fn expand(&self, text: &str, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
        if self.is_plain(text) && !text.contains('<') {
            let text = without_mark(text);
            let words = text.split_whitespace().map(str::to_owned).collect();
            return Ok(Expansion { text: text.to_owned(), words, ..Expansion::default() });
        }
        let mut words = Words::default();
        let expansion = self.read(text, variables, &mut words)?;
        Ok(Expansion { words: words.finish(), ..expansion })
    }

    fn read(&self, text: &str, variables: &dyn Variables, words: &mut Words) -> Result<Expansion, ExpandError> {
        let mut pass = Pass {
            lexer: self,
            variables,
            rest: without_mark(text),
            raw_escapes: self.raw_escapes,
            depth: 0,
            was_nested: false,
            notes_names: words.are_wanted(),
            limit: text.len().saturating_add(MAX_GROWTH),
            result: Expansion::default(),
        };
        match pass.until(None, words) {
            Ok(expanded) => Ok(Expansion { text: expanded, ..pass.result }),
            Err(kind) => Err(ExpandError { text: head(text), kind }),
        }
    }

    fn is_plain(&self, text: &str) -> bool {
        let quotes_matter = self.quotes != Quotes::Plain;
        // The escape character is one of two, both ASCII.
        !text.bytes().any(|c| c == b'$' || char::from(c) == self.escape || (quotes_matter && matches!(c, b'\'' | b'"')))
    }
}

/// A byte-order mark at the beginning is no part of a text, as BuildKit's scanner has it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The first line or so of a text, for messages.
fn head(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One pass over a text.
struct Pass<'a> {
    lexer: &'a Lexer,
    variables: &'a dyn Variables,
    rest: &'a str,
    raw_escapes: bool,
    depth: u32,
    /// Whether a text within a reference was read since it was last asked.
    was_nested: bool,
    /// Whether the variables that are asked for are noted.
    notes_names: bool,
    limit: usize,
    /// Only `matched` and `unmatched` are filled here.
    result: Expansion,
}

type Part<T> = Result<T, ExpandErrorKind>;

impl<'a> Pass<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Everything up to `stop`, which is taken too; or up to the end.
    fn until(&mut self, stop: Option<char>, words: &mut Words) -> Part<String> {
        let mut out = String::with_capacity(if stop.is_none() { self.rest.len() } else { 0 });
        loop {
            let plain = self.plain(stop);
            words.push_str(plain);
            out.push_str(plain);
            let Some(c) = self.peek() else { break };
            if Some(c) == stop {
                self.next();
                return Ok(out);
            }
            self.one(c, &mut out, words)?;
            if out.len() > self.limit {
                return Err(ExpandErrorKind::TooLong);
            }
        }
        match stop {
            None => Ok(out),
            Some('/') => Err(ExpandErrorKind::NoReplacement),
            Some(_) => Err(ExpandErrorKind::OpenBrace),
        }
    }

    /// What stands before the next character that may mean something.
    fn plain(&mut self, stop: Option<char>) -> &'a str {
        // All of these are ASCII, and so are no part of another character.
        let (escape, stop) = (self.lexer.escape as u8, stop.map_or(b'$', |stop| stop as u8));
        self.up_to(|c| matches!(c, b'$' | b'\'' | b'"' | b'<') || c == escape || c == stop)
    }

    /// What stands before the next byte that is a `stop`, which must be ASCII.
    fn up_to(&mut self, stop: impl Fn(u8) -> bool) -> &'a str {
        let (before, rest) = self.rest.split_at(self.rest.bytes().position(stop).unwrap_or(self.rest.len()));
        self.rest = rest;
        before
    }

    /// One character `c`, or what begins with it.
    fn one(&mut self, c: char, out: &mut String, words: &mut Words) -> Part<()> {
        let quotes_matter = self.lexer.quotes != Quotes::Plain;
        let start = out.len();
        self.was_nested = false;
        match c {
            '$' => {
                self.dollar(out)?;
                words.forget_if(self.was_nested);
                words.push_str(&out[start..]);
            }
            '\'' | '"' if quotes_matter => {
                if c == '"' {
                    self.double_quoted(out)?
                } else {
                    self.single_quoted(out)?
                }
                words.forget_if(self.was_nested);
                words.push_quoted(&out[start..]);
            }
            '<' => {
                self.here_document(out);
                words.push_quoted(&out[start..]);
            }
            c if c == self.lexer.escape => {
                self.next();
                if self.raw_escapes {
                    out.push(c);
                }
                out.extend(self.next());
                words.push_quoted(&out[start..]);
            }
            c => {
                self.next();
                out.push(c);
                words.push_str(&out[start..]);
            }
        }
        Ok(())
    }

    /// `<`, or `<<` with the white space behind it, so that `<< EOF` stays one word.
    fn here_document(&mut self, out: &mut String) {
        let name = self.rest.strip_prefix("<<").map(|rest| rest.trim_start_matches(['\t', '\r', ' ']));
        let taken = name.map_or(1, |name| self.rest.len() - name.len());
        out.push_str(&self.rest[..taken]);
        self.rest = &self.rest[taken..];
    }

    fn quote(&mut self, out: &mut String) {
        let quote = self.next();
        if self.lexer.quotes == Quotes::Kept {
            out.extend(quote);
        }
    }

    /// Nothing is special but the closing quote.
    fn single_quoted(&mut self, out: &mut String) -> Part<()> {
        self.quote(out);
        let end = self.rest.find('\'').ok_or(ExpandErrorKind::OpenQuote('\''))?;
        out.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
        self.quote(out);
        Ok(())
    }

    /// Variables are replaced; the escape character works before `"`, `$` and itself, and is ordinary elsewhere.
    fn double_quoted(&mut self, out: &mut String) -> Part<()> {
        self.quote(out);
        loop {
            let escape = self.lexer.escape as u8;
            out.push_str(self.up_to(|c| matches!(c, b'"' | b'$') || c == escape));
            match self.peek() {
                None => return Err(ExpandErrorKind::OpenQuote('"')),
                Some('"') => break,
                Some('$') => self.dollar(out)?,
                Some(c) if c == self.lexer.escape => {
                    self.next();
                    if self.raw_escapes {
                        out.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(after) if after == '"' || after == '$' || after == c => out.extend(self.next()),
                        Some(_) => out.push(c),
                    }
                }
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
            if out.len() > self.limit {
                return Err(ExpandErrorKind::TooLong);
            }
        }
        self.quote(out);
        Ok(())
    }

    fn dollar(&mut self, out: &mut String) -> Part<()> {
        self.next();
        if self.peek() == Some('{') {
            self.next();
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(ExpandErrorKind::TooDeep);
            }
            out.push_str(&self.braced()?);
            self.depth -= 1;
            return Ok(());
        }
        let name = self.name();
        if name.is_empty() {
            out.push('$');
            return Ok(());
        }
        match self.value(name) {
            Some(value) => out.push_str(value),
            None if self.lexer.unset == Unset::Kept => {
                out.push('$');
                out.push_str(name);
            }
            None => {}
        }
        Ok(())
    }

    /// The name of a variable: a run of digits, one special character, or a run of letters, digits and `_`.
    fn name(&mut self) -> &'a str {
        let length = match self.peek() {
            Some(c) if c.is_ascii_digit() => self.run(|c| c.is_ascii_digit()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => self.run(|c| c.is_alphanumeric() || c == '_'),
        };
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name
    }

    /// How many bytes the characters that are `wanted` take from here.
    fn run(&self, wanted: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len())
    }

    fn value(&mut self, name: &str) -> Option<&'a str> {
        let variables: &'a dyn Variables = self.variables;
        let value = variables.get(name);
        if !self.notes_names {
            return value;
        }
        let seen = if value.is_some() { &mut self.result.matched } else { &mut self.result.unmatched };
        if !seen.contains(name) {
            seen.insert(name.to_owned());
        }
        value
    }
}

#[cfg(test)]
mod tests;
