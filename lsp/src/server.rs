//! The protocol's questions, each handed to the function that answers it. Knows neither how messages travel nor what is in
//! a Dockerfile.
//!
//! The open documents are kept here, the latest version of each. Who asks gets a version of its own that no edit
//! touches. After an edit the document is *unchecked*; one task checks such documents, one after the other, and tells what
//! it found if the version is still the latest. So while one is checked, any number of edits cost one check more.

mod answer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tower_lsp_server::LanguageServer;
use tower_lsp_server::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp_server::ls_types::{
    CodeActionParams, CodeActionProviderCapability, CodeActionResponse, CompletionOptions, CompletionParams,
    CompletionResponse, DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DocumentFormattingParams, DocumentHighlight, DocumentHighlightParams, DocumentSymbolParams, DocumentSymbolResponse,
    FoldingRange, FoldingRangeParams, FoldingRangeProviderCapability, GotoDefinitionParams, GotoDefinitionResponse,
    Hover, HoverParams, HoverProviderCapability, InitializeParams, InitializeResult, Location, OneOf,
    PrepareRenameResponse, PublishDiagnosticsParams, ReferenceParams, RenameOptions, RenameParams, ServerCapabilities,
    ServerInfo, TextDocumentPositionParams, TextDocumentSyncCapability, TextDocumentSyncKind, TextEdit, Uri,
    WorkDoneProgressOptions, WorkspaceEdit,
};

use crate::connection::notification;
use crate::document::Document;
use crate::navigation::Declaration;
use crate::position::Encoding;
use crate::{completion, diagnostics, format, hover, navigation, outline, rename};
use answer::Snippets;

/// What is kept of a conversation.
pub(crate) struct State {
    documents: Mutex<BTreeMap<Uri, Open>>,
    unchecked: Notify,
    agreed: OnceLock<Agreed>,
    shut_down: AtomicBool,
    client: mpsc::Sender<Value>,
}

/// A document that the client has open.
struct Open {
    version: i32,
    document: Arc<Document>,
    checked: bool,
}

/// What client and server agreed on when they met.
#[derive(Debug, Clone, Copy, Default)]
struct Agreed {
    encoding: Encoding,
    snippets: Snippets,
}

impl State {
    pub fn new(client: mpsc::Sender<Value>) -> Self {
        State {
            documents: Mutex::default(),
            unchecked: Notify::new(),
            agreed: OnceLock::new(),
            shut_down: AtomicBool::new(false),
            client,
        }
    }

    pub fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Relaxed)
    }

    fn agreed(&self) -> Agreed {
        self.agreed.get().copied().unwrap_or_default()
    }

    fn documents(&self) -> MutexGuard<'_, BTreeMap<Uri, Open>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn document(&self, uri: &Uri) -> Option<Arc<Document>> {
        self.documents().get(uri).map(|open| Arc::clone(&open.document))
    }

    fn put(&self, uri: Uri, version: i32, document: Document) {
        self.documents().insert(uri, Open { version, document: Arc::new(document), checked: false });
        self.unchecked.notify_one();
    }

    /// A document that was not looked at since it changed.
    fn next_unchecked(&self) -> Option<(Uri, i32, Arc<Document>)> {
        let mut documents = self.documents();
        let (uri, open) = documents.iter_mut().find(|(_, open)| !open.checked)?;
        open.checked = true;
        Some((uri.clone(), open.version, Arc::clone(&open.document)))
    }

    /// Whether what was found in `document` still is about what the client shows.
    fn is_latest(&self, uri: &Uri, document: &Arc<Document>) -> bool {
        self.documents().get(uri).is_some_and(|open| Arc::ptr_eq(&open.document, document))
    }

    async fn publish(&self, params: PublishDiagnosticsParams) {
        if let Ok(params) = serde_json::to_value(params) {
            // A client that is gone needs to be told nothing.
            let _ = self.client.send(notification("textDocument/publishDiagnostics", params)).await;
        }
    }
}

/// Checks documents whenever there is one to check, until it is aborted.
pub(crate) async fn check_documents(state: Arc<State>) {
    loop {
        state.unchecked.notified().await;
        while let Some((uri, version, document)) = state.next_unchecked() {
            let (checked, its_uri) = (Arc::clone(&document), uri.clone());
            let check = tokio::task::spawn_blocking(move || diagnostics::diagnostics(&checked, &its_uri));
            let Ok(found) = check.await else { continue };
            if state.is_latest(&uri, &document) {
                state.publish(PublishDiagnosticsParams::new(uri, found, Some(version))).await;
            }
        }
    }
}

pub(crate) struct Server {
    state: Arc<State>,
}

impl Server {
    pub fn new(state: Arc<State>) -> Self {
        Server { state }
    }

