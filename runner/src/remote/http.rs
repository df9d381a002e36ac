//! A file of an HTTP server as a layer with that file in it. Knows no archive: what it holds is its users' business.
//!
//! 1. A file that must have a checksum is looked for by it. Where it is here, its server is not asked.
//! 2. What the server told last time goes with the question, so that a file that has not changed is not sent.
//! 3. A file that is sent goes to the disk as it comes, and is hashed on its way.
//!
//! A record names the layer by the file's checksum, name, mode and owner. What the server told is noted by the address.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cache::CacheKey;
use graph::Manifest;
use oci::time::parse_http_date;
use oci::web::{Answer, Body, Get, Told, WebError, redacted};
use oci::{ContentDigest, Digest, LayerId};
use rustix::fs::{Timespec, Timestamps};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use solver::port::{Failure, TaskId, Update};

use super::{Remotes, lock};
use crate::executor::fail;

/// As BuildKit has it.
const DEFAULT_MODE: u32 = 0o600;
const DEFAULT_NAME: &str = "download";
/// Bytes between two reports of progress.
const REPORT: u64 = 256 << 10;

/// The file that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct HttpFile<'a> {
    pub url: &'a str,
    pub checksum: Option<Digest>,
    /// What it is to be called; as the server or the address says when absent.
    pub name: Option<&'a str>,
    pub mode: Option<u32>,
    pub owner: (u32, u32),
}

/// A layer with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub layer: LayerId,
    pub name: String,
}

/// What is kept of a file by its address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    etag: Option<String>,
    last_modified: Option<String>,
    settled: bool,
    /// As the server or the address calls it.
    name: String,
    checksum: String,
}

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("digest mismatch for {url}: {found} (expected: {expected})")]
    Checksum { url: String, found: Digest, expected: Digest },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("canceled")]
    Canceled,
}

impl Remotes {
    /// The layer that holds `file`.
    pub fn http(&self, file: HttpFile<'_>, task: TaskId) -> Result<Fetched, Failure> {
        if let (Some(checksum), Some(name)) = (file.checksum, file.name)
            && let Some(fetched) = self.file_here(file, checksum, &safe(name))?
        {
            return Ok(fetched);
        }
        let id = note_id(file.url);
        let locked = self.store.lock_key(&CacheKey(id), &mut || !self.cancel.is_canceled()).map_err(fail)?;
        let Some(_alone) = locked else { return Err(Failure::Canceled) };
        if let Some(note) = lock(&self.files).get(file.url).cloned()
            && let Some(fetched) = self.noted(file, &note)?
        {
            return Ok(fetched);
        }
        let known: Option<Note> = self.store.remote_note(&id).and_then(|note| serde_json::from_slice(&note).ok());
        let known = match known {
            Some(note) => self.noted(file, &note).ok().flatten().map(|fetched| (note, fetched)),
            None => None,
        };
        let attempt = || self.attempt(file, known.as_ref(), task);
        let (note, fetched) = self.web.persist(attempt, web_error).map_err(failure)?;
        let bytes = serde_json::to_vec(&note).map_err(fail)?;
        self.store.set_remote_note(&id, &bytes).map_err(fail)?;
        lock(&self.files).insert(file.url.to_owned(), note);
        Ok(fetched)
    }

    /// [`Remotes::http`], and the time that the server tells of the file.
    pub(super) fn http_modified(&self, file: HttpFile<'_>, task: TaskId) -> Result<(Fetched, Option<i64>), Failure> {
        // What is here under its checksum tells no time, and so its server is asked all the same.
        let fetched = self.http(HttpFile { checksum: None, ..file }, task)?;
        let Some(note) = lock(&self.files).get(file.url).cloned() else { return Ok((fetched, None)) };
        if let Ok(found) = note.checksum.parse() {
            check(file, found).map_err(failure_of)?;
        }
        Ok((fetched, note.last_modified.as_deref().and_then(parse_http_date)))
    }

    /// The layer that `file` came to when it was last asked for.
    pub(super) fn http_remembered(&self, file: HttpFile<'_>) -> Result<Option<LayerId>, Failure> {
        if let (Some(checksum), Some(name)) = (file.checksum, file.name)
            && let Some(fetched) = self.file_here(file, checksum, &safe(name))?
        {
            return Ok(Some(fetched.layer));
        }
        let note = self.store.remote_note(&note_id(file.url)).and_then(|note| serde_json::from_slice(&note).ok());
        let Some(note) = note else { return Ok(None) };
        Ok(self.noted(file, &note).ok().flatten().map(|fetched| fetched.layer))
    }

