//! Credentials, and how Docker keeps them: `config.json` and the answers of credential helpers. Pure: finds no file
//! and runs no helper.
//!
//! `config.json` names, for a registry, a helper of its own (`credHelpers`), one for all (`credsStore`), or holds
//! base64 of `user:password` (`auths`); [`AuthFile::logins`] gives them in this order. Keys are written in many ways
//! (`ghcr.io`, `https://ghcr.io/v1/`); Docker Hub's is `https://index.docker.io/v1/`.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use serde::Deserialize;

const HUB: &str = "docker.io";
const HUB_KEY: &str = "https://index.docker.io/v1/";
const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Who we are, for one registry. Its `Debug` form tells no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    Password {
        username: String,
        password: String,
    },
    /// What a registry gave at log-in, to be exchanged for tokens (OAuth2's refresh token).
    IdentityToken(String),
    /// A token for the registry itself.
    RegistryToken(String),
}

/// A place that has credentials for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    Credentials(Credentials),
    /// Ask `docker-credential-<name> get`, giving it `server` on its standard input.
    Helper {
        name: String,
        server: String,
    },
}

/// Docker's `config.json`, as far as it is about logging in.
#[derive(Debug, Clone, Default)]
pub struct AuthFile {
    auths: BTreeMap<String, Credentials>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Why a `config.json`, or what a helper answers, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    #[error("it is not valid: {0}")]
    Json(#[from] JsonFault),
    #[error("the entry of `{registry}` holds no base64 of `user:password`")]
    Entry { registry: String },
    #[error("`{name}` is no name of a credential helper")]
    HelperName { name: String },
}

/// Where JSON is wrong, without the wrong text, which may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("unexpected JSON in line {line}, column {column}")]
pub struct JsonFault {
    line: usize,
    column: usize,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username:?}, …)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Self::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}

impl AuthFile {
    /// Reads the text of a `config.json`.
    pub fn parse(text: &str) -> Result<Self, AuthFileError> {
        let raw: RawFile = serde_json::from_str(text).map_err(JsonFault::from)?;
        let mut auths = BTreeMap::new();
        for (registry, entry) in raw.auths.unwrap_or_default() {
            if let Some(credentials) = entry.credentials(&registry)? {
                auths.insert(host_of(&registry), credentials);
            }
        }
        let helpers = raw.cred_helpers.unwrap_or_default();
        let helpers: BTreeMap<String, String> =
            helpers.into_iter().map(|(registry, name)| (host_of(&registry), name)).collect();
        let store = raw.creds_store.filter(|name| !name.is_empty());
        match helpers.values().chain(&store).find(|name| !is_helper_name(name)) {
            Some(name) => Err(AuthFileError::HelperName { name: name.chars().take(100).collect() }),
            None => Ok(Self { auths, helpers, store }),
        }
    }

    /// The places that may have credentials for `registry`, the first to be asked first.
    pub fn logins(&self, registry: &str) -> Vec<Login> {
        let server = if registry == HUB { HUB_KEY } else { registry };
        let own_helper = self.helpers.get(registry);
        let helper = own_helper.or(self.store.as_ref());
        let helper = helper.map(|name| Login::Helper { name: name.clone(), server: server.to_owned() });
        let inline = self.auths.get(registry).cloned().map(Login::Credentials);
        helper.into_iter().chain(inline).collect()
    }
}

/// Reads what a credential helper wrote to its standard output.
pub fn parse_helper_answer(text: &str) -> Result<Credentials, AuthFileError> {
    let answer: HelperAnswer = serde_json::from_str(text).map_err(JsonFault::from)?;
    Ok(match answer.username.as_str() {
        "<token>" => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Password { username: answer.username, password: answer.secret },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    auths: Option<BTreeMap<String, RawEntry>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl RawEntry {
    fn credentials(self, registry: &str) -> Result<Option<Credentials>, AuthFileError> {
        let bad = || AuthFileError::Entry { registry: registry.chars().take(100).collect() };
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken)));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registrytoken)));
        }
        if !self.auth.is_empty() {
            let decoded = lenient_base64().decode(self.auth.trim()).map_err(|_| bad())?;
            let text = String::from_utf8(decoded).map_err(|_| bad())?;
            let (username, password) = text.split_once(':').ok_or_else(bad)?;
            let password = password.trim_end_matches('\0').to_owned();
            return Ok(Some(Credentials::Password { username: username.to_owned(), password }));
        }
        if self.username.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials::Password { username: self.username, password: self.password }))
    }
}

impl From<serde_json::Error> for JsonFault {
    fn from(error: serde_json::Error) -> Self {
        Self { line: error.line(), column: error.column() }
    }
}

/// Base64 of `user:password`, for `Authorization: Basic`.
pub(super) fn basic(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}"))
}

/// People write these entries by hand and leave the `=` off.
fn lenient_base64() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
}

fn host_of(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = key.split('/').next().unwrap_or(key);
    if HUB_HOSTS.contains(&host) { HUB.to_owned() } else { host.to_owned() }
}

fn is_helper_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Login {
        Login::Credentials(Credentials::Password { username: username.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn the_file_is_read_as_docker_writes_it() {
        let file = AuthFile::parse(
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2Vj"},"ghcr.io":{"auth":"bWU6YTpi"},
                "quay.io":{},"reg:5000":{"username":"u","password":"p"},"id.io":{"identitytoken":"t"}},
                "credHelpers":{"gcr.io":"gcloud"},"HttpHeaders":{},"detachKeys":"x"}"#,
        )
        .unwrap();
        assert_eq!(file.logins("docker.io"), [password("me", "sec")]);
        assert_eq!(file.logins("ghcr.io"), [password("me", "a:b")]);
        assert_eq!(file.logins("reg:5000"), [password("u", "p")]);
        assert_eq!(file.logins("id.io"), [Login::Credentials(Credentials::IdentityToken("t".to_owned()))]);
        assert_eq!(file.logins("gcr.io"), [Login::Helper { name: "gcloud".to_owned(), server: "gcr.io".to_owned() }]);
        assert_eq!(file.logins("quay.io"), []);
    }

    #[test]
    fn a_store_is_asked_before_the_file() {
        let file = AuthFile::parse(r#"{"auths":{"docker.io":{"auth":"bWU6c2Vj"}},"credsStore":"pass"}"#).unwrap();
        let helper = Login::Helper { name: "pass".to_owned(), server: HUB_KEY.to_owned() };
        assert_eq!(file.logins("docker.io"), [helper, password("me", "sec")]);
    }

    #[test]
    fn errors_and_debug_forms_tell_no_secret() {
        for text in [
            r#"{"auths":{"a":{"auth":"c2VjcmV0"}}}"#,
            r#"{"auths":{"a":{"auth":"!secret"}}}"#,
            r#"{"auths":"secret"}"#,
            r#"{"credsStore":"../secret"}"#,
        ] {
            let error = AuthFile::parse(text).unwrap_err();
            assert!(!format!("{error}").contains("secret") || text.contains("credsStore"), "{error}");
        }
        let file = AuthFile::parse(r#"{"auths":{"a":{"auth":"bWU6aHVzaA=="}}}"#).unwrap();
        assert!(!format!("{file:?}").contains("hush"));
    }

    #[test]
    fn a_helper_answers_with_a_password_or_a_token() {
        let token = parse_helper_answer(r#"{"ServerURL":"x","Username":"<token>","Secret":"t"}"#).unwrap();
        assert_eq!(token, Credentials::IdentityToken("t".to_owned()));
        assert!(parse_helper_answer("credentials not found").is_err());
    }
}
