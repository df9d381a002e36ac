//! Pulling images from registries (OCI distribution spec). Knows no store, no configuration file and no `$HOME`:
//! what it must know of the world is in [`RegistryConfig`].
//!
//! The interface blocks. Inside runs a small tokio runtime, started by the first request and used from any number of
//! threads; nothing of it shows.
//!
//! How an image is pulled:
//!
//! 1. [`Registry::resolve`] gets the manifest that the name means. If it is an index, the manifest for the wanted
//!    platform is chosen and fetched by its digest. Then the config is fetched. All of these are small, limited, and
//!    checked against their digests before anything of them is believed.
//! 2. [`Registry::blob`] streams a layer. What comes out of the reader has been counted and hashed; a body that is
//!    longer or shorter than promised, or another one, ends in an error. A broken connection is taken up again
//!    where it broke.
//!
//! The parts: `endpoint` (which address, and whether plain HTTP is allowed there), `challenge` and `auth` (who we
//! are), `transport` (one request, with its retries), `blob` (streaming), `credentials` (Docker's `config.json`).

mod auth;
mod blob;
mod challenge;
mod credentials;
mod endpoint;
mod error;
mod transport;

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};

pub use blob::BlobReader;
pub use credentials::{AuthFile, AuthFileError, Credentials, Login, parse_helper_answer};
pub use error::{RegistryError, Subject};

use crate::digest::Digest;
use crate::image::{ImageConfig, MAX_CONFIG};
use crate::manifest::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Document, MAX_MANIFEST, Manifest, OCI_INDEX, OCI_MANIFEST,
};
use crate::network::Network;
use crate::platform::Platform;
use crate::reference::Reference;
use endpoint::Endpoint;
use transport::{Request, Transport};

/// How many indexes may lie one in another.
const MAX_NESTING: usize = 4;

/// Gives the credentials for a registry (`docker.io`, `ghcr.io`, …), if there are any. Asked once per registry, and
/// only when it wants to know who we are. The text of an error reaches the user.
pub type CredentialSource = Box<dyn Fn(&str) -> Result<Option<Credentials>, String> + Send + Sync>;

/// What a [`Registry`] has to know of the world.
pub struct RegistryConfig {
    /// Registries (`host` or `host:port`) that are spoken to in plain HTTP. Those on loopback always may be.
    pub plain_http: BTreeSet<String>,
    pub credentials: CredentialSource,
    pub network: Network,
}

/// A connection to all registries there are.
pub struct Registry {
    transport: Arc<Transport>,
}

/// What an image's name means, for one platform. All of it is verified.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The digest of what lies under the name: the index's where there is one, else the manifest's.
    pub target: Digest,
    /// The manifest as it came, its media type and its digest.
    pub manifest_bytes: Vec<u8>,
    pub media_type: String,
    pub digest: Digest,
    pub manifest: Manifest,
    /// The config as it came. Its platform may be another one than was wanted where the name means a single image.
    pub config_bytes: Vec<u8>,
    pub config: ImageConfig,
    /// Bottom first; as many as the config has diff ids.
    pub layers: Vec<Descriptor>,
}

/// A manifest or an index as it was sent.
struct Fetched {
    bytes: Vec<u8>,
    digest: Digest,
    media_type: Option<String>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { plain_http: BTreeSet::new(), credentials: Box::new(|_| Ok(None)), network: Network::default() }
    }
}

impl Registry {
    /// Opens no connection and starts no thread.
    pub fn new(config: RegistryConfig) -> Self {
        Self { transport: Arc::new(Transport::new(config)) }
    }

    /// Finds out what `image` means for `platform` (for this machine, if there is none).
    pub fn resolve(&self, image: &Reference, platform: Option<&Platform>) -> Result<Resolved, RegistryError> {
        let wanted = platform.map_or_else(Platform::host, Platform::normalized);
        let (transport, image) = (Arc::clone(&self.transport), image.clone());
        self.transport.run(async move { resolve(&transport, &image, &wanted).await })?
    }

    /// The digest that `image` has in its registry now: one small request.
    pub fn digest(&self, image: &Reference) -> Result<Digest, RegistryError> {
        let (transport, image) = (Arc::clone(&self.transport), image.clone());
        self.transport.run(async move {
            let subject = Subject::new(&image);
            Ok(fetch_manifest(&transport, &image, &subject, None).await?.digest)
        })?
    }

    /// Streams a blob of `image`'s repository, from its byte `resume_at` on.
    ///
    /// From the start, the reader verifies the digest. A tail it can only count: its reader checks the whole.
    pub fn blob(&self, image: &Reference, blob: &Descriptor, resume_at: u64) -> Result<BlobReader, RegistryError> {
        blob::open(&self.transport, image, blob, resume_at)
    }
}