    /// The layer of what `note` is of; `None` where it is not here.
    fn noted(&self, file: HttpFile<'_>, note: &Note) -> Result<Option<Fetched>, Failure> {
        let Ok(checksum) = note.checksum.parse::<Digest>() else { return Ok(None) };
        check(file, checksum).map_err(failure_of)?;
        let name = file.name.map_or_else(|| note.name.clone(), safe);
        self.file_here(file, checksum, &name)
    }

    fn file_here(&self, file: HttpFile<'_>, checksum: Digest, name: &str) -> Result<Option<Fetched>, Failure> {
        let layer = self.recorded(&key(file, checksum, name))?;
        Ok(layer.map(|layer| Fetched { layer, name: name.to_owned() }))
    }

    /// Asks once.
    fn attempt(
        &self,
        file: HttpFile<'_>,
        known: Option<&(Note, Fetched)>,
        task: TaskId,
    ) -> Result<(Note, Fetched), Attempt> {
        let told = known.map(|(note, _)| note.told());
        let authorization = self.authorization(file.url);
        let get = Get { url: file.url, known: told.as_ref(), authorization: authorization.as_deref() };
        match (self.web.get(get).map_err(HttpError::from)?, known) {
            (Answer::File(told, body), _) => self.take(file, &told, body, task),
            (Answer::Unchanged, Some(known)) => Ok(known.clone()),
            // Nothing was said to be known, so this is no answer.
            (Answer::Unchanged, None) => {
                Err(HttpError::from(WebError::Status { url: redacted(file.url), status: 304 }).into())
            }
        }
    }

    /// Takes in a file that is sent.
    fn take(&self, file: HttpFile<'_>, told: &Told, body: Body<'_>, task: TaskId) -> Result<(Note, Fetched), Attempt> {
        let called = server_name(file.url, told.disposition.as_deref());
        let name = file.name.map_or_else(|| called.clone(), safe);
        let ingest = self.store.ingest().map_err(fail)?;
        let path = ingest.fs().join(&name);
        let checksum = self.download(body, &path, task)?;
        check(file, checksum)?;
        let modified = told.last_modified.as_deref().and_then(parse_http_date).unwrap_or(0);
        finish(&path, file, modified).map_err(|source| HttpError::Write { path: path.clone(), source })?;
        let layer = self.commit(ingest, &key(file, checksum, &name), &format!("GET {}", redacted(file.url)))?;
        let note = Note {
            etag: told.etag.clone(),
            last_modified: told.last_modified.clone(),
            settled: told.settled,
            name: called,
            checksum: checksum.to_string(),
        };
        Ok((note, Fetched { layer, name }))
    }

