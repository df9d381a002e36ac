//! Streaming a blob: a blocking reader, fed by a task through a bounded channel. Knows no layer and no file.
//!
//! The task downloads, counts and hashes; the reader hands out what passed. A connection that breaks or stalls is
//! replaced by one that asks for the rest (`Range`); a server that cannot do that sends all of it again, and what is
//! known already is dropped. The channel is short, so a slow reader holds the download back, and a reader that is
//! dropped ends it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::endpoint::Endpoint;
use super::error::{RegistryError, Subject};
use super::transport::{Request, Transport, content_length};
use super::{html, text_header};
use crate::manifest::Descriptor;
use crate::network::NetworkError;
use crate::reference::Reference;
use crate::verify::{Verifier, VerifyError};

/// Chunks on their way. One is as long as what a socket gave, some 100 KiB at most.
const IN_FLIGHT: usize = 32;
/// How often one download may begin again, however little each attempt brings.
const MAX_CONNECTIONS: u32 = 100;

/// Reads a blob as it comes. An error is an [`io::Error`] that holds a [`RegistryError`].
pub struct BlobReader {
    chunks: Receiver<Message>,
    chunk: Bytes,
    ended: bool,
}

enum Message {
    Chunk(Bytes),
    End,
    Failed(RegistryError),
}

struct Download {
    transport: Arc<Transport>,
    image: Reference,
    url: String,
    subject: Subject,
    blob: Descriptor,
    /// The byte that comes next.
    at: u64,
    /// Of a blob that is read from its start.
    verifier: Option<Verifier>,
}

/// A connection that has been opened: its response, and how many bytes of it are known already.
struct Opened {
    response: Response,
    skip: u64,
}

pub fn open(
    transport: &Arc<Transport>,
    image: &Reference,
    blob: &Descriptor,
    resume_at: u64,
) -> Result<BlobReader, RegistryError> {
    let endpoint = Endpoint::of(image.registry(), &transport.config.plain_http);
    let download = Download {
        transport: Arc::clone(transport),
        url: endpoint.url(image.repository(), "blobs", &blob.digest.to_string()),
        subject: Subject::new(image).of(blob.digest),
        image: image.clone(),
        at: resume_at.min(blob.size),
        verifier: (resume_at == 0).then(|| Verifier::new(blob.digest, blob.size)),
        blob: blob.clone(),
    };
    let (sender, chunks) = channel(IN_FLIGHT);
    let (download, opened) = transport.run(async move {
        let mut failures = 0;
        download.connect(&mut failures).await.map(|opened| (download, opened))
    })??;
    transport.spawn(download.pump(opened, sender))?;
    Ok(BlobReader { chunks, chunk: Bytes::new(), ended: false })
}

impl Download {
    /// Opens a connection for the rest, trying again as often as allowed.
    async fn connect(&self, failures: &mut u32) -> Result<Opened, RegistryError> {
        loop {
            let request = Request {
                image: &self.image,
                url: self.url.clone(),
                headers: HeaderMap::new(),
                subject: self.subject.clone(),
            };
            match self.transport.send(&request, self.at).await {
                Ok(response) => return self.check(response),
                Err(error) => self.transport.pause_or_give_up(failures, error).await?,
            }
        }
    }

    /// Judges an answer before a byte of its body is read.
    fn check(&self, response: Response) -> Result<Opened, RegistryError> {
        let headers = response.headers();
        let media_type = text_header(headers, "content-type");
        if let Some(page) = html(media_type.as_deref(), b"") {
            return Err(RegistryError::NotARegistry { subject: self.subject.clone(), page });
        }
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let begins_at = if partial { self.at } else { 0 };
        if partial {
            let range = text_header(headers, CONTENT_RANGE.as_str()).unwrap_or_default();
            if !range.starts_with(&format!("bytes {}-", self.at)) {
                let reason = format!("asked for what follows byte {}, the registry sends another part", self.at);
                return Err(RegistryError::BadAnswer { subject: self.subject.clone(), reason });
            }
        }
        match content_length(headers).map(|length| length.saturating_add(begins_at)) {
            Some(got) if got > self.blob.size => {
                Err(self.unverified(VerifyError::TooLong { digest: self.blob.digest, size: self.blob.size }))
            }
            Some(got) if got < self.blob.size => {
                Err(self.unverified(VerifyError::TooShort { digest: self.blob.digest, size: self.blob.size, got }))
            }
            _ => Ok(Opened { response, skip: self.at - begins_at }),
        }
    }

