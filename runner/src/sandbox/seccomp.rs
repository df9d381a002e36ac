//! The seccomp filter: Docker's default profile, for a process with Docker's default capabilities.
//! Knows not who loads it.
//!
//! The profile is a list of calls allowed whatever their arguments (`seccomp/allowed.txt`, with their numbers on each
//! architecture) and four that are looked at more closely. From it, numbers that follow one another with the same
//! verdict are put together into intervals, and the intervals into a binary search: about seven comparisons a call
//! instead of up to three hundred. Calls newer than all that the profile knows get `ENOSYS`, so that a libc newer than
//! this program falls back to what it did before; all others that are not allowed get `EPERM`.

use std::collections::BTreeMap;

use libc::sock_filter;

const ALLOWED: &str = include_str!("seccomp/allowed.txt");

const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
const AUDIT_ARCH_AARCH64: u32 = 0xC000_00B7;

/// Where `struct seccomp_data` has what we look at.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// New namespaces: mount, cgroup, uts, ipc, user, pid and net.
const NAMESPACE_FLAGS: u32 = 0x7E02_0000;
/// `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and "what is it now?".
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;

/// An architecture whose calls may come: the column of its numbers in the table, and the calls with conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arch {
    X86_64,
    I386,
    Aarch64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse,
    Unknown,
    Socket,
    Personality,
    Clone,
}

/// The filter for programs of the machine this was compiled for, and, on x86_64, for its 32-bit ones.
pub fn filter() -> Vec<sock_filter> {
    if cfg!(target_arch = "aarch64") { compile(&[Arch::Aarch64]) } else { compile(&[Arch::X86_64, Arch::I386]) }
}

fn compile(arches: &[Arch]) -> Vec<sock_filter> {
    let mut program = vec![load(ARCH)];
    for &arch in arches {
        let mut body = vec![load(NUMBER)];
        search(&intervals(&verdicts(arch), arch.newest()), &mut body);
        program.push(jump(libc::BPF_JEQ, arch.audit(), 1, 0));
        program.push(always(body.len() as u32));
        program.extend(body);
    }
    program.push(give(KILL));
    program
}

impl Arch {
    fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => AUDIT_ARCH_X86_64,
            Arch::I386 => AUDIT_ARCH_I386,
            Arch::Aarch64 => AUDIT_ARCH_AARCH64,
        }
    }

    fn column(self) -> usize {
        match self {
            Arch::X86_64 => 1,
            Arch::I386 => 2,
            Arch::Aarch64 => 3,
        }
    }

    /// `socket`, `personality`, `clone`, `clone3`
    fn conditional(self) -> [u32; 4] {
        match self {
            Arch::X86_64 => [41, 135, 56, 435],
            Arch::I386 => [359, 136, 120, 435],
            Arch::Aarch64 => [198, 92, 220, 435],
        }
    }

    /// The highest number that the profile speaks of: what is above came later.
    fn newest(self) -> u32 {
        verdicts(self).keys().next_back().copied().unwrap_or(0)
    }
}

fn verdicts(arch: Arch) -> BTreeMap<u32, Verdict> {
    let rows = ALLOWED.lines().filter(|line| !line.starts_with('#'));
    let numbers = rows.filter_map(|line| line.split(' ').nth(arch.column())?.parse().ok());
    let mut verdicts: BTreeMap<u32, Verdict> = numbers.map(|number| (number, Verdict::Allow)).collect();
    let [socket, personality, clone, clone3] = arch.conditional();
    verdicts.insert(socket, Verdict::Socket);
    verdicts.insert(personality, Verdict::Personality);
    verdicts.insert(clone, Verdict::Clone);
    // Its flags are in memory, out of a filter's sight: "not there" makes every libc take `clone`.
    verdicts.insert(clone3, Verdict::Unknown);
    verdicts
}

/// Each interval as its first number and the verdict for all up to the next; the first begins at 0.
fn intervals(verdicts: &BTreeMap<u32, Verdict>, newest: u32) -> Vec<(u32, Verdict)> {
    let mut intervals: Vec<(u32, Verdict)> = Vec::new();
    for number in 0..=newest + 1 {
        let verdict = match verdicts.get(&number) {
            Some(verdict) => *verdict,
            None if number > newest => Verdict::Unknown,
            None => Verdict::Refuse,
        };
        if intervals.last().is_none_or(|(_, last)| *last != verdict) {
            intervals.push((number, verdict));
        }
    }
    intervals
}

/// Halves the intervals until one is left, whose verdict is given. The number is in the accumulator.
fn search(intervals: &[(u32, Verdict)], program: &mut Vec<sock_filter>) {
    let [only] = intervals else {
        let (left, right) = intervals.split_at(intervals.len() / 2);
        let Some((pivot, _)) = right.first() else { return };
        let mut below = Vec::new();
        search(left, &mut below);
        match u8::try_from(below.len()) {
            Ok(distance) => program.push(jump(libc::BPF_JGE, *pivot, distance, 0)),
            Err(_) => program.extend([jump(libc::BPF_JGE, *pivot, 0, 1), always(below.len() as u32)]),
        }
        program.extend(below);
        search(right, program);
        return;
    };
    judge(only.1, program);
}

fn judge(verdict: Verdict, program: &mut Vec<sock_filter>) {
    match verdict {
        Verdict::Allow => program.push(give(ALLOW)),
        Verdict::Refuse => program.push(give(EPERM)),
        Verdict::Unknown => program.push(give(ENOSYS)),
        Verdict::Socket => program.extend([
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JEQ, AF_ALG, 2, 0),
            jump(libc::BPF_JEQ, AF_VSOCK, 1, 0),
            give(ALLOW),
            give(EPERM),
        ]),
        Verdict::Personality => {
            program.push(load(FIRST_ARGUMENT));
            for (at, known) in PERSONALITIES.iter().enumerate() {
                program.push(jump(libc::BPF_JEQ, *known, (PERSONALITIES.len() - at) as u8, 0));
            }
            program.extend([give(EPERM), give(ALLOW)]);
        }
        Verdict::Clone => program.extend([
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JSET, NAMESPACE_FLAGS, 1, 0),
            give(ALLOW),
            give(EPERM),
        ]),
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, value, if_true, if_false)
}

fn always(distance: u32) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, distance, 0, 0)
}

fn give(verdict: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, verdict, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests;
