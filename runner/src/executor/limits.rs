//! Resource limits of a step: those that this machine grants. Knows no process.
//!
//! Raising a limit above our own is a privilege. Where we lack it, the step gets what we have ourselves.

use graph::op::Limit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::sandbox::spec;

/// By Docker's names.
const RESOURCES: [(&str, Resource); 15] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// What can be limited.
pub fn names() -> impl Iterator<Item = &'static str> {
    RESOURCES.iter().map(|(name, _)| *name)
}

/// What a step gets, and what to tell of it.
pub(super) fn granted(limits: &[Limit]) -> (Vec<spec::Limit>, Vec<String>) {
    let (mut granted, mut told) = (Vec::new(), Vec::new());
    for limit in limits {
        let Some((_, resource)) = RESOURCES.iter().find(|(name, _)| *name == limit.name) else {
            told.push(format!("there is no resource `{}` to be limited", limit.name));
            continue;
        };
        let got = grant(*resource, Rlimit { current: limit.soft, maximum: limit.hard });
        if got.maximum != limit.hard {
            let most = got.maximum.unwrap_or(u64::MAX);
            told.push(format!("`--ulimit {}` is more than this machine grants: the limit is {most}", limit.name));
        }
        granted.push(spec::Limit { resource: *resource as u32, soft: got.current, hard: got.maximum });
    }
    (granted, told)
}

fn grant(resource: Resource, wanted: Rlimit) -> Rlimit {
    let own = getrlimit(resource);
    if !exceeds(wanted.maximum, own.maximum) {
        return wanted;
    }
    // Only the attempt tells. Ours is what it was right after it, and what follows from it in between is more room.
    if setrlimit(resource, Rlimit { current: own.current, maximum: wanted.maximum }).is_ok() {
        let _ = setrlimit(resource, own); // lowering a limit is always allowed
        return wanted;
    }
    clamped(wanted, own)
}

fn clamped(wanted: Rlimit, own: Rlimit) -> Rlimit {
    let current = if exceeds(wanted.current, own.maximum) { own.maximum } else { wanted.current };
    Rlimit { current, maximum: own.maximum }
}

/// `None` is without limit.
fn exceeds(wanted: Option<u64>, own: Option<u64>) -> bool {
    match (wanted, own) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(wanted), Some(own)) => wanted > own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_granted_is_what_we_have() {
        let limit = |current, maximum| Rlimit { current, maximum };
        for (wanted, own, got) in [
            (limit(Some(9), Some(99)), limit(Some(1), Some(10)), limit(Some(9), Some(10))),
            (limit(Some(50), Some(99)), limit(Some(1), Some(10)), limit(Some(10), Some(10))),
            (limit(None, None), limit(None, Some(10)), limit(Some(10), Some(10))),
        ] {
            assert_eq!(clamped(wanted, own), got, "{wanted:?} {own:?}");
        }
    }

    #[test]
    fn a_limit_below_ours_is_granted_as_it_is() {
        let limit = Limit { name: "core".to_owned(), soft: Some(0), hard: Some(0) };
        let unknown = Limit { name: "spoons".to_owned(), ..limit.clone() };
        let (granted, told) = granted(&[limit, unknown]);
        assert_eq!(granted, [spec::Limit { resource: Resource::Core as u32, soft: Some(0), hard: Some(0) }]);
        assert_eq!(told, ["there is no resource `spoons` to be limited"]);
    }
}
