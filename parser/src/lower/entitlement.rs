//! What a `RUN` may ask for only where whoever builds allows it. Runs nothing.

use std::fmt;
use std::str::FromStr;

use super::Step;
use super::stage::Builder;
use crate::{Diagnostic, Span};

/// What `--allow` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entitlement {
    /// `RUN --network=host`
    NetworkHost,
    /// `RUN --security=insecure`
    SecurityInsecure,
    /// `RUN --device`
    Device,
}

/// Nothing that can be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown entitlement `{0}`: expected `network.host`, `security.insecure` or `device`")]
pub struct UnknownEntitlement(String);

impl Entitlement {
    pub const ALL: [Self; 3] = [Self::NetworkHost, Self::SecurityInsecure, Self::Device];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetworkHost => "network.host",
            Self::SecurityInsecure => "security.insecure",
            Self::Device => "device",
        }
    }
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Entitlement {
    type Err = UnknownEntitlement;

    fn from_str(text: &str) -> Result<Self, UnknownEntitlement> {
        // Which of the devices are meant is not told apart.
        let name = if text.starts_with("device=") { "device" } else { text };
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or_else(|| UnknownEntitlement(text.to_owned()))
    }
}

impl Builder<'_> {
    /// Refuses `flag` where `entitlement` was not given. Whoever gives all steps the host's network allows it with that.
    pub(super) fn needs(&self, entitlement: Entitlement, flag: &str, span: Span) -> Step<()> {
        let host = entitlement == Entitlement::NetworkHost && self.request.network == graph::op::Network::Host;
        if host || self.request.entitlements.contains(&entitlement) {
            return Ok(());
        }
        let message = format!("{entitlement} is not allowed: `RUN {flag}` asks for it");
        let hint = format!("if you trust this Dockerfile, allow it with `--allow {entitlement}`");
        Err(Box::new(Diagnostic::error("NotAllowed", span, message).with_hint(hint)))
    }
}
