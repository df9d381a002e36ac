//! Text → syntax tree. Knows which form of arguments an instruction has, and nothing of what they mean.
//!
//! 1. Lines at the top are directives, until one isn't.
//! 2. A line and its continuations are joined to one logical line; comments and empty lines in between are left out.
//! 3. Its name, flags and arguments are split.
//! 4. If a word of it begins a here-document, the lines up to the terminator belong to it.
//!
//! A mistake drops its instruction and reading goes on behind it.

use crate::arguments::{self, Refused};
use crate::ast::{Args, Heredoc, Node, Tree};
use crate::diagnostic::{Diagnostic, MAX_ERRORS, MAX_WARNINGS, Span};
use crate::directive::Directives;
use crate::heredoc::{self, Header};
use crate::keyword::Keyword;
use crate::lines::{self, End, Line, Lines};
use crate::place;
use crate::text::Text;

/// `ONBUILD ONBUILD …` is read this deep; no such chain is allowed anyway.
const MAX_TRIGGERS: usize = 3;

/// Reads the whole of `source`.
pub(crate) fn read(source: &Text, diagnostics: &mut Vec<Diagnostic>) -> Tree {
    let mut reader = Reader {
        source,
        lines: Lines::new(source),
        directives: Directives::default(),
        comments: Vec::new(),
        // Few instructions are shorter, and few files have more.
        nodes: Vec::with_capacity((source.len() / 64).min(64)),
        joined: String::new(),
        errors: 0,
        warnings: 0,
        diagnostics,
    };
    while reader.errors < MAX_ERRORS
        && let Some(line) = reader.lines.next()
    {
        reader.line(line);
    }
    reader.end();
    Tree { directives: reader.directives.found, escape: reader.directives.escape, nodes: reader.nodes }
}

struct Reader<'s, 'd> {
    source: &'s Text,
    lines: Lines<'s>,
    directives: Directives,
    comments: Vec<Text>,
    nodes: Vec<Node>,
    /// Scratch for lines that are continued.
    joined: String,
    errors: usize,
    warnings: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

/// An instruction's text, and its place without heredocs.
struct Logical {
    text: Text,
    span: Span,
}

impl<'s> Reader<'s, '_> {
    /// A line outside of any instruction.
    fn line(&mut self, line: Line<'s>) {
        let raw = if line.number == 1 { line.raw.strip_prefix('\u{feff}').unwrap_or(line.raw) } else { line.raw };
        let text = lines::trim_start(Line { raw, ..line }.text());
        let end = line.end();
        let span =
            Span { start: (end - text.len()) as u32, end: end as u32, first_line: line.number, last_line: line.number };
        let is_directive = !self.directives.done() && self.directive(text, span);
        if text.starts_with('#') {
            if !is_directive {
                self.comment(raw);
            }
        } else if !text.is_empty() {
            let logical = self.logical_line(text, span);
            self.instruction(&logical);
        }
    }

    fn directive(&mut self, text: &str, span: Span) -> bool {
        let before = self.diagnostics.len();
        let is_directive = self.directives.take(&self.source.part(text), span, self.diagnostics);
        self.errors += self.diagnostics.len() - before;
        is_directive
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        self.diagnostics.push(diagnostic);
    }

    /// Comments are kept for the next instruction; an empty one ends what came before. Of an indented comment, the
    /// `#` stays, as in BuildKit.
    fn comment(&mut self, raw: &str) {
        let first = raw.chars().next().map_or(0, char::len_utf8);
        match raw[first..].trim() {
            "" => self.comments.clear(),
            comment => self.comments.push(self.source.part(comment)),
        }
    }

