//! Here-documents: which words of a line begin one, and under what name. Does not read their contents.
//!
//! A line is split into words as a shell would, with quotes and escapes left in; a word that is `[fd]<<[-]NAME`
//! begins a document. The name is read twice, with and without its quotes: if they differ in quotes, it was quoted
//! and the contents are not expanded. The escape character is always a backslash here, and no variable is known.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::combinator::{all_consuming, value};
use nom::{IResult, Parser};

use crate::text::Text;

/// Deeper `${a:-${b:-…}}` is taken for a mistake.
const MAX_DEPTH: usize = 64;

/// `[fd]<<[-]NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub name: Text,
    pub file_descriptor: u64,
    pub expand: bool,
    pub chomp: bool,
}

/// The documents that a logical line begins; `Err` if a name cannot be read.
pub(crate) fn headers(line: &str) -> Result<Vec<Header>, Malformed> {
    if memchr::memmem::find(line.as_bytes(), b"<<").is_none() {
        return Ok(Vec::new());
    }
    // A line that is no good as shell words begins no documents.
    let words = Lexer::split(line, Quotes::Keep, Escapes::Keep).unwrap_or_default();
    words.iter().filter_map(|word| header(word).transpose()).collect()
}

/// `word` as a document's beginning.
pub(crate) fn header(word: &str) -> Result<Option<Header>, Malformed> {
    if !word.contains("<<") {
        return Ok(None);
    }
    let Ok((_, (digits, _, chomp, _, rest))) = shape(word) else { return Ok(None) };
    if rest.is_empty() {
        return Ok(None);
    }
    let names = Lexer::split(rest, Quotes::Remove, Escapes::Remove)?;
    let [name] = names.as_slice() else { return Ok(None) };
    let raw = Lexer::split(rest, Quotes::Keep, Escapes::Remove)?;
    let [raw] = raw.as_slice() else { return Err(Malformed) };
    let quotes = |text: &str| text.bytes().filter(|b| matches!(b, b'\'' | b'"')).count();
    Ok(Some(Header {
        name: Text::from(name.as_str()),
        file_descriptor: if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) },
        expand: quotes(name) == quotes(raw),
        chomp,
    }))
}

type Shape<'w> = (&'w str, &'w str, bool, &'w str, &'w str);

fn shape(word: &str) -> IResult<&str, Shape<'_>> {
    all_consuming((
        take_while(|c: char| c.is_ascii_digit()),
        tag("<<"),
        alt((value(true, tag("-")), value(false, tag("")))),
        take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')),
        take_while(|c| c != '<'),
    ))
    .parse(word)
}

/// Leading tabs removed from every line, as `<<-` asks for.
pub(crate) fn chomp(content: &Text) -> Text {
    if !content.contains('\t') {
        return content.clone();
    }
    let chomped: String = content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect();
    Text::from(chomped)
}

/// Quotes or a substitution that do not end, or are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Keep,
    Remove,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Keep,
    Remove,
}

struct Lexer<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    quotes: Quotes,
    word: String,
    words: Vec<String>,
}

