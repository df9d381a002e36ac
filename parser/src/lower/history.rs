//! How the lines of an image's history are written: as Go's `fmt` prints values. Knows no instruction.

use oci::time;
use oci::tree::Mtime;

use crate::quote::quoted;

/// A list as `%q` prints it: `["a" "b"]`.
pub(super) fn quoted_list<T: AsRef<str>>(items: &[T]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", quoted.join(" "))
}

/// A list as `%v` prints it: `[a b]`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(" "))
}

/// A duration as Go prints it: `1m30s`, `1.5s`, `20ms`.
pub(super) fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let decimal = |unit: u64| {
        let (whole, rest) = (nanos / unit, nanos % unit);
        let digits = format!("{rest:0width$}", width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        if rest == 0 { whole.to_string() } else { format!("{whole}.{digits}") }
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(1_000_000)),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = nanos % 60_000_000_000;
            let seconds = match (seconds / 1_000_000_000, seconds % 1_000_000_000) {
                (whole, 0) => whole.to_string(),
                (whole, rest) => format!("{whole}.{}", format!("{rest:09}").trim_end_matches('0')),
            };
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Seconds since 1970 as RFC 3339 writes them; `None` outside of the years it can write.
pub(super) fn timestamp(seconds: i64) -> Option<String> {
    time::WRITABLE.contains(&seconds).then(|| time::rfc3339(Mtime { secs: seconds, nanos: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_lists() {
        assert_eq!(quoted_list(&["a \"b\"\t", "\x01é\u{a0}"]), r#"["a \"b\"\t" "\x01é\u00a0"]"#);
        assert_eq!(list(&["a", "b c"]), "[a b c]");
    }

    #[test]
    fn durations() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (20_000_000, "20ms"),
            (1_500_000_000, "1.5s"),
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-5_000_000_000, "-5s"),
        ];
        for (nanos, text) in table {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(timestamp(951_782_399).as_deref(), Some("2000-02-28T23:59:59Z"));
        assert_eq!(timestamp(951_782_400).as_deref(), Some("2000-02-29T00:00:00Z"));
        assert_eq!(timestamp(1_700_000_000).as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(timestamp(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(timestamp(i64::MAX), None);
    }
}