    fn logical_line(&mut self, first: &'s str, mut span: Span) -> Logical {
        let escape = self.directives.escape;
        let (text, mut end) = lines::split_continuation(first, escape);
        if end == End::Here {
            return Logical { text: self.source.part(text), span };
        }
        self.joined.clear();
        self.joined.push_str(text);
        let mut empty_line = None;
        while end == End::Later {
            let Some(line) = self.lines.next() else { break };
            let text = line.text();
            span.last_line = line.number;
            span.end = (line.start + text.len()) as u32;
            if lines::trim_start(text).is_empty() {
                empty_line.get_or_insert(line);
            } else if !lines::is_comment(text) {
                let (text, here) = lines::split_continuation(text, escape);
                end = here;
                self.joined.push_str(text);
            }
        }
        if let Some(line) = empty_line
            && self.warnings < MAX_WARNINGS
        {
            self.warnings += 1;
            self.warn_of_empty_continuation(span, line);
        }
        Logical { text: Text::from(self.joined.as_str()), span }
    }

    /// Other builders name the instruction's last line, so the span is that one.
    fn warn_of_empty_continuation(&mut self, span: Span, line: Line) {
        let last = Span { start: span.end, first_line: span.last_line, ..span };
        let start = line.start as u32;
        let empty = Span { start, end: line.end() as u32, first_line: line.number, last_line: line.number };
        self.diagnostics.push(
            Diagnostic::warning("NoEmptyContinuation", last, "Empty continuation line")
                .with_focus(empty)
                .with_label(Span { last_line: span.first_line, ..span }, "the instruction begins here")
                .with_hint("remove the empty line, or put a `#` on it; it will become an error"),
        );
    }

    fn instruction(&mut self, logical: &Logical) {
        let node = match self.node(&logical.text, logical.span, 0) {
            Ok(node) => node,
            Err(refused) => {
                let diagnostic = self.explain(refused, logical.span);
                self.error(diagnostic);
                self.comments.clear();
                return;
            }
        };
        let mut node = node;
        node.comments = std::mem::take(&mut self.comments);
        if takes_heredocs(&node) && !self.heredocs(&mut node) {
            return;
        }
        self.nodes.push(node);
    }

    fn node(&self, text: &Text, span: Span, depth: usize) -> Result<Node, Refused> {
        let escape = self.directives.escape;
        let (keyword, rest) = arguments::split_keyword(text);
        let (flags, rest) = arguments::split_flags(text, rest, escape.char());
        let args = match Keyword::parse(keyword) {
            Some(keyword) => self.args(keyword, text, rest, span, depth)?,
            None => Args::Unknown,
        };
        Ok(Node {
            keyword: text.part(keyword),
            flags,
            args,
            heredocs: Vec::new(),
            original: text.clone(),
            comments: Vec::new(),
            span,
        })
    }

    fn args(&self, keyword: Keyword, text: &Text, rest: &str, span: Span, depth: usize) -> Result<Args, Refused> {
        let escape = self.directives.escape.byte();
        match keyword {
            Keyword::Add | Keyword::Copy | Keyword::Volume => arguments::json_or_words(text, rest),
            Keyword::Cmd | Keyword::Entrypoint | Keyword::Run | Keyword::Shell => arguments::json_or_line(text, rest),
            Keyword::Arg => Ok(arguments::definitions(text, rest, escape)),
            Keyword::Env | Keyword::Label => arguments::pairs(text, rest, escape),
            Keyword::Expose | Keyword::From => Ok(arguments::blank_words(text, rest)),
            Keyword::Healthcheck => arguments::health(text, rest),
            Keyword::Maintainer | Keyword::StopSignal | Keyword::User | Keyword::Workdir => {
                Ok(arguments::whole_line(text, rest))
            }
            Keyword::Onbuild if rest.is_empty() || depth == MAX_TRIGGERS => Ok(Args::None),
            Keyword::Onbuild => self.node(&text.part(rest), span, depth + 1).map(|node| Args::Trigger(Box::new(node))),
        }
    }

    fn explain(&self, refused: Refused, span: Span) -> Diagnostic {
        let focus = |word: &str| place::of_word(self.source, span, word).unwrap_or(span);
        match refused {
            Refused::NoValue { name } => Diagnostic::error("NoValue", span, format!("`{name}` has no value"))
                .with_focus(focus(&name))
                .with_expected("`name=value`, or a name and a value")
                .with_hint(format!("for an empty value, write `{name}=`")),
            Refused::NoEquals { word } => Diagnostic::error("NoEquals", span, format!("`{word}` has no `=`"))
                .with_focus(focus(&word))
                .with_expected("`name=value`")
                .with_hint("quote a value that holds blanks: `name=\"a b\"`"),
            Refused::NotStrings => {
                Diagnostic::error("NotStrings", span, "a JSON array of arguments holds strings only")
                    .with_focus(place::of(self.source, span, "[").unwrap_or(span))
                    .with_expected("`[\"word\", \"word\"]`")
            }
        }
    }