    /// The document that a question is about, and the place in it.
    fn at(&self, asked: &TextDocumentPositionParams) -> Option<(Arc<Document>, usize)> {
        let document = self.state.document(&asked.text_document.uri)?;
        let offset = document.offset(asked.position);
        Some((document, offset))
    }
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    let triggers = ["-", "=", "$", "{", ","].map(str::to_owned).to_vec();
    let rename =
        RenameOptions { prepare_provider: Some(true), work_done_progress_options: WorkDoneProgressOptions::default() };
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::INCREMENTAL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(triggers),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(rename)),
        document_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
        ..ServerCapabilities::default()
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        let encoding = Encoding::agree(offered);
        let snippets = Snippets::agree(params.capabilities.text_document.as_ref());
        let agreed = self.state.agreed.get_or_init(|| Agreed { encoding, snippets });
        Ok(InitializeResult {
            capabilities: capabilities(agreed.encoding),
            server_info: Some(ServerInfo {
                name: "kiln".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            ..InitializeResult::default()
        })
    }

    async fn shutdown(&self) -> Result<()> {
        self.state.shut_down.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let opened = params.text_document;
        self.state.put(opened.uri, opened.version, Document::new(opened.text, self.state.agreed().encoding));
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let changed = params.text_document;
        if let Some(document) = self.state.document(&changed.uri) {
            self.state.put(changed.uri, changed.version, document.edited(params.content_changes));
        }
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        if self.state.documents().remove(&uri).is_some() {
            self.state.publish(PublishDiagnosticsParams::new(uri, Vec::new(), None)).await;
        }
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let Some((document, offset)) = self.at(&params.text_document_position) else { return Ok(None) };
        let snippets = self.state.agreed().snippets;
        let found = completion::completions(&document, offset).into_iter();
        Ok(Some(CompletionResponse::Array(found.map(|one| answer::completion(&document, one, snippets)).collect())))
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let Some((document, offset)) = self.at(&params.text_document_position_params) else { return Ok(None) };
        Ok(hover::hover(&document, offset).map(|hover| answer::hover(&document, hover)))
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let asked = params.text_document_position_params;
        let Some((document, offset)) = self.at(&asked) else { return Ok(None) };
        let found = navigation::definition(&document, offset);
        let location = found.map(|place| Location::new(asked.text_document.uri, document.range(place)));
        Ok(location.map(GotoDefinitionResponse::Scalar))
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let asked = params.text_document_position;
        let Some((document, offset)) = self.at(&asked) else { return Ok(None) };
        let declaration = if params.context.include_declaration { Declaration::Included } else { Declaration::Left };
        let places = navigation::references(&document, offset, declaration).into_iter();
        let uri = asked.text_document.uri;
        Ok(Some(places.map(|place| Location::new(uri.clone(), document.range(place))).collect()))
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let Some((document, offset)) = self.at(&params.text_document_position_params) else { return Ok(None) };
        let places = navigation::references(&document, offset, Declaration::Included).into_iter();
        Ok(Some(places.map(|place| DocumentHighlight { range: document.range(place), kind: None }).collect()))
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        let Some((document, offset)) = self.at(&params) else { return Ok(None) };
        let target = rename::target(&document, offset);
        Ok(target.map(|place| PrepareRenameResponse::Range(document.range(place))))
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let asked = params.text_document_position;
        let Some((document, offset)) = self.at(&asked) else { return Ok(None) };
        let places = rename::rename(&document, offset, &params.new_name).map_err(refused)?;
        let edits = places.into_iter().map(|place| TextEdit::new(document.range(place), params.new_name.clone()));
        Ok(Some(answer::edit(asked.text_document.uri, edits.collect())))
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let Some(document) = self.state.document(&params.text_document.uri) else { return Ok(None) };
        let entries = outline::outline(&document).into_iter();
        Ok(Some(DocumentSymbolResponse::Nested(entries.map(|entry| answer::symbol(&document, entry)).collect())))
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        let Some(document) = self.state.document(&params.text_document.uri) else { return Ok(None) };
        let folds = outline::folds(&document).into_iter();
        Ok(Some(folds.map(|fold| answer::fold(&document, fold)).collect()))
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let Some(document) = self.state.document(&params.text_document.uri) else { return Ok(None) };
        let edits = format::format(&document).into_iter();
        Ok(Some(edits.map(|(place, text)| TextEdit::new(document.range(place), text)).collect()))
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let uri = params.text_document.uri;
        let Some(document) = self.state.document(&uri) else { return Ok(None) };
        let asked = document.offset(params.range.start)..document.offset(params.range.end);
        Ok(Some(answer::fixes(&document, &uri, &asked)))
    }
}

fn refused(message: String) -> Error {
    Error { code: ErrorCode::InvalidParams, message: message.into(), data: None }
}