async fn resolve(transport: &Arc<Transport>, image: &Reference, wanted: &Platform) -> Result<Resolved, RegistryError> {
    let subject = Subject::new(image);
    let broken = |source| RegistryError::Manifest { subject: subject.clone(), source };
    let mut fetched = fetch_manifest(transport, image, &subject, None).await?;
    let target = fetched.digest;
    for _ in 0..MAX_NESTING {
        match Document::parse(&fetched.bytes, fetched.media_type.as_deref()).map_err(broken)? {
            Document::Index(index) => {
                let chosen = index.choose(fetched.digest, wanted).map_err(broken)?;
                fetched = fetch_manifest(transport, image, &subject, Some(chosen)).await?;
            }
            Document::Manifest(manifest) => {
                return with_config(transport, image, target, fetched, manifest).await;
            }
        }
    }
    Err(RegistryError::TooNested { subject })
}

async fn with_config(
    transport: &Arc<Transport>,
    image: &Reference,
    target: Digest,
    fetched: Fetched,
    manifest: Manifest,
) -> Result<Resolved, RegistryError> {
    let subject = Subject::new(image);
    let broken = |source| RegistryError::Manifest { subject: subject.clone(), source };
    manifest.check_types(fetched.digest).map_err(broken)?;
    let config_bytes = fetch_config(transport, image, &manifest.config).await?;
    let config = ImageConfig::parse(&config_bytes)
        .map_err(|source| RegistryError::Config { subject: subject.clone(), source })?;
    manifest.check_image(fetched.digest, config.rootfs.diff_ids.len()).map_err(broken)?;
    let family = manifest.media_type.clone().or(fetched.media_type).unwrap_or_else(|| OCI_MANIFEST.to_owned());
    Ok(Resolved {
        target,
        digest: fetched.digest,
        manifest_bytes: fetched.bytes,
        media_type: family,
        layers: manifest.layers.clone(),
        manifest,
        config_bytes,
        config,
    })
}

/// Gets the manifest under `image`'s digest or tag, or the `entry` of its index.
async fn fetch_manifest(
    transport: &Arc<Transport>,
    image: &Reference,
    subject: &Subject,
    entry: Option<&Descriptor>,
) -> Result<Fetched, RegistryError> {
    let pinned = entry.map(|entry| entry.digest).or(image.digest());
    let name = pinned.map_or_else(|| image.tag().unwrap_or("latest").to_owned(), |digest| digest.to_string());
    let endpoint = Endpoint::of(image.registry(), &transport.config.plain_http);
    let url = endpoint.url(image.repository(), "manifests", &name);
    let mut headers = HeaderMap::new();
    for media_type in [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST] {
        headers.append(ACCEPT, media_type.parse().expect("a media type is a header value"));
    }
    let subject = pinned.map_or_else(|| subject.clone(), |digest| subject.of(digest));
    let limit = entry.map_or(MAX_MANIFEST, |entry| entry.size.min(MAX_MANIFEST));
    let request = Request { image, url, headers, subject: subject.clone() };
    let (headers, bytes) = transport.small(&request, limit).await?;
    let media_type = text_header(&headers, CONTENT_TYPE.as_str());
    if let Some(page) = html(media_type.as_deref(), &bytes) {
        return Err(RegistryError::NotARegistry { subject, page });
    }
    let digest = Digest::of(&bytes);
    let said = text_header(&headers, "docker-content-digest").and_then(|said| said.parse::<Digest>().ok());
    if let Some(expected) = pinned.or(said)
        && expected != digest
    {
        return Err(RegistryError::WrongDigest { subject, expected, got: digest });
    }
    Ok(Fetched { bytes: bytes.to_vec(), digest, media_type })
}

async fn fetch_config(
    transport: &Arc<Transport>,
    image: &Reference,
    config: &Descriptor,
) -> Result<Vec<u8>, RegistryError> {
    let subject = Subject::new(image).of(config.digest);
    if config.size > MAX_CONFIG {
        return Err(RegistryError::TooLong { subject, limit: MAX_CONFIG });
    }
    let endpoint = Endpoint::of(image.registry(), &transport.config.plain_http);
    let url = endpoint.url(image.repository(), "blobs", &config.digest.to_string());
    let request = Request { image, url, headers: HeaderMap::new(), subject: subject.clone() };
    let (_, bytes) = transport.small(&request, config.size).await?;
    let got = Digest::of(&bytes);
    if got != config.digest {
        return Err(RegistryError::WrongDigest { subject, expected: config.digest, got });
    }
    Ok(bytes.to_vec())
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The beginning of an HTML page, if that is what was sent: a log-in portal or a web site, not a registry.
fn html(media_type: Option<&str>, bytes: &[u8]) -> Option<String> {
    let start: String = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim().chars().take(60).collect();
    let is_html = media_type.is_some_and(|name| name.starts_with("text/html")) || start.starts_with('<');
    is_html.then(|| start.lines().next().unwrap_or("").to_owned())
}

#[cfg(test)]
mod tests;
