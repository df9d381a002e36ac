//! What `--chmod` says: octal, or symbolic as `chmod(1)` reads it with a umask of 0. Numbers alone.

use graph::op::Mode;

use super::CopyError;

const SET_IDS: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const ALL: u32 = 0o777;

/// A parsed `--chmod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    Octal(u32),
    Symbolic(Vec<Change>),
}

/// One change of some bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The bits it may touch; 0 when nobody was named, which means all.
    who: u32,
    op: Op,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Bits(u32),
    /// `X`: execution, where it is a directory or somebody may execute it already.
    ExecuteIfAny,
    /// The bits that the class at this shift has.
    CopyOf(u32),
}

impl Chmod {
    pub fn new(mode: &Mode) -> Result<Self, CopyError> {
        match mode {
            Mode::Octal(mode) => Ok(Self::Octal(mode & 0o7777)),
            Mode::Symbolic(text) => {
                parse(text).map(Self::Symbolic).ok_or_else(|| CopyError::Mode { mode: text.clone() })
            }
        }
    }

    /// The mode of an entry that had `mode`.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Self::Octal(octal) => *octal,
            Self::Symbolic(changes) => changes.iter().fold(mode, |now, change| change.apply(now, mode, is_dir)),
        }
    }

    /// The mode of directories that are made on the way: `--chmod` with digits counts for them too.
    pub fn for_parents(&self) -> u32 {
        match self {
            Self::Octal(octal) => octal & ALL,
            Self::Symbolic(_) => 0o755,
        }
    }
}

impl Change {
    fn apply(self, now: u32, original: u32, is_dir: bool) -> u32 {
        let who = if self.who == 0 { ALL | SET_IDS | STICKY } else { self.who };
        let bits = who
            & match self.what {
                What::Bits(bits) => bits,
                What::ExecuteIfAny if is_dir || original & 0o111 != 0 => 0o111,
                What::ExecuteIfAny => 0,
                What::CopyOf(shift) => (now >> shift & 7) * 0o111,
            };
        match self.op {
            Op::Add => now | bits,
            Op::Remove => now & !bits,
            // A copy replaces permissions alone; a list replaces the set-id bits of its classes too.
            Op::Set if matches!(self.what, What::CopyOf(_)) => now & !(who & ALL) | bits,
            Op::Set => now & !(if self.who == 0 { ALL | SET_IDS } else { self.who }) | bits,
        }
    }
}

fn parse(text: &str) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for clause in text.split(',') {
        let ops = clause.find(['+', '-', '='])?;
        let (classes, mut rest) = clause.split_at(ops);
        let who = classes.chars().try_fold(0, |who, class| {
            Some(
                who | match class {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o007,
                    'a' => ALL | SET_IDS,
                    _ => return None,
                },
            )
        })?;
        while let Some(op) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
            let (perms, tail) = rest.split_at(end);
            rest = tail;
            let op = match op {
                '+' => Op::Add,
                '-' => Op::Remove,
                _ => Op::Set,
            };
            one(who, op, perms, &mut changes)?;
        }
    }
    Some(changes)
}

/// What follows one operator: `rwX`, `u`, or nothing.
fn one(mut who: u32, op: Op, perms: &str, changes: &mut Vec<Change>) -> Option<()> {
    let mut bits = 0;
    let mut others = Vec::new();
    let not_only_others = who == 0 || who & !0o007 != 0;
    for perm in perms.chars() {
        match perm {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            'X' if op == Op::Remove => bits |= 0o111,
            'X' => others.push(What::ExecuteIfAny),
            's' if not_only_others => bits |= SET_IDS,
            't' if not_only_others => bits |= STICKY,
            's' | 't' => {}
            'u' => others.push(What::CopyOf(6)),
            'g' => others.push(What::CopyOf(3)),
            'o' => others.push(What::CopyOf(0)),
            _ => return None,
        }
    }
    if bits & STICKY != 0 && who != 0 {
        who |= STICKY;
    }
    let copies = others.iter().any(|what| matches!(what, What::CopyOf(_)));
    if bits != 0 || !copies {
        changes.push(Change { who, op, what: What::Bits(bits) });
    }
    // What `=` sets is cleared once.
    let later = if op == Op::Set && (bits != 0 || !copies) { Op::Add } else { op };
    changes.extend(others.into_iter().map(|what| Change { who, op: later, what }));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_changed_as_chmod_does() {
        for (text, mode, is_dir, expected) in [
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("+x", 0o644, false, 0o755),
            ("a=r", 0o4755, false, 0o444),
            ("u+s", 0o755, false, 0o4755),
            ("g=u", 0o640, false, 0o660),
            ("go=", 0o777, false, 0o700),
            ("go=u-w", 0o700, false, 0o755),
            ("+t", 0o755, true, 0o1755),
            ("u=rwx,g=rx,o=", 0o000, false, 0o750),
            ("=rw,+X", 0o700, false, 0o777),
        ] {
            let chmod = Chmod::new(&Mode::Symbolic(text.to_owned())).unwrap();
            assert_eq!(chmod.apply(mode, is_dir), expected, "{text} on {mode:o}");
        }
        for text in ["", "x", "u", "z=r", "u=q", "u+r,", "755x"] {
            assert!(Chmod::new(&Mode::Symbolic(text.to_owned())).is_err(), "{text}");
        }
    }
}
