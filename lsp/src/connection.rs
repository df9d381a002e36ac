//! How messages travel: JSON behind a header that says how long it is, on two streams. Knows no feature.
//!
//! Messages are answered one after the other, in their order: each takes milliseconds, so there is nothing to overtake, and
//! an edit is made before the next question is read. Only diagnostics are worked out beside that (see `server`). What is
//! no JSON, or no message, is answered with an error, and reading goes on behind it.
//!
//! The transport of `tower_lsp_server` ends at the first message that is no JSON, so this stands in its place.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tower_lsp_server::LspService;
use tower_lsp_server::jsonrpc::{Error, Id, Request, Response};
use tower_service::Service;

use crate::server::{self, Server, State};

/// More bytes than a file of the largest size that is read takes in JSON.
const MAX_MESSAGE: usize = 128 << 20;
const MAX_HEADER: u64 = 8 << 10;
/// Answers that wait for a client to read them.
const MAX_WAITING: usize = 64;

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client asked for it, in the order that the protocol has.
    Asked,
    /// The input ended, or the client left without a word.
    Abrupt,
}

/// Serves one client until it leaves.
pub async fn serve<I, O>(mut input: I, output: O) -> Ending
where
    I: AsyncBufRead + Unpin,
    O: AsyncWrite + Unpin + Send + 'static,
{
    let (sender, answers) = mpsc::channel(MAX_WAITING);
    let writer = tokio::spawn(write(answers, output));
    let state = Arc::new(State::new(sender.clone()));
    let checker = tokio::spawn(server::check_documents(Arc::clone(&state)));
    let (mut service, _) = LspService::new(|_| Server::new(Arc::clone(&state)));
    let ending = loop {
        let answer = match read(&mut input).await {
            Ok(Some(Frame::Message(message))) => match request(&message) {
                Ok(Some(request)) => {
                    let exits = request.method() == "exit";
                    let answer = call(&mut service, request).await;
                    if exits {
                        break if state.was_shut_down() { Ending::Asked } else { Ending::Abrupt };
                    }
                    answer
                }
                Ok(None) => None,
                Err(error) => Some(Response::from_error(Id::Null, error)),
            },
            Ok(Some(Frame::Unreadable)) => Some(Response::from_error(Id::Null, Error::parse_error())),
            Ok(None) | Err(_) => break Ending::Abrupt,
        };
        if let Some(answer) = answer.and_then(|answer| serde_json::to_value(answer).ok())
            && sender.send(answer).await.is_err()
        {
            break Ending::Abrupt;
        }
    };
    // What is written already is to be seen; the writer ends with the last of those who send.
    checker.abort();
    let _ = checker.await;
    drop((service, state, sender));
    let _ = writer.await;
    ending
}

async fn call(service: &mut LspService<Server>, request: Request) -> Option<Response> {
    poll_fn(|context| service.poll_ready(context)).await.ok()?;
    service.call(request).await.ok().flatten()
}

/// A question or a notification; nothing is an answer, which nobody waits for.
fn request(message: &[u8]) -> Result<Option<Request>, Error> {
    let message: Value = serde_json::from_slice(message).map_err(|_| Error::parse_error())?;
    if message.get("method").is_some() {
        return serde_json::from_value(message).map(Some).map_err(|_| Error::invalid_request());
    }
    if message.get("id").is_some() { Ok(None) } else { Err(Error::invalid_request()) }
}

/// A notification to the client.
pub(crate) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

enum Frame {
    Message(Vec<u8>),
    /// A header without a length; what follows it is taken for the next one.
    Unreadable,
}

/// The next message; `None` at the end of the input.
async fn read(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut length = None;
    let mut is_first = true;
    loop {
        let mut line = Vec::new();
        let count = (&mut *input).take(MAX_HEADER).read_until(b'\n', &mut line).await?;
        if count == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() && is_first {
            continue;
        }
        is_first = false;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let Some(length) = length.filter(|length| *length <= MAX_MESSAGE) else { return Ok(Some(Frame::Unreadable)) };
    let mut message = Vec::new();
    // Grows with what comes, whatever the header promised.
    let count = (&mut *input).take(length as u64).read_to_end(&mut message).await?;
    Ok((count == length).then_some(Frame::Message(message)))
}

async fn write(mut answers: mpsc::Receiver<Value>, mut output: impl AsyncWrite + Unpin) {
    while let Some(answer) = answers.recv().await {
        let text = answer.to_string();
        let message = format!("Content-Length: {}\r\n\r\n{text}", text.len());
        if output.write_all(message.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
