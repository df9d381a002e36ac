//! The filter, judged system call by system call.

use super::*;

/// Runs a filter as the kernel would.
fn run(program: &[sock_filter], arch: u32, number: u32, argument: u32) -> (u32, usize) {
    let (mut at, mut accumulator, mut steps) = (0, 0, 0);
    loop {
        let i = &program[at];
        at += 1;
        steps += 1;
        match u32::from(i.code) {
            c if c == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                accumulator = match i.k {
                    NUMBER => number,
                    ARCH => arch,
                    FIRST_ARGUMENT => argument,
                    other => panic!("loads {other}"),
                }
            }
            c if c == libc::BPF_RET => return (i.k, steps),
            c if c == libc::BPF_JMP | libc::BPF_JA => at += i.k as usize,
            c => {
                let holds = match c & !libc::BPF_JMP {
                    libc::BPF_JEQ => accumulator == i.k,
                    libc::BPF_JGE => accumulator >= i.k,
                    libc::BPF_JSET => accumulator & i.k != 0,
                    other => panic!("jumps on {other}"),
                };
                at += usize::from(if holds { i.jt } else { i.jf });
            }
        }
    }
}

fn verdict(arch: Arch, number: u32, argument: u32) -> u32 {
    run(&compile(&[arch]), arch.audit(), number, argument).0
}

#[test]
fn every_row_of_the_table_is_a_name_and_three_numbers() {
    for line in ALLOWED.lines().skip(1) {
        let columns: Vec<&str> = line.split(' ').collect();
        assert_eq!(columns.len(), 4, "{line}");
        assert!(columns[1..].iter().all(|c| *c == "-" || c.parse::<u32>().is_ok()), "{line}");
    }
}

/// The binary search says of every number what the table says of it.
#[test]
fn search_agrees_with_the_table() {
    for arch in [Arch::X86_64, Arch::I386, Arch::Aarch64] {
        let (program, table) = (compile(&[arch]), verdicts(arch));
        for number in (0..1000).chain([0x4000_0000, 0x4000_0027, u32::MAX]) {
            let expected = match table.get(&number) {
                Some(Verdict::Allow | Verdict::Socket | Verdict::Personality | Verdict::Clone) => ALLOW,
                Some(Verdict::Unknown) => ENOSYS,
                Some(Verdict::Refuse) => EPERM,
                None if number > arch.newest() => ENOSYS,
                None => EPERM,
            };
            assert_eq!(run(&program, arch.audit(), number, 0).0, expected, "{number}");
        }
    }
}

#[test]
fn calls_with_conditions() {
    let x = Arch::X86_64;
    let cases = [
        ("socket AF_INET", verdict(x, 41, 2), ALLOW),
        ("socket AF_ALG", verdict(x, 41, 38), EPERM),
        ("socket AF_VSOCK", verdict(x, 41, 40), EPERM),
        ("personality LINUX32", verdict(x, 135, 8), ALLOW),
        ("personality NO_RANDOMIZE", verdict(x, 135, 0x4_0000), EPERM),
        ("personality, which", verdict(x, 135, u32::MAX), ALLOW),
        ("clone of a thread", verdict(x, 56, 0x3D_0F00), ALLOW),
        ("clone with a user namespace", verdict(x, 56, 0x1000_0011), EPERM),
        ("clone3", verdict(x, 435, 0), ENOSYS),
        ("mount", verdict(x, 165, 0), EPERM),
        ("keyctl", verdict(x, 250, 0), EPERM),
        ("unshare", verdict(x, 272, 0), EPERM),
        ("chroot, which the default capabilities allow", verdict(x, 161, 0), ALLOW),
        ("unshare on aarch64", verdict(Arch::Aarch64, 97, 0), EPERM),
    ];
    for (name, found, expected) in cases {
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn other_architectures_are_killed_and_both_of_ours_known() {
    let program = compile(&[Arch::X86_64, Arch::I386]);
    assert_eq!(run(&program, AUDIT_ARCH_AARCH64, 0, 0).0, KILL);
    assert_eq!(run(&program, AUDIT_ARCH_X86_64, 0, 0).0, ALLOW);
    assert_eq!(run(&program, AUDIT_ARCH_I386, 21, 0).0, EPERM, "mount");
    assert_eq!(run(&program, AUDIT_ARCH_I386, 3, 0).0, ALLOW, "read");
}

#[test]
fn is_short() {
    let program = compile(&[Arch::X86_64]);
    let longest = (0..500).map(|n| run(&program, AUDIT_ARCH_X86_64, n, 0).1).max().unwrap();
    assert!(program.len() <= 150, "{}", program.len());
    assert!(longest < 16, "{longest}");
}
