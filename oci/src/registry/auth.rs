//! Telling a registry who asks: answers challenges, and remembers the answers. Knows no manifest and no blob.
//!
//! Nothing is sent before the registry asks. Then basic credentials go to the registry itself, or are changed for a
//! token at the place that the registry names. Answers are kept per repository, as tokens are made for one; one that
//! has expired is asked for anew. Of several threads that are refused at once, one asks and the others wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::challenge::Challenge;
use super::credentials::{Credentials, basic};
use super::endpoint::is_allowed;
use super::error::RegistryError;
use super::transport::{Request, Transport};

const MAX_TOKEN_ANSWER: u64 = 1 << 20;

type Slot = Arc<tokio::sync::Mutex<Option<HeaderValue>>>;

/// What was answered so far, by registry and repository.
#[derive(Default)]
pub struct Answers {
    slots: Mutex<BTreeMap<(String, String), Slot>>,
    credentials: Mutex<BTreeMap<String, Option<Credentials>>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Answers {
    /// The `Authorization` to send without being asked.
    pub async fn current(&self, request: &Request<'_>) -> Option<HeaderValue> {
        self.slot(request).lock().await.clone()
    }

    /// The `Authorization` that answers `challenge`, after `used` was refused. `None` if we are nobody there.
    pub async fn renew(
        &self,
        transport: &Transport,
        request: &Request<'_>,
        challenge: &Challenge,
        used: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let slot = self.slot(request);
        let mut answer = slot.lock().await;
        if answer.as_ref() != used {
            return Ok(answer.clone()); // another thread has asked meanwhile
        }
        let credentials = self.credentials(transport, request)?;
        let new = match challenge {
            Challenge::Basic => match &credentials {
                Some(Credentials::Password { username, password }) => {
                    Some(authorization(request, "Basic", &basic(username, password))?)
                }
                Some(Credentials::IdentityToken(_) | Credentials::RegistryToken(_)) | None => None,
            },
            Challenge::Bearer { realm, service, scope } => {
                let token = match &credentials {
                    Some(Credentials::RegistryToken(token)) => token.clone(),
                    _ => {
                        let place = token_place(transport, request, realm, service.as_deref(), scope.as_deref())?;
                        fetch_token(transport, request, place, credentials.as_ref()).await?
                    }
                };
                Some(authorization(request, "Bearer", &token)?)
            }
        };
        answer.clone_from(&new);
        Ok(new)
    }

    /// Whether anybody has credentials for the request's registry.
    pub fn has_credentials(&self, request: &Request<'_>) -> bool {
        let known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(request.image.registry()).is_some_and(Option::is_some)
    }

    fn credentials(&self, transport: &Transport, request: &Request<'_>) -> Result<Option<Credentials>, RegistryError> {
        let registry = request.image.registry();
        if let Some(known) = self.credentials.lock().unwrap_or_else(PoisonError::into_inner).get(registry) {
            return Ok(known.clone());
        }
        // A helper may take seconds, and may be a program that asks the user.
        let found = tokio::task::block_in_place(|| (transport.config.credentials)(registry))
            .map_err(|reason| RegistryError::Credentials { subject: request.subject.clone(), reason })?;
        let mut known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(registry.to_owned(), found.clone());
        Ok(found)
    }

    fn slot(&self, request: &Request<'_>) -> Slot {
        let key = (request.image.registry().to_owned(), request.image.repository().to_owned());
        Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

/// Where a token is to be had, and what for.
struct TokenPlace {
    url: Url,
    service: Option<String>,
    scope: String,
}

fn token_place(
    transport: &Transport,
    request: &Request<'_>,
    realm: &str,
    service: Option<&str>,
    scope: Option<&str>,
) -> Result<TokenPlace, RegistryError> {
    let bad = |reason: String| RegistryError::BadAnswer { subject: request.subject.clone(), reason };
    let shown: String = realm.chars().take(200).collect();
    let url: Url = realm.parse().map_err(|_| bad(format!("the token address `{shown}` is no URL")))?;
    if !is_allowed(&url, &transport.config.plain_http) {
        return Err(bad(format!("the token address `{shown}` is not encrypted, and not on loopback")));
    }
    let scope = scope.map_or_else(|| format!("repository:{}:pull", request.image.repository()), str::to_owned);
    Ok(TokenPlace { url, service: service.map(str::to_owned), scope })
}

async fn fetch_token(
    transport: &Transport,
    request: &Request<'_>,
    place: TokenPlace,
    credentials: Option<&Credentials>,
) -> Result<String, RegistryError> {
    let TokenPlace { mut url, service, scope } = place;
    let service = service.as_deref().map(|service| ("service", service));
    let client = transport.client()?;
    let builder = match credentials {
        Some(Credentials::IdentityToken(token)) => {
            let fields = [("grant_type", "refresh_token"), ("client_id", "kiln"), ("refresh_token", token)];
            let mut form = Url::parse("form:").expect("a constant URL");
            form.query_pairs_mut().extend_pairs(fields).extend_pairs(service).append_pair("scope", &scope);
            client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or("").to_owned())
        }
        Some(Credentials::Password { username, password }) => {
            url.query_pairs_mut().append_pair("account", username).extend_pairs(service).append_pair("scope", &scope);
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, authorization(request, "Basic", &basic(username, password))?);
            client.get(url).headers(headers)
        }
        Some(Credentials::RegistryToken(_)) | None => {
            url.query_pairs_mut().extend_pairs(service).append_pair("scope", &scope);
            client.get(url)
        }
    };
    let mut response = transport.execute(builder, &request.subject).await?;
    if !response.status().is_success() {
        return Err(transport.refusal(response, request).await);
    }
    let body = transport.body(&mut response, &request.subject, MAX_TOKEN_ANSWER).await?;
    let answer: Option<TokenAnswer> = serde_json::from_slice(&body).ok();
    answer.and_then(|answer| answer.token.or(answer.access_token)).filter(|token| !token.is_empty()).ok_or_else(|| {
        let reason = "what came from the token address holds no token".to_owned();
        RegistryError::BadAnswer { subject: request.subject.clone(), reason }
    })
}

fn authorization(request: &Request<'_>, scheme: &str, value: &str) -> Result<HeaderValue, RegistryError> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).map_err(|_| RegistryError::BadAnswer {
        subject: request.subject.clone(),
        reason: "a token that cannot stand in a header was sent".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}