    /// Feeds the reader until the end, an error, or until the reader is gone.
    async fn pump(mut self, mut opened: Opened, sender: Sender<Message>) {
        let (mut failures, mut connections) = (0, 1);
        loop {
            let before = self.at;
            let broken = match self.drain(&mut opened, &sender).await {
                Ok(message) => {
                    let _ = sender.send(message).await; // a reader that is gone needs no end
                    return;
                }
                Err(error) => error,
            };
            if sender.is_closed() {
                return;
            }
            if self.at > before {
                failures = 0;
            }
            connections += 1;
            let again = match self.transport.pause_or_give_up(&mut failures, broken).await {
                Ok(()) if connections <= MAX_CONNECTIONS => self.connect(&mut failures).await,
                Ok(()) => Err(self.broken("it breaks again and again")),
                Err(error) => Err(error),
            };
            match again {
                Ok(new) => opened = new,
                Err(error) => {
                    let _ = sender.send(Message::Failed(error)).await;
                    return;
                }
            }
        }
    }

    /// Hands on one connection's bytes. `Ok` is the last message; an error may pass.
    async fn drain(&mut self, opened: &mut Opened, sender: &Sender<Message>) -> Result<Message, RegistryError> {
        while let Some(mut chunk) = self.transport.chunk(&mut opened.response, &self.subject).await? {
            let known = usize::try_from(opened.skip).unwrap_or(usize::MAX).min(chunk.len());
            opened.skip -= u64::try_from(known).unwrap_or(opened.skip);
            let new = chunk.split_off(known);
            if new.is_empty() {
                continue;
            }
            self.take(&new)?;
            if sender.send(Message::Chunk(new)).await.is_err() {
                return Ok(Message::End);
            }
        }
        self.finish().map(|()| Message::End)
    }

    fn take(&mut self, new: &[u8]) -> Result<(), RegistryError> {
        let more = u64::try_from(new.len()).unwrap_or(u64::MAX);
        let (digest, size) = (self.blob.digest, self.blob.size);
        if more > size - self.at {
            return Err(self.unverified(VerifyError::TooLong { digest, size }));
        }
        if let Some(verifier) = &mut self.verifier {
            let updated = verifier.update(new);
            updated.map_err(|error| self.unverified(error))?;
        }
        self.at += more;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RegistryError> {
        let (digest, size, got) = (self.blob.digest, self.blob.size, self.at);
        if got < size {
            return Err(self.unverified(VerifyError::TooShort { digest, size, got }));
        }
        let judged = self.verifier.as_mut().map_or(Ok(()), Verifier::finish);
        judged.map_err(|error| self.unverified(error))
    }

    fn unverified(&self, source: VerifyError) -> RegistryError {
        RegistryError::Unverified { subject: self.subject.clone(), source }
    }

    fn broken(&self, reason: &str) -> RegistryError {
        RegistryError::Broken { subject: self.subject.clone(), reason: reason.to_owned() }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.chunk.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(Message::Chunk(chunk)) => self.chunk = chunk,
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(error)) => return Err(io::Error::other(error)),
                None => return Err(io::Error::other(RegistryError::from(NetworkError::Stopped))),
            }
        }
        let n = buffer.len().min(self.chunk.len());
        buffer[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}
