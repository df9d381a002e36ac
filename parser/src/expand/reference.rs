//! `${…}`: a reference to a variable with what may follow its name: a default, an alternative, a demand, a pattern.
//! Knows no quotes: a word within a reference is read by the pass around it.

use super::pattern::Pattern;
use super::words::Words;
use super::{ExpandErrorKind, Part, Pass, Unset};

impl Pass<'_> {
    /// What stands for `${…}`, its `${` having been read.
    pub(super) fn braced(&mut self) -> Part<String> {
        match self.peek() {
            None => return Err(ExpandErrorKind::OpenBrace),
            Some('{' | '}' | ':') => return Err(ExpandErrorKind::NoName),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            None => Err(ExpandErrorKind::OpenBrace),
            Some('}') => Ok(match self.value(name) {
                Some(value) => value.to_owned(),
                None if self.lexer.unset == Unset::Kept => format!("${{{name}}}"),
                None => String::new(),
            }),
            Some('/') => self.replaced(name),
            Some(trim @ ('#' | '%')) => self.trimmed(name, trim),
            Some(':') => {
                let test = self.next().ok_or(ExpandErrorKind::OpenBrace)?;
                match test {
                    '#' | '%' => Err(ExpandErrorKind::Modifier(format!(":{test}"))),
                    _ => self.tested(name, &format!(":{test}"), test),
                }
            }
            Some(test @ ('-' | '+' | '?')) => self.tested(name, &test.to_string(), test),
            Some(other) => Err(ExpandErrorKind::Modifier(other.to_string())),
        }
    }

    /// `${name-word}`, `+`, `?`, and with a colon, for which an empty value is none. What a shell knows beside them
    /// (`${name:0:3}`) is left to it where references to what is not set stay.
    fn tested(&mut self, name: &str, modifier: &str, test: char) -> Part<String> {
        let word = self.nested('}', false)?;
        let value = self.value(name);
        if value.is_none() && self.lexer.unset == Unset::Kept {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        if !matches!(test, '-' | '+' | '?') {
            return Err(ExpandErrorKind::Modifier(modifier.to_owned()));
        }
        let usable = value.filter(|value| modifier.len() == 1 || !value.is_empty());
        match (test, usable) {
            ('-', None) | ('+', Some(_)) => Ok(word),
            ('?', None) => {
                let what = if value.is_none() { "is not allowed to be unset" } else { "is not allowed to be empty" };
                let message = if word.is_empty() { what.to_owned() } else { word };
                Err(ExpandErrorKind::Required { name: name.to_owned(), message })
            }
            ('+', None) => Ok(String::new()),
            (_, usable) => Ok(usable.unwrap_or_default().to_owned()),
        }
    }

    /// `${name#pattern}`, `##`, `%`, `%%`.
    fn trimmed(&mut self, name: &str, trim: char) -> Part<String> {
        let word = self.nested('}', true)?;
        let value = self.value(name);
        if value.is_none() && self.lexer.unset == Unset::Kept {
            return Ok(format!("${{{name}{trim}{word}}}"));
        }
        let value = value.unwrap_or_default();
        let (text, longest) = word.strip_prefix(trim).map_or((word.as_str(), false), |rest| (rest, true));
        let pattern = Pattern::parse(text)?;
        if trim == '#' { pattern.trim_start(value, longest) } else { pattern.trim_end(value, longest) }
    }

    /// `${name/pattern/replacement}`, `//`.
    fn replaced(&mut self, name: &str) -> Part<String> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let text = self.nested('/', true)?;
        let replacement = self.nested('}', true)?;
        match self.value(name) {
            None if self.lexer.unset == Unset::Kept => Ok(format!("${{{name}/{text}/{replacement}}}")),
            value => Pattern::parse(&text)?.replace(value.unwrap_or_default(), &replacement, all, self.limit),
        }
    }

    /// A word within a reference, up to `stop`.
    fn nested(&mut self, stop: char, raw_escapes: bool) -> Part<String> {
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let word = self.until(Some(stop), &mut Words::unwanted());
        self.raw_escapes = outer;
        self.was_nested = true;
        word
    }
}
