//! The HTTP client that registries and plain downloads share: its runtime, its proxies, its patience. Knows no
//! registry and no file.
//!
//! Runtime and client are made for the first request. What blocks, blocks outside of the runtime's threads.

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, NoProxy, Proxy, redirect};
use tokio::runtime::Runtime;

pub(crate) const MAX_REDIRECTS: usize = 10;
const CONNECT: Duration = Duration::from_secs(10);

/// What a client has to know of the world.
#[derive(Debug, Clone)]
pub struct Network {
    /// Proxies for `http:` and `https:` addresses, as URLs, and the hosts that are reached without (as in `no_proxy`).
    pub http_proxy: Option<String>,
    pub https_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub user_agent: String,
    /// How long nothing may come before a connection counts as broken. There is no limit on a whole transfer.
    pub stall: Duration,
    /// How often a failed request is tried again, and the pause before the first time; it doubles each time.
    pub retries: u32,
    pub pause: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("cannot start the network threads: {source}")]
    Start { source: std::io::Error },
    #[error("cannot set up the HTTP client: {reason}")]
    Client { reason: String },
    #[error("the network threads ended before the answer came")]
    Stopped,
}

/// A client and the threads it runs on, made when first needed.
pub(crate) struct Engine {
    network: Network,
    redirects: Box<dyn Fn() -> redirect::Policy + Send + Sync>,
    running: Mutex<Option<Running>>,
}

#[derive(Clone)]
struct Running {
    runtime: Arc<Threads>,
    client: Client,
}

/// The runtime, which must not wait for its tasks when it goes: it may go on one of its own threads.
struct Threads(Option<Runtime>);

impl Default for Network {
    fn default() -> Self {
        Self {
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
            stall: Duration::from_secs(30),
            retries: 4,
            pause: Duration::from_millis(250),
        }
    }
}

impl Network {
    /// The pause before the next attempt, when `failures` have been; `None` when there is to be none.
    pub(crate) fn pause(&self, failures: u32) -> Option<Duration> {
        (failures < self.retries).then(|| self.pause.saturating_mul(1 << failures.min(6)))
    }
}

impl Engine {
    pub fn new(network: Network, redirects: impl Fn() -> redirect::Policy + Send + Sync + 'static) -> Self {
        Self { network, redirects: Box::new(redirects), running: Mutex::new(None) }
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Runs `work` on the runtime's threads, and waits for it on this one.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, NetworkError> {
        let (done, result) = std::sync::mpsc::sync_channel(1);
        self.spawn(async move {
            let _ = done.send(work.await); // nobody waits any more: nothing to tell
        })?;
        result.recv().map_err(|_| NetworkError::Stopped)
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), NetworkError> {
        if let Some(runtime) = &self.running()?.runtime.0 {
            runtime.spawn(work);
        }
        Ok(())
    }

    /// Waits for `work` on this thread, which must not be one of the runtime's.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, NetworkError> {
        match &self.running()?.runtime.0 {
            Some(runtime) => Ok(runtime.block_on(work)),
            None => Err(NetworkError::Stopped),
        }
    }

    pub fn client(&self) -> Result<Client, NetworkError> {
        Ok(self.running()?.client)
    }

    fn running(&self) -> Result<Running, NetworkError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.clone());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("network")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| NetworkError::Start { source })?;
        let client = client(&self.network, &self.redirects)?;
        let new = Running { runtime: Arc::new(Threads(Some(runtime))), client };
        Ok(running.insert(new).clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn client(network: &Network, redirects: &dyn Fn() -> redirect::Policy) -> Result<Client, NetworkError> {
    // An error here says that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bad = |error: reqwest::Error| NetworkError::Client { reason: causes(&error) };
    match builder(network, redirects())?.build() {
        // A machine without certificates can still talk to a server on loopback.
        Err(error) => {
            tracing::warn!(reason = causes(&error), "no certificates are known: HTTPS will not work");
            builder(network, redirects())?.tls_certs_only([]).build().map_err(bad)
        }
        built => built.map_err(bad),
    }
}

fn builder(network: &Network, redirects: redirect::Policy) -> Result<ClientBuilder, NetworkError> {
    let loopback = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let mut builder = Client::builder()
        .no_proxy()
        .user_agent(&network.user_agent)
        .connect_timeout(CONNECT.min(network.stall))
        .redirect(redirects)
        .referer(false)
        .resolve_to_addrs("localhost", &loopback); // whatever a name server says
    let no_proxy = network.no_proxy.as_deref().unwrap_or("");
    let no_proxy = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{no_proxy}"));
    let proxies = [network.http_proxy.as_ref().map(Proxy::http), network.https_proxy.as_ref().map(Proxy::https)];
    for proxy in proxies.into_iter().flatten() {
        let proxy = proxy.map_err(|error| NetworkError::Client { reason: causes(&error) })?;
        builder = builder.proxy(proxy.no_proxy(no_proxy.clone()));
    }
    Ok(builder)
}

/// The innermost causes say what happened; the outer ones only where.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut reasons = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        reasons.push(inner.to_string());
        cause = inner.source();
    }
    // What repeats the end of the reason before it says nothing new.
    reasons.dedup_by(|inner, outer| outer.ends_with(inner.as_str()));
    let skip = reasons.len().saturating_sub(2);
    clean(&plainly(reasons[skip..].join(": ")))
}

/// The resolver tells its query as Rust would print it; people want the host's name.
fn plainly(reason: String) -> String {
    let host =
        reason.split_once("no records found for Query { name: Name(\"").and_then(|(_, rest)| rest.split_once('"'));
    match host {
        Some((host, _)) => format!("there is no host called `{}`", host.trim_end_matches('.')),
        None => reason,
    }
}

/// A text from elsewhere, as one short line without control characters.
pub(crate) fn clean(text: &str) -> String {
    text.split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_does_not_exist_is_told_plainly() {
        let resolver = "DNS error: no records found for Query { name: Name(\"hub.example.org.\"), query_type: AAAA, query_class: IN }";
        assert_eq!(plainly(resolver.to_owned()), "there is no host called `hub.example.org`");
        assert_eq!(plainly("connection refused".to_owned()), "connection refused");
    }
}
