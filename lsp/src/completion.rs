//! What can be written at a place: instructions, flags and their values, options of mounts, stages, variables, directives.
//!
//! The place says what kind of thing is wanted ([`cursor::site`]). What there is of it, the parser's tables and the
//! document's index tell; what is said of each is on the instruction's page.

mod directives;
mod snippets;

use std::ops::Range;

use parser::Keyword;
use parser::instruction::flags::{self, Takes};
use parser::instruction::mount::{self, MountOption};
use parser::instruction::{MountKind, Network, Security, Sharing};

use crate::cursor::{self, Line, Part, Site};
use crate::document::Document;
use crate::index::{Definition, Kind};
use crate::pages;

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub kind: CompletionKind,
    /// What it replaces.
    pub place: Range<usize>,
    pub text: String,
    /// The same with `${1:…}` for what is still to be written.
    pub snippet: Option<String>,
    pub detail: Option<String>,
    /// In Markdown.
    pub doc: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    Instruction,
    Flag,
    Value,
    Stage,
    Variable,
    Rule,
}

/// More proposals are not made.
const MAX_PROPOSALS: usize = 1000;

/// Platforms that images are commonly made for.
const PLATFORMS: [&str; 8] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
];

/// What can be written at `offset`.
pub fn completions(document: &Document, offset: usize) -> Vec<Completion> {
    match cursor::site(document, offset) {
        Site::Blank => instructions(offset..offset, &Keyword::ALL),
        Site::Comment => directives::completions(document, offset, directives::Where::Above),
        Site::Directive => directives::completions(document, offset, directives::Where::Top),
        Site::Heredoc => Vec::new(),
        Site::Instruction(line) => {
            let wanted = Wanted { document, offset, line: &line };
            wanted.completions()
        }
    }
}

impl Completion {
    fn new(kind: CompletionKind, label: impl Into<String>, place: Range<usize>) -> Self {
        let label = label.into();
        Completion { kind, place, text: label.clone(), label, snippet: None, detail: None, doc: None }
    }

    fn with_doc(mut self, doc: Option<String>) -> Self {
        self.doc = doc;
        self
    }
}

fn instructions(place: Range<usize>, keywords: &[Keyword]) -> Vec<Completion> {
    let instruction = |keyword: &Keyword| Completion {
        text: format!("{} ", keyword.as_str()),
        snippet: Some(snippets::of(*keyword).to_owned()),
        doc: Some(pages::summary(*keyword).to_owned()),
        ..Completion::new(CompletionKind::Instruction, keyword.as_str(), place.clone())
    };
    keywords.iter().map(instruction).collect()
}

/// A place in an instruction.
struct Wanted<'d> {
    document: &'d Document,
    offset: usize,
    line: &'d Line,
}

