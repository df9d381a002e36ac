//! One request to a registry: sent, authorised, judged by its status, and tried again if that may help. Knows no
//! manifest.
//!
//! A request that fails in passing (no
//! connection, a broken or stalled one, 5xx, 429) is repeated after a pause that doubles. Redirects are followed by
//! the client, ten at most, never from HTTPS to plain HTTP; it takes the authorisation off when the host changes.

use std::collections::BTreeSet;
use std::future::Future;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use tokio::time::{sleep, timeout};

use super::auth::Answers;
use super::challenge;
use super::endpoint::is_allowed;
use super::error::{RegistryError, Subject};
use super::{RegistryConfig, html, text_header};
use crate::network::{Engine, MAX_REDIRECTS, causes, clean};
use crate::reference::Reference;

const MAX_ERROR_BODY: u64 = 64 << 10;

/// The client and everything it has learnt.
pub struct Transport {
    pub config: RegistryConfig,
    answers: Answers,
    engine: Engine,
}

/// One GET.
pub struct Request<'a> {
    pub image: &'a Reference,
    pub url: String,
    pub headers: HeaderMap,
    pub subject: Subject,
}

impl Transport {
    pub fn new(config: RegistryConfig) -> Self {
        let plain_http = config.plain_http.clone();
        let engine = Engine::new(config.network.clone(), move || redirects(plain_http.clone()));
        Self { config, answers: Answers::default(), engine }
    }

