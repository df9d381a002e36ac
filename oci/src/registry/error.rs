//! Why a registry did not give what was asked of it. Every error says which image, and of which blob of it.

use std::fmt;

use crate::digest::Digest;
use crate::image::ConfigError;
use crate::manifest::ManifestError;
use crate::network::NetworkError;
use crate::reference::Reference;
use crate::verify::VerifyError;

/// What was asked for: an image, or a blob of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Box<Named>); // boxed, to keep errors small

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    image: String,
    registry: String,
    digest: Option<Digest>,
}

impl Subject {
    pub(super) fn new(image: &Reference) -> Self {
        Self(Box::new(Named { image: image.familiar(), registry: image.registry().to_owned(), digest: None }))
    }

    /// A blob of the same image.
    #[must_use]
    pub(super) fn of(&self, digest: Digest) -> Self {
        Self(Box::new(Named { digest: Some(digest), ..(*self.0).clone() }))
    }

    pub fn registry(&self) -> &str {
        &self.0.registry
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { image, digest, .. } = &*self.0;
        match digest.filter(|digest| !image.ends_with(&digest.to_string())) {
            Some(digest) => write!(f, "`{digest}` of `{image}`"),
            None => write!(f, "`{image}`"),
        }
    }
}

/// Why a registry did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot get {subject}: no connection to `{}`: {reason}", .subject.0.registry)]
    Unreachable { subject: Subject, reason: String },
    #[error(
        "cannot get {subject}: `{}` wants to know who asks\n\
         hint: log in with `docker login {}`", .subject.0.registry, .subject.0.registry
    )]
    LoginNeeded { subject: Subject },
    #[error(
        "cannot get {subject}: `{}` denies access{}\n\
         hint: the repository may not exist, or may need a login: `docker login {}`",
        .subject.0.registry, detail(.reason), .subject.0.registry
    )]
    Denied { subject: Subject, reason: String },
    #[error("cannot get {subject}: the credentials for `{}` cannot be had: {reason}", .subject.0.registry)]
    Credentials { subject: Subject, reason: String },
    #[error("cannot get {subject}: `{}` does not have it{}", .subject.0.registry, detail(.reason))]
    NotFound { subject: Subject, reason: String },
    #[error("cannot get {subject}: `{}` answers {status}{}", .subject.0.registry, detail(.reason))]
    Refused { subject: Subject, status: u16, reason: String },
    #[error(
        "cannot get {subject}: `{}` allows no more requests for now{}\n\
         hint: try again later, or log in with `docker login {}`",
        .subject.0.registry, detail(.reason), .subject.0.registry
    )]
    TooMany { subject: Subject, reason: String },
    #[error(
        "cannot get {subject}: `{}` sends a web page, and is no registry or hides behind a log-in page (`{page}`)",
        .subject.0.registry
    )]
    NotARegistry { subject: Subject, page: String },
    #[error("cannot get {subject}: {reason}")]
    BadAnswer { subject: Subject, reason: String },
    #[error("cannot get {subject}: what is sent is longer than {limit} bytes")]
    TooLong { subject: Subject, limit: u64 },
    #[error("cannot get {subject}: nothing came from `{}` for {seconds} seconds", .subject.0.registry)]
    Stalled { subject: Subject, seconds: u64 },
    #[error("cannot get {subject}: the connection to `{}` broke: {reason}", .subject.0.registry)]
    Broken { subject: Subject, reason: String },
    #[error("{subject} has other contents: expected `{expected}`, got `{got}`")]
    WrongDigest { subject: Subject, expected: Digest, got: Digest },
    #[error("{subject} is not what its manifest says: {source}")]
    Unverified { subject: Subject, source: VerifyError },
    #[error("cannot use {subject}: {source}")]
    Manifest { subject: Subject, source: ManifestError },
    #[error("cannot use {subject}: {source}")]
    Config { subject: Subject, source: ConfigError },
    #[error("cannot use {subject}: too many indexes lie one in another")]
    TooNested { subject: Subject },
}

impl RegistryError {
    /// Whether the same request may succeed when it is made again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stalled { .. } | Self::Broken { .. } | Self::TooMany { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Network(_)
            | Self::LoginNeeded { .. }
            | Self::Denied { .. }
            | Self::Credentials { .. }
            | Self::NotFound { .. }
            | Self::NotARegistry { .. }
            | Self::BadAnswer { .. }
            | Self::TooLong { .. }
            | Self::WrongDigest { .. }
            | Self::Unverified { .. }
            | Self::Manifest { .. }
            | Self::Config { .. }
            | Self::TooNested { .. } => false,
        }
    }
}

fn detail(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