impl Wanted<'_> {
    fn completions(&self) -> Vec<Completion> {
        let text = &self.line.logical.text;
        if !matches!(self.line.part, Part::Keyword(_) | Part::Nothing)
            && let Some(name) = cursor::variable(text, self.line.at)
        {
            return self.variables(&name);
        }
        match (&self.line.part, self.line.keyword) {
            (Part::Nothing, _) => Vec::new(),
            (Part::Keyword(word), _) => self.instructions(word),
            (_, None) => Vec::new(),
            (Part::Flag(word), Some(keyword)) => self.flags(keyword, word),
            (Part::FlagValue { flag, value }, Some(keyword)) => self.flag_values(keyword, &text[flag.clone()], value),
            (Part::MountOption { kind, name }, Some(_)) => self.mount_options(*kind, name),
            (Part::MountValue { name, value, .. }, Some(_)) => self.mount_values(&text[name.clone()], value),
            (Part::Argument { index, word }, Some(keyword)) => self.arguments(keyword, *index, word),
        }
    }

    /// What to replace; it must be in one line.
    fn place(&self, part: &Range<usize>) -> Range<usize> {
        if part.is_empty() {
            return self.offset..self.offset;
        }
        let place = self.line.logical.range(part.clone());
        let is_here = place.start <= self.offset && !self.document.slice(place.clone()).contains('\n');
        if is_here { place } else { self.offset..self.offset }
    }

    fn instructions(&self, word: &Range<usize>) -> Vec<Completion> {
        // What is not the line's first word is what an `ONBUILD` holds.
        let in_trigger = |keyword: &Keyword| !matches!(keyword, Keyword::From | Keyword::Maintainer | Keyword::Onbuild);
        let keywords: Vec<Keyword> =
            Keyword::ALL.into_iter().filter(|known| word.start == 0 || in_trigger(known)).collect();
        instructions(self.place(word), &keywords)
    }

    fn flags(&self, keyword: Keyword, word: &Range<usize>) -> Vec<Completion> {
        let text = &self.line.logical.text;
        let others: Vec<&str> =
            cursor::words(text, 0).into_iter().filter(|other| other != word).map(|w| &text[w]).collect();
        let is_given = |name: &str| {
            let is_it =
                |word: &&str| word.strip_prefix("--").is_some_and(|given| given.split('=').next() == Some(name));
            others.iter().any(is_it)
        };
        let wanted = flags::of(keyword).iter().filter(|flag| flag.takes == Takes::Values || !is_given(flag.name));
        let flag = |flag: &flags::Flag| {
            let dashed = format!("--{}", flag.name);
            let doc = pages::item(keyword, &dashed);
            let mut completion = Completion::new(CompletionKind::Flag, dashed, self.place(word)).with_doc(doc);
            if flag.takes != Takes::Switch && !text[word.end..].starts_with('=') {
                completion.text.push('=');
            }
            completion
        };
        wanted.map(flag).collect()
    }

    fn flag_values(&self, keyword: Keyword, flag: &str, value: &Range<usize>) -> Vec<Completion> {
        let takes =
            flags::of(keyword).iter().find(|known| flag.strip_prefix("--") == Some(known.name)).map(|f| f.takes);
        match (flag, takes) {
            (_, None) => Vec::new(),
            (_, Some(Takes::Switch)) => self.values(["true", "false"], value),
            ("--from", Some(_)) => self.stages(value),
            ("--network", Some(_)) => self.values(Network::ALL.map(Network::as_str), value),
            ("--security", Some(_)) => self.values(Security::ALL.map(Security::as_str), value),
            ("--platform", Some(_)) => {
                self.values(["$BUILDPLATFORM", "$TARGETPLATFORM"].into_iter().chain(PLATFORMS), value)
            }
            (_, Some(Takes::Value | Takes::Values)) => Vec::new(),
        }
    }

    fn values<'v>(&self, values: impl IntoIterator<Item = &'v str>, place: &Range<usize>) -> Vec<Completion> {
        let value = |value: &'v str| Completion::new(CompletionKind::Value, value, self.place(place));
        values.into_iter().map(value).collect()
    }

    fn mount_options(&self, kind: MountKind, name: &Range<usize>) -> Vec<Completion> {
        let text = &self.line.logical.text;
        let holds_name = |word: &Range<usize>| word.start <= name.start && name.end <= word.end;
        let flag = cursor::words(text, 0).into_iter().find(holds_name).unwrap_or(name.clone());
        let fields = cursor::fields(text, (flag.start + "--mount=".len()).min(flag.end)..flag.end);
        let given = |option: &MountOption| {
            let is_it = |field: &Range<usize>| {
                let key = text[field.clone()].split('=').next().unwrap_or_default().to_lowercase();
                field.start != name.start && option.names.contains(&key.as_str())
            };
            fields.iter().any(is_it)
        };
        let wanted = mount::OPTIONS.iter().filter(|option| option.kinds.contains(&kind) && !given(option));
        let option = |option: &MountOption| {
            let name_of = option.names[0];
            let doc = pages::item(Keyword::Run, name_of);
            let mut completion = Completion::new(CompletionKind::Flag, name_of, self.place(name)).with_doc(doc);
            if option.takes != Takes::Switch && !text[name.end..].starts_with('=') {
                completion.text.push('=');
            }
            completion
        };
        wanted.map(option).collect()
    }

    fn mount_values(&self, name: &str, value: &Range<usize>) -> Vec<Completion> {
        let name = name.to_lowercase();
        let Some(option) = MountOption::named(&name) else { return Vec::new() };
        match option.names[0] {
            "type" => {
                let said = |kind: MountKind| pages::item(Keyword::Run, &format!("type={}", kind.as_str()));
                let kind = |kind: MountKind| {
                    Completion::new(CompletionKind::Value, kind.as_str(), self.place(value)).with_doc(said(kind))
                };
                MountKind::ALL.map(kind).to_vec()
            }
            "sharing" => self.values(Sharing::ALL.map(Sharing::as_str), value),
            "from" => self.stages(value),
            _ if option.takes == Takes::Switch => self.values(["true", "false"], value),
            _ => Vec::new(),
        }
    }

    fn arguments(&self, keyword: Keyword, index: usize, word: &Range<usize>) -> Vec<Completion> {
        match (keyword, index) {
            (Keyword::From, 0) => {
                let mut completions = self.stages(word);
                completions.extend(self.values(["scratch"], word));
                completions
            }
            (Keyword::From, 1) => self.values(["AS"], word),
            (Keyword::Healthcheck, 0) => self.values(["CMD", "NONE"], word),
            (Keyword::Arg, _) => self.declarable(word),
            _ => Vec::new(),
        }
    }

    /// The stages above that have a name.
    fn stages(&self, place: &Range<usize>) -> Vec<Completion> {
        let file = self.document.dockerfile();
        let above = file.stages.iter().zip(&self.document.index().stages);
        // The stage that the place is in cannot name itself.
        let own = self.document.index().stage_at(self.offset);
        let is_from = self.line.keyword == Some(Keyword::From);
        let above = above.enumerate().filter(|(at, (_, entry))| {
            let is_own = Some(*at) == own && (!is_from || entry.head.end >= self.offset);
            entry.head.start < self.offset && !is_own
        });
        let stage = |(_, (stage, _)): (usize, (&parser::Stage, _))| {
            let name = stage.name.as_deref()?;
            Some(Completion {
                detail: Some(stage.head.source.to_string()),
                doc: stage.doc.as_deref().map(str::to_owned),
                ..Completion::new(CompletionKind::Stage, name, self.place(place))
            })
        };
        above.filter_map(stage).take(MAX_PROPOSALS).collect()
    }

    /// The variables that are known here.
    fn variables(&self, name: &Range<usize>) -> Vec<Completion> {
        let index = self.document.index();
        let is_global = self.line.keyword == Some(Keyword::From) || index.stage_at(self.offset).is_none();
        let known = if is_global { index.globals(self.offset) } else { index.visible(self.offset) };
        let known = known.into_iter().take(MAX_PROPOSALS);
        let mut completions: Vec<Completion> = known.map(|definition| self.variable(definition, name)).collect();
        if is_global {
            completions.extend(self.predefined(name));
        }
        completions
    }

    /// What an `ARG` of a stage can bring into it.
    fn declarable(&self, word: &Range<usize>) -> Vec<Completion> {
        let index = self.document.index();
        if self.line.logical.text[word.clone()].contains('=') || index.stage_at(self.offset).is_none() {
            return Vec::new();
        }
        let globals = index.globals(self.offset).into_iter().take(MAX_PROPOSALS);
        let globals = globals.map(|definition| self.variable(definition, word));
        globals.chain(self.predefined(word)).collect()
    }

    fn predefined(&self, place: &Range<usize>) -> impl Iterator<Item = Completion> {
        let place = self.place(place);
        pages::names(Keyword::Arg, "## Predefined").into_iter().map(move |name| {
            Completion::new(CompletionKind::Variable, name, place.clone()).with_doc(pages::item(Keyword::Arg, name))
        })
    }

    fn variable(&self, definition: &Definition, place: &Range<usize>) -> Completion {
        let kind = match definition.kind {
            Kind::Arg => Keyword::Arg,
            Kind::Env => Keyword::Env,
        };
        let value = definition.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
        Completion {
            detail: Some(format!("{} {}{value}", kind.as_str(), definition.name)),
            doc: definition.doc.as_deref().map(str::to_owned),
            ..Completion::new(CompletionKind::Variable, definition.name.as_str(), self.place(place))
        }
    }
}

#[cfg(test)]
mod tests;