    fn download(&self, mut body: Body<'_>, path: &Path, task: TaskId) -> Result<Digest, HttpError> {
        let write = |source| HttpError::Write { path: path.to_owned(), source };
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(write)?;
        let (mut hasher, total) = (Sha256::new(), body.length());
        let (mut current, mut reported) = (0, 0);
        let report = |current| self.progress.update(task, Update::Bytes { what: "downloading", current, total });
        while let Some(chunk) = body.chunk()? {
            if self.cancel.is_canceled() {
                return Err(HttpError::Canceled);
            }
            hasher.update(&chunk);
            out.write_all(&chunk).map_err(write)?;
            current += chunk.len() as u64;
            if current - reported >= REPORT {
                reported = current;
                report(current);
            }
        }
        report(current);
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// The secrets `HTTP_AUTH_HEADER_<host>` and `HTTP_AUTH_TOKEN_<host>`, the token first.
    fn authorization(&self, url: &str) -> Option<String> {
        let (_, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let text = |name: &str| {
            self.secret(&format!("{name}{host}")).map(|secret| String::from_utf8_lossy(secret).trim_end().to_owned())
        };
        text("HTTP_AUTH_TOKEN_").map(|token| format!("Bearer {token}")).or_else(|| text("HTTP_AUTH_HEADER_"))
    }
}

impl Note {
    fn told(&self) -> Told {
        Told {
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
            settled: self.settled,
            disposition: None,
        }
    }
}

/// Why an attempt failed: on its way, or here.
enum Attempt {
    There(HttpError),
    Here(Failure),
}

impl From<HttpError> for Attempt {
    fn from(error: HttpError) -> Self {
        Self::There(error)
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

fn web_error(attempt: &Attempt) -> Option<&WebError> {
    match attempt {
        Attempt::There(HttpError::Web(error)) => Some(error),
        Attempt::There(_) | Attempt::Here(_) => None,
    }
}

fn failure(attempt: Attempt) -> Failure {
    match attempt {
        Attempt::There(error) => failure_of(error),
        Attempt::Here(failure) => failure,
    }
}

fn failure_of(error: HttpError) -> Failure {
    match error {
        HttpError::Canceled => Failure::Canceled,
        other => fail(other),
    }
}

fn check(file: HttpFile<'_>, found: Digest) -> Result<(), HttpError> {
    match file.checksum {
        Some(expected) if expected != found => Err(HttpError::Checksum { url: redacted(file.url), found, expected }),
        _ => Ok(()),
    }
}

/// Where it is noted what was told of the file at an address.
fn note_id(url: &str) -> ContentDigest {
    ContentDigest::of(format!("http\0{url}").as_bytes())
}

/// What the layer is known by.
fn key(file: HttpFile<'_>, checksum: Digest, name: &str) -> Manifest {
    let mut key = Manifest::default();
    key.push("version", graph::VERSION);
    key.push("op", "http file");
    key.push("checksum", checksum.to_string());
    key.push("name", name);
    key.push("mode", format!("{:o}", file.mode.unwrap_or(DEFAULT_MODE)));
    key.push("uid", file.owner.0.to_string());
    key.push("gid", file.owner.1.to_string());
    key
}

/// Gives a downloaded file its mode, owner and time.
fn finish(path: &Path, file: HttpFile<'_>, modified: i64) -> io::Result<()> {
    let out = File::options().write(true).open(path)?;
    crate::owner::set_open(&out, file.owner.0, file.owner.1)?;
    out.set_permissions(fs::Permissions::from_mode(file.mode.unwrap_or(DEFAULT_MODE) & 0o7777))?;
    let time = Timespec { tv_sec: modified, tv_nsec: 0 };
    Ok(rustix::fs::futimens(&out, &Timestamps { last_access: time, last_modification: time })?)
}

/// What the server calls a file, else the last part of its address's path.
fn server_name(url: &str, disposition: Option<&str>) -> String {
    let named = disposition.and_then(disposition_name).filter(|name| !name.is_empty() && !name.ends_with('/'));
    named.map_or_else(|| safe(url_name(url)), |name| safe(&name))
}

fn url_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    path.split_once('/').map_or("", |(_, path)| path)
}

/// `filename` of `attachment; filename="x"` (RFC 6266).
fn disposition_name(text: &str) -> Option<String> {
    let (_, parameters) = text.split_once(';')?;
    let (_, value) = parameters
        .split(';')
        .filter_map(|field| field.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("filename"))?;
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(quoted.map_or_else(|| value.to_owned(), |quoted| quoted.replace("\\\"", "\"")))
}

/// A name for a file in a directory: the last part of `text`, if that is a name.
fn safe(text: &str) -> String {
    let name = text.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
    if is_name { name.to_owned() } else { DEFAULT_NAME.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let table = [
            ("https://h/a/b.tar?x#y", None, "b.tar"),
            ("https://h/a/", None, "a"),
            ("https://h", None, "download"),
            ("https://h/..", None, "download"),
            ("https://h/a", Some("attachment; filename=\"c d.txt\""), "c d.txt"),
            ("https://h/a", Some("attachment; x=1; FileName=e"), "e"),
            ("https://h/a", Some("attachment; filename=\"../../etc/passwd\""), "passwd"),
            ("https://h/a", Some("attachment; filename=\"..\""), "download"),
            ("https://h/a", Some("attachment; filename=\"x/\""), "a"),
            ("https://h/a", Some("inline"), "a"),
            ("https://h/a", Some("attachment; filename=\"a\u{7}\""), "download"),
        ];
        for (url, disposition, expected) in table {
            assert_eq!(server_name(url, disposition), expected, "{url} {disposition:?}");
        }
    }
}