impl Lexer<'_> {
    fn split(text: &str, quotes: Quotes, escapes: Escapes) -> Result<Vec<String>, Malformed> {
        let mut lexer = Lexer { chars: text.chars().peekable(), quotes, word: String::new(), words: Vec::new() };
        while let Some(c) = lexer.chars.peek().copied() {
            match c {
                '\'' => lexer.single_quoted().map(|s| lexer.word.push_str(&s))?,
                '"' => lexer.double_quoted(escapes, 0).map(|s| lexer.word.push_str(&s))?,
                '<' => lexer.angle(),
                '$' => {
                    let value = lexer.dollar(0)?;
                    value.chars().for_each(|c| lexer.add(c));
                }
                _ => lexer.plain(escapes),
            }
        }
        lexer.end_word();
        Ok(lexer.words)
    }

    fn add(&mut self, c: char) {
        if c.is_whitespace() { self.end_word() } else { self.word.push(c) }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn plain(&mut self, escapes: Escapes) {
        match self.chars.next() {
            Some('\\') => {
                if escapes == Escapes::Keep {
                    self.word.push('\\');
                }
                self.word.extend(self.chars.next());
            }
            Some(c) => self.add(c),
            None => {}
        }
    }

    /// `<`, or `<<` with the blanks behind it, which belong to the word.
    fn angle(&mut self) {
        self.word.extend(self.chars.next());
        if let Some(second) = self.chars.next_if_eq(&'<') {
            self.word.push(second);
            while let Some(blank) = self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
                self.word.push(blank);
            }
        }
    }

    fn single_quoted(&mut self) -> Result<String, Malformed> {
        let mut out = String::new();
        let quote = self.chars.next();
        if self.quotes == Quotes::Keep {
            out.extend(quote);
        }
        loop {
            match self.chars.next().ok_or(Malformed)? {
                '\'' => break,
                c => out.push(c),
            }
        }
        if self.quotes == Quotes::Keep {
            out.push('\'');
        }
        Ok(out)
    }

    fn double_quoted(&mut self, escapes: Escapes, depth: usize) -> Result<String, Malformed> {
        let mut out = String::new();
        let quote = self.chars.next();
        if self.quotes == Quotes::Keep {
            out.extend(quote);
        }
        loop {
            match self.chars.peek().ok_or(Malformed)? {
                '"' => break,
                '$' => out.push_str(&self.dollar(depth)?),
                '\\' => {
                    self.chars.next();
                    if escapes == Escapes::Keep {
                        out.push('\\');
                    }
                    match self.chars.peek() {
                        None => {}
                        Some('"' | '$' | '\\') => out.extend(self.chars.next()),
                        Some(_) => out.push('\\'),
                    }
                }
                _ => out.extend(self.chars.next()),
            }
        }
        let quote = self.chars.next();
        if self.quotes == Quotes::Keep {
            out.extend(quote);
        }
        Ok(out)
    }

    /// `$name` or `${…}`, as it stands: nothing is set, and what is not set stays.
    fn dollar(&mut self, depth: usize) -> Result<String, Malformed> {
        self.chars.next();
        if self.chars.next_if_eq(&'{').is_none() {
            return Ok(format!("${}", self.name()));
        }
        if matches!(self.chars.peek(), None | Some('{' | '}' | ':')) {
            return Err(Malformed);
        }
        let name = self.name();
        match self.chars.next().ok_or(Malformed)? {
            '}' => Ok(format!("${{{name}}}")),
            ':' => match self.chars.next().ok_or(Malformed)? {
                '#' | '%' => Err(Malformed),
                modifier => Ok(format!("${{{name}:{modifier}{}}}", self.until('}', Escapes::Remove, depth)?)),
            },
            modifier @ ('+' | '-' | '?') => {
                Ok(format!("${{{name}{modifier}{}}}", self.until('}', Escapes::Remove, depth)?))
            }
            modifier @ ('#' | '%') => Ok(format!("${{{name}{modifier}{}}}", self.until('}', Escapes::Keep, depth)?)),
            '/' => {
                self.chars.next_if_eq(&'/');
                let pattern = self.until('/', Escapes::Keep, depth)?;
                Ok(format!("${{{name}/{pattern}/{}}}", self.until('}', Escapes::Keep, depth)?))
            }
            _ => Err(Malformed),
        }
    }

    /// Everything up to `stop`. As in BuildKit, what the current word held so far is lost.
    fn until(&mut self, stop: char, escapes: Escapes, depth: usize) -> Result<String, Malformed> {
        if depth == MAX_DEPTH {
            return Err(Malformed);
        }
        self.word.clear();
        let mut out = String::new();
        loop {
            let c = *self.chars.peek().ok_or(Malformed)?;
            match c {
                _ if c == stop => break,
                '\'' => out.push_str(&self.single_quoted()?),
                '"' => out.push_str(&self.double_quoted(escapes, depth + 1)?),
                '$' => out.push_str(&self.dollar(depth + 1)?),
                '\\' => {
                    self.chars.next();
                    if escapes == Escapes::Keep {
                        out.push('\\');
                    }
                    out.extend(self.chars.next());
                }
                _ => out.extend(self.chars.next()),
            }
        }
        self.chars.next();
        Ok(out)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
                return name;
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                name.extend(self.chars.next());
                return name;
            }
            _ => {}
        }
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        let show = |h: &Header| {
            let fd = if h.file_descriptor == 0 { String::new() } else { h.file_descriptor.to_string() };
            let chomp = if h.chomp { "-" } else { "" };
            let quoted = if h.expand { "" } else { "!" };
            format!("{fd}<<{chomp}{quoted}{}", h.name)
        };
        headers(line).map(|found| found.iter().map(show).collect()).unwrap_or_else(|_| vec!["malformed".into()])
    }

    #[test]
    fn documents_of_a_line() {
        for (line, expected) in [
            ("RUN <<EOF", vec!["<<EOF"]),
            ("RUN <<-EOF cat", vec!["<<-EOF"]),
            ("RUN cat << EOF", vec!["<<EOF"]),
            ("RUN <<'EOF' 3<<\"X\"Y <<Z", vec!["<<!EOF", "3<<!XY", "<<Z"]),
            ("RUN cat <<<EOF", vec![]),
            ("RUN echo '<<EOF'", vec![]),
            ("RUN echo \\<<EOF", vec![]),
            ("RUN echo $((1<<2))", vec![]),
            ("RUN x<<EOF", vec![]),
            ("RUN <<", vec![]),
            ("RUN <<\"\"", vec![]),
            ("RUN <<E\\ F", vec!["<<E F"]),
            ("RUN echo ${x:bad} <<EOF", vec!["<<EOF"]),
            ("RUN echo ${x!} <<EOF", vec![]),
            ("RUN echo \"open <<EOF", vec![]),
        ] {
            assert_eq!(names(line), expected, "{line}");
        }
    }

    #[test]
    fn deep_substitutions_end() {
        let line = "RUN <<EOF ".to_owned() + &"${a:-".repeat(10_000) + &"}".repeat(10_000);
        assert!(names(&line).is_empty());
    }

    #[test]
    fn chomping() {
        assert_eq!(chomp(&Text::from("\t\ta\n\tb\tc\n d\n")), "a\nb\tc\n d\n");
    }
}
