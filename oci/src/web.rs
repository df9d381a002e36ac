//! Files of HTTP servers: a GET, asked so that a file known already need not be sent again. Knows no store.
//!
//! The interface blocks. A body is read chunk by chunk; one that ends before the length that was promised is an error.
//! Redirects are followed, ten at most. What may succeed when it is tried again is tried again from its start
//! ([`Web::persist`]): a second later, the file need not be the same.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Response, StatusCode, Url, redirect};
use tokio::time::timeout;

use crate::network::{Engine, MAX_REDIRECTS, Network, NetworkError, causes};
use crate::time::parse_http_date;

/// A file that was changed less than so many seconds before it was sent may change again within the same second.
const SETTLED: i64 = 60;

/// A client for files.
pub struct Web {
    engine: Engine,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Get<'a> {
    pub url: &'a str,
    /// What was told of the file that is known.
    pub known: Option<&'a Told>,
    /// The header of that name.
    pub authorization: Option<&'a str>,
}

/// What a server tells of a file beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// The file had not changed for a while when it was sent, so that `last_modified` tells it from others.
    pub settled: bool,
    /// `Content-Disposition`
    pub disposition: Option<String>,
}

#[allow(clippy::large_enum_variant)] // there is one at a time
pub enum Answer<'a> {
    /// The file is still the known one.
    Unchanged,
    File(Told, Body<'a>),
}

/// A file on its way.
pub struct Body<'a> {
    web: &'a Web,
    url: &'a str,
    response: Response,
}

/// Why a file cannot be had. URLs are told without the password in them.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot get `{url}`: it is no address: {reason}")]
    Url { url: String, reason: String },
    #[error("cannot get `{url}`: no connection: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("cannot get `{url}`: invalid response status {status}")]
    Status { url: String, status: u16 },
    #[error("cannot get `{url}`: {reason}")]
    Redirected { url: String, reason: String },
    #[error("cannot get `{url}`: the connection broke before its end: {reason}")]
    Broken { url: String, reason: String },
    #[error("cannot get `{url}`: nothing came for {seconds} seconds")]
    Stalled { url: String, seconds: u64 },
    #[error("cannot get `{url}`: what authorises us holds a control character")]
    Authorization { url: String },
}

impl WebError {
    /// Whether the same may succeed when it is tried again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Network(_) | Self::Url { .. } | Self::Redirected { .. } | Self::Authorization { .. } => false,
        }
    }
}

impl Web {
    /// Opens no connection and starts no thread.
    pub fn new(network: Network) -> Self {
        let redirects = || {
            redirect::Policy::custom(|attempt| match attempt.previous().len() > MAX_REDIRECTS {
                true => attempt.error("too many redirects"),
                false => attempt.follow(),
            })
        };
        Self { engine: Engine::new(network, redirects) }
    }

    /// Asks for a file. Its bytes are still to be read.
    pub fn get<'a>(&'a self, get: Get<'a>) -> Result<Answer<'a>, WebError> {
        let shown = || redacted(get.url);
        let url: Url = get.url.parse().map_err(|error| WebError::Url { url: shown(), reason: format!("{error}") })?;
        let mut request = self.engine.client()?.get(url).headers(conditions(get.known));
        if let Some(value) = get.authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| WebError::Authorization { url: shown() })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let stall = self.engine.network().stall;
        let response = match self.engine.wait(async { timeout(stall, request.send()).await })? {
            Ok(sent) => sent.map_err(|error| failure(get.url, error))?,
            Err(_) => return Err(self.stalled(get.url)),
        };
        match response.status() {
            StatusCode::NOT_MODIFIED if get.known.is_some() => Ok(Answer::Unchanged),
            status if status.is_success() => {
                let told = told(response.headers());
                // There are servers that send the same file again, whatever they were asked.
                if get.known.is_some_and(|known| known.has_tag_of(&told)) {
                    return Ok(Answer::Unchanged);
                }
                Ok(Answer::File(told, Body { web: self, url: get.url, response }))
            }
            status => Err(WebError::Status { url: shown(), status: status.as_u16() }),
        }
    }

    /// Tries until it succeeds, or fails in a way that does not pass, or has failed often enough.
    pub fn persist<T, E>(
        &self,
        mut attempt: impl FnMut() -> Result<T, E>,
        web_error: impl Fn(&E) -> Option<&WebError>,
    ) -> Result<T, E> {
        let mut failures = 0;
        loop {
            let error = match attempt() {
                Err(error) => error,
                done => return done,
            };
            let passing = web_error(&error).is_some_and(WebError::is_passing);
            let Some(pause) = self.engine.network().pause(failures).filter(|_| passing) else { return Err(error) };
            std::thread::sleep(pause);
            failures += 1;
        }
    }

    fn stalled(&self, url: &str) -> WebError {
        WebError::Stalled { url: redacted(url), seconds: self.engine.network().stall.as_secs() }
    }
}

