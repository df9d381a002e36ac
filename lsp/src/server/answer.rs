//! What the features found, in the protocol's shapes. Decides nothing.

use std::collections::HashMap;
use std::ops::Range;

use tower_lsp_server::ls_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionResponse, CompletionItem, CompletionItemKind,
    DocumentSymbol, Documentation, FoldingRange, Hover, HoverContents, InsertTextFormat, MarkupContent, MarkupKind,
    SymbolKind, TextDocumentClientCapabilities, TextEdit, Uri, WorkspaceEdit,
};

use crate::actions;
use crate::completion::{Completion, CompletionKind};
use crate::diagnostics;
use crate::document::Document;
use crate::outline::{Entry, EntryKind};

/// Whether the client understands text with places to fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Snippets {
    Understood,
    #[default]
    Unknown,
}

impl Snippets {
    pub fn agree(offered: Option<&TextDocumentClientCapabilities>) -> Self {
        let item = offered.and_then(|of| of.completion.as_ref()?.completion_item.as_ref()?.snippet_support);
        if item == Some(true) { Snippets::Understood } else { Snippets::Unknown }
    }
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

pub fn completion(document: &Document, one: Completion, snippets: Snippets) -> CompletionItem {
    let kind = match one.kind {
        CompletionKind::Instruction => CompletionItemKind::KEYWORD,
        CompletionKind::Flag => CompletionItemKind::PROPERTY,
        CompletionKind::Value => CompletionItemKind::VALUE,
        CompletionKind::Stage => CompletionItemKind::MODULE,
        CompletionKind::Variable => CompletionItemKind::VARIABLE,
        CompletionKind::Rule => CompletionItemKind::ENUM_MEMBER,
    };
    let (text, format) = match (one.snippet, snippets) {
        (Some(snippet), Snippets::Understood) => (snippet, InsertTextFormat::SNIPPET),
        (_, Snippets::Understood | Snippets::Unknown) => (one.text, InsertTextFormat::PLAIN_TEXT),
    };
    CompletionItem {
        label: one.label,
        kind: Some(kind),
        detail: one.detail,
        documentation: one.doc.map(|doc| Documentation::MarkupContent(markdown(doc))),
        insert_text_format: Some(format),
        text_edit: Some(TextEdit::new(document.range(one.place), text).into()),
        ..CompletionItem::default()
    }
}

pub fn hover(document: &Document, hover: crate::hover::Hover) -> Hover {
    Hover { contents: HoverContents::Markup(markdown(hover.text)), range: Some(document.range(hover.place)) }
}

pub fn symbol(document: &Document, entry: Entry) -> DocumentSymbol {
    let kind = match entry.kind {
        EntryKind::Stage => SymbolKind::MODULE,
        EntryKind::Variable => SymbolKind::VARIABLE,
        EntryKind::Instruction => SymbolKind::FUNCTION,
    };
    #[expect(deprecated, reason = "the field has to be there")]
    DocumentSymbol {
        name: entry.name,
        detail: Some(entry.detail),
        kind,
        tags: None,
        deprecated: None,
        range: document.range(entry.whole),
        selection_range: document.range(entry.head),
        children: Some(entry.children.into_iter().map(|child| symbol(document, child)).collect()),
    }
}

pub fn fold(document: &Document, fold: Range<usize>) -> FoldingRange {
    let range = document.range(fold);
    FoldingRange { start_line: range.start.line, end_line: range.end.line, ..FoldingRange::default() }
}

/// Edits of one document.
pub fn edit(uri: Uri, edits: Vec<TextEdit>) -> WorkspaceEdit {
    WorkspaceEdit { changes: Some(HashMap::from([(uri, edits)])), ..WorkspaceEdit::default() }
}

/// The ways out of what is wrong at `asked`.
pub fn fixes(document: &Document, uri: &Uri, asked: &Range<usize>) -> CodeActionResponse {
    let touches = |place: Range<usize>| place.start <= asked.end && asked.start <= place.end;
    let found = diagnostics::found(document).into_iter();
    let found = found.filter(|(_, diagnostic)| touches(diagnostics::place(diagnostic)));
    let action = |(severity, diagnostic)| {
        let fix = actions::fix(document, &diagnostic)?;
        let change = TextEdit::new(document.range(fix.place), fix.text);
        Some(CodeActionOrCommand::CodeAction(CodeAction {
            title: fix.title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![diagnostics::told(document, uri, severity, &diagnostic)]),
            edit: Some(edit(uri.clone(), vec![change])),
            is_preferred: Some(true),
            ..CodeAction::default()
        }))
    };
    found.filter_map(action).collect()
}