    /// Reads the documents that the node's line begins; false if one doesn't end.
    fn heredocs(&mut self, node: &mut Node) -> bool {
        let Ok(headers) = heredoc::headers(&node.original) else {
            let diagnostic =
                Diagnostic::error("InvalidHeredoc", node.span, "the name of a here-document cannot be read")
                    .with_focus(place::of(self.source, node.span, "<<").unwrap_or(node.span))
                    .with_expected("a word, quoted or not: `<<EOF`");
            self.error(diagnostic);
            return false;
        };
        for header in headers {
            match self.heredoc(&header, &mut node.span) {
                Some(content) => node.heredocs.push(Heredoc {
                    name: header.name,
                    file_descriptor: header.file_descriptor,
                    expand: header.expand,
                    chomp: header.chomp,
                    content,
                }),
                None => {
                    self.unterminated(&header, node.span);
                    return false;
                }
            }
        }
        true
    }

    /// The lines up to the terminator, as one part of the source.
    fn heredoc(&mut self, header: &Header, span: &mut Span) -> Option<Text> {
        let mut content: Option<(usize, usize)> = None;
        for line in self.lines.by_ref() {
            span.last_line = line.number;
            let text = line.text();
            span.end = (line.start + text.len()) as u32;
            let candidate = if header.chomp { text.trim_start_matches('\t') } else { text };
            if header.name == candidate {
                let (start, end) = content.unwrap_or((line.start, line.start));
                return Some(self.source.part(&self.source.as_str()[start..end]));
            }
            let start = content.map_or(line.start, |(start, _)| start);
            content = Some((start, line.start + line.raw.len()));
        }
        None
    }

    fn unterminated(&mut self, header: &Header, span: Span) {
        let name = &header.name;
        let mut diagnostic =
            Diagnostic::error("UnterminatedHeredoc", span, format!("the here-document `{name}` does not end"))
                .with_focus(place::of(self.source, span, "<<").unwrap_or(span))
                .with_expected(format!("a line that is `{name}` and nothing else"));
        let body = &self.source[span.start as usize..span.end as usize];
        if !header.chomp && body.lines().skip(1).any(|line| line.trim() == &**name) {
            diagnostic = diagnostic.with_hint(format!(
                "there are blanks around a `{name}`; remove them, or write `<<-{name}` to indent it with tabs"
            ));
        }
        self.error(diagnostic);
    }

    fn end(&mut self) {
        let at_end = |number: u32| {
            let end = self.source.len() as u32;
            Span { start: end, end, first_line: number.max(1), last_line: number.max(1) }
        };
        if let Some(line) = self.lines.too_long() {
            let span = Span { start: line.start as u32, end: line.start as u32, ..at_end(line.number) };
            let message = format!("a line of {} bytes, with a limit of {}", line.text().len(), lines::MAX_LINE);
            self.diagnostics.push(
                Diagnostic::error("LineTooLong", span, message)
                    .with_hint("continue it on the next line, or put the data into a file and `COPY` it"),
            );
        } else if self.nodes.is_empty() && self.errors == 0 {
            self.diagnostics.push(
                Diagnostic::error(
                    "NoInstructions",
                    at_end(self.lines.number()),
                    "the file is empty: there is no instruction in it",
                )
                .with_expected("at least a `FROM`"),
            );
        }
    }
}

fn takes_heredocs(node: &Node) -> bool {
    let node = match &node.args {
        Args::Trigger(inner) if Keyword::parse(&node.keyword) == Some(Keyword::Onbuild) => inner,
        _ => node,
    };
    !matches!(node.args, Args::Json(_)) && Keyword::parse(&node.keyword).is_some_and(Keyword::takes_heredocs)
}