impl Told {
    fn has_tag_of(&self, other: &Self) -> bool {
        let tag = |told: &Self| told.etag.as_deref().map(|tag| tag.trim_start_matches("W/").to_owned());
        tag(self).is_some_and(|ours| tag(other) == Some(ours))
    }
}

impl Body<'_> {
    /// How many bytes are to come, where that was told.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    pub fn chunk(&mut self) -> Result<Option<Bytes>, WebError> {
        let stall = self.web.engine.network().stall;
        match self.web.engine.wait(async { timeout(stall, self.response.chunk()).await })? {
            Ok(chunk) => chunk.map_err(|error| failure(self.url, error)),
            Err(_) => Err(self.web.stalled(self.url)),
        }
    }
}

/// `url` with all that its user is called by and lets him in put out of sight.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(host_end);
    match authority.rsplit_once('@') {
        None => url.to_owned(),
        Some((user, host)) if user.contains(':') => format!("{scheme}://xxxxx:xxxxx@{host}{path}"),
        Some((_, host)) => format!("{scheme}://xxxxx@{host}{path}"),
    }
}

fn conditions(known: Option<&Told>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(known) = known else { return headers };
    let value = |text: &Option<String>| text.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
    if let Some(etag) = value(&known.etag) {
        headers.insert(IF_NONE_MATCH, etag);
    } else if let Some(date) = value(&known.last_modified).filter(|_| known.settled) {
        headers.insert(IF_MODIFIED_SINCE, date);
    }
    headers
}

fn told(headers: &HeaderMap) -> Told {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (last_modified, now) = (text("last-modified"), text("date"));
    let second = |text: &Option<String>| text.as_deref().and_then(parse_http_date);
    let settled = second(&last_modified).zip(second(&now)).is_some_and(|(then, now)| now - then >= SETTLED);
    Told { etag: text("etag"), last_modified, settled, disposition: text("content-disposition") }
}

fn failure(url: &str, error: reqwest::Error) -> WebError {
    let error = error.without_url();
    let (url, reason) = (redacted(url), causes(&error));
    if error.is_builder() {
        WebError::Url { url, reason }
    } else if error.is_redirect() {
        WebError::Redirected { url, reason }
    } else if error.is_connect() {
        WebError::Unreachable { url, reason }
    } else {
        WebError::Broken { url, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_not_shown() {
        for (url, expected) in [
            ("https://h/p?a@b", "https://h/p?a@b"),
            ("https://u:p@h:1/p", "https://xxxxx:xxxxx@h:1/p"),
            ("https://token@h/p", "https://xxxxx@h/p"),
            ("https://u:p@x@h", "https://xxxxx:xxxxx@h"),
            ("git@h:p", "git@h:p"),
        ] {
            assert_eq!(redacted(url), expected);
        }
    }

    #[test]
    fn a_date_is_asked_with_only_where_it_tells_contents_apart() {
        let headers = |date: &str| {
            let pairs = [("date", "Sun, 06 Nov 1994 08:50:00 GMT"), ("last-modified", date)];
            pairs.into_iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect::<HeaderMap>()
        };
        let old = told(&headers("Sun, 06 Nov 1994 08:49:00 GMT"));
        assert_eq!(conditions(Some(&old)).get(IF_MODIFIED_SINCE).unwrap(), "Sun, 06 Nov 1994 08:49:00 GMT");
        assert!(conditions(Some(&told(&headers("Sun, 06 Nov 1994 08:49:37 GMT")))).is_empty());
        let tagged = Told { etag: Some("\"x\"".to_owned()), ..old };
        assert_eq!(conditions(Some(&tagged)).keys().collect::<Vec<_>>(), [&IF_NONE_MATCH]);
    }
}
