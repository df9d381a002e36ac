//! `--allow`: what steps may do beyond the sandbox. Pure.

use parser::lower::Entitlement;

use crate::report::{Problem, did_you_mean};

/// Of buildx's local output, which here deletes nothing.
const LOCAL_DELETE: &str = "buildx.local.delete";

/// What the value of one `--allow` means; nothing, where it is about what is not done here.
pub fn parse(text: &str) -> Result<Option<Entitlement>, Problem> {
    if matches!(text, "" | LOCAL_DELETE) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let names = Entitlement::ALL.map(Entitlement::as_str);
        let hint = did_you_mean(text, names).unwrap_or_else(|| format!("one of {}", names.join(", ")));
        Problem::usage(format!("invalid `--allow {text}`: there is no such entitlement")).hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entitlements() {
        let said = |text: &str| parse(text).map_err(|problem| problem.hint.unwrap_or_default());
        assert_eq!(said("network.host"), Ok(Some(Entitlement::NetworkHost)));
        assert_eq!(said("security.insecure"), Ok(Some(Entitlement::SecurityInsecure)));
        assert_eq!(said("device=vendor.com/gpu=0,alias=gpu"), Ok(Some(Entitlement::Device)));
        assert_eq!(said("buildx.local.delete"), Ok(None));
        assert_eq!(said("network.hots"), Err("did you mean `network.host`?".to_owned()));
    }
}
