//! The signals that `STOPSIGNAL` may name. Sends none.

/// Linux's names, without `SIG`; real-time signals are `RTMIN+n` and `RTMAX-n`.
const NAMES: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES.contains(&name) || real_time(name, "RTMIN", '+', 15) || real_time(name, "RTMAX", '-', 14)
}

fn real_time(name: &str, base: &str, sign: char, most: u8) -> bool {
    let Some(rest) = name.strip_prefix(base) else { return false };
    rest.is_empty() || rest.strip_prefix(sign).is_some_and(|n| n.parse().is_ok_and(|n: u8| (1..=most).contains(&n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for good in ["SIGTERM", "term", "9", "sigrtmin+3", "RTMAX"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "SIGFOO", "RTMIN-1", "RTMIN+16"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