    /// Runs `work` on the runtime's threads, and waits for it on this one.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, RegistryError> {
        Ok(self.engine.run(work)?)
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), RegistryError> {
        Ok(self.engine.spawn(work)?)
    }

    pub fn client(&self) -> Result<Client, RegistryError> {
        Ok(self.engine.client()?)
    }

    /// Gets a small body whole, of `limit` bytes at most.
    pub async fn small(&self, request: &Request<'_>, limit: u64) -> Result<(HeaderMap, Bytes), RegistryError> {
        let mut failures = 0;
        loop {
            let attempt = async {
                let mut response = self.send(request, 0).await?;
                let body = self.body(&mut response, &request.subject, limit).await?;
                Ok((response.headers().clone(), body))
            };
            match attempt.await {
                Err(error) => self.pause_or_give_up(&mut failures, error).await?,
                done => return done,
            }
        }
    }

    /// Sends a request for what begins at byte `from`. The answer is 200, or 206 if `from` is not 0.
    pub async fn send(&self, request: &Request<'_>, from: u64) -> Result<Response, RegistryError> {
        let client = self.client()?;
        let mut authorization = self.answers.current(request).await;
        for last in [false, true] {
            let mut builder = client.get(&request.url).headers(request.headers.clone());
            if from > 0 {
                builder = builder.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(value) = &authorization {
                builder = builder.header(AUTHORIZATION, value.clone());
            }
            let response = self.execute(builder, &request.subject).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::PARTIAL_CONTENT if from > 0 => return Ok(response),
                StatusCode::UNAUTHORIZED if !last => {
                    let asked = response.headers().get_all(WWW_AUTHENTICATE);
                    let asked = challenge::parse(asked.iter().filter_map(|value| value.to_str().ok()));
                    let Some(asked) = asked else { return Err(self.refusal(response, request).await) };
                    let used = authorization.as_ref();
                    authorization = self.answers.renew(self, request, &asked, used).await?;
                    if authorization.is_none() {
                        return Err(RegistryError::LoginNeeded { subject: request.subject.clone() });
                    }
                }
                _ => return Err(self.refusal(response, request).await),
            }
        }
        Err(RegistryError::Denied { subject: request.subject.clone(), reason: String::new() })
    }

    pub async fn execute(&self, builder: RequestBuilder, subject: &Subject) -> Result<Response, RegistryError> {
        match timeout(self.config.network.stall, builder.send()).await {
            Ok(sent) => sent.map_err(|error| client_error(subject, error)),
            Err(_) => Err(self.stalled(subject)),
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub async fn chunk(&self, response: &mut Response, subject: &Subject) -> Result<Option<Bytes>, RegistryError> {
        match timeout(self.config.network.stall, response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| client_error(subject, error)),
            Err(_) => Err(self.stalled(subject)),
        }
    }

    /// The whole body, of `limit` bytes at most.
    pub async fn body(&self, response: &mut Response, subject: &Subject, limit: u64) -> Result<Bytes, RegistryError> {
        let too_long = || RegistryError::TooLong { subject: subject.clone(), limit };
        if content_length(response.headers()).is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk(response, subject).await? {
            let length = u64::try_from(all.len() + chunk.len()).unwrap_or(u64::MAX);
            if length > limit {
                return Err(too_long());
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// Waits before the next attempt; gives `error` back if there is none.
    pub async fn pause_or_give_up(&self, failures: &mut u32, error: RegistryError) -> Result<(), RegistryError> {
        let Some(pause) = self.config.network.pause(*failures).filter(|_| error.is_passing()) else {
            return Err(error);
        };
        tracing::debug!(%error, attempt = *failures + 1, "trying again");
        sleep(pause).await;
        *failures += 1;
        Ok(())
    }

    /// What an answer that is not a success means.
    pub async fn refusal(&self, mut response: Response, request: &Request<'_>) -> RegistryError {
        let subject = request.subject.clone();
        let status = response.status();
        let media_type = text_header(response.headers(), "content-type");
        let body = self.body(&mut response, &subject, MAX_ERROR_BODY).await.unwrap_or_default();
        let page = html(media_type.as_deref(), &body);
        let reason = if page.is_some() { String::new() } else { said(&body) };
        match status {
            StatusCode::UNAUTHORIZED if !self.answers.has_credentials(request) && reason.is_empty() => {
                RegistryError::LoginNeeded { subject }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Denied { subject, reason },
            StatusCode::NOT_FOUND => RegistryError::NotFound { subject, reason },
            StatusCode::TOO_MANY_REQUESTS => RegistryError::TooMany { subject, reason },
            other => RegistryError::Refused { subject, status: other.as_u16(), reason },
        }
    }

    fn stalled(&self, subject: &Subject) -> RegistryError {
        RegistryError::Stalled { subject: subject.clone(), seconds: self.config.network.stall.as_secs() }
    }
}

/// Ten at most, and none that takes the encryption away.
fn redirects(plain_http: BTreeSet<String>) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        let was_encrypted = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
        if !is_allowed(attempt.url(), &plain_http) || (was_encrypted && attempt.url().scheme() != "https") {
            return attempt.error("a redirect leads to plain HTTP");
        }
        attempt.follow()
    })
}

pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    text_header(headers, CONTENT_LENGTH.as_str())?.parse().ok()
}

fn client_error(subject: &Subject, error: reqwest::Error) -> RegistryError {
    let error = error.without_url(); // which may hold a signature
    let (subject, reason) = (subject.clone(), causes(&error));
    if error.is_redirect() || error.is_builder() {
        RegistryError::BadAnswer { subject, reason }
    } else if error.is_connect() {
        RegistryError::Unreachable { subject, reason }
    } else {
        RegistryError::Broken { subject, reason }
    }
}

/// What the registry says in an error's body (distribution spec, *Error codes*), fit to be shown.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<Fault>,
        #[serde(default)]
        details: String,
    }
    #[derive(serde::Deserialize)]
    struct Fault {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(answer) = serde_json::from_slice::<Errors>(body) else { return clean(&String::from_utf8_lossy(body)) };
    match answer.errors.first() {
        Some(Fault { code, message }) if message.is_empty() => clean(code),
        Some(Fault { code, message }) => clean(&format!("{}: {message}", code.to_lowercase().replace('_', " "))),
        None => clean(&answer.details),
    }
}
