//! `--ulimit` and `--shm-size`: what a step may use. Pure.

use std::collections::BTreeMap;

use graph::op::Limit;
use runner::executor::limits;

use crate::report::{Problem, did_you_mean};

/// By name; of several with one name the last counts.
pub fn ulimits(typed: &[String]) -> Result<Vec<Limit>, Problem> {
    let mut found = BTreeMap::new();
    for text in typed {
        let limit = ulimit(text)?;
        found.insert(limit.name.clone(), limit);
    }
    Ok(found.into_values().collect())
}

/// `NAME=SOFT[:HARD]`, where -1 is without limit.
fn ulimit(text: &str) -> Result<Limit, Problem> {
    let wrong = |what: String| Problem::usage(format!("invalid ulimit `{text}`: {what}"));
    let form = "`--ulimit NAME=SOFT[:HARD]`, as in `--ulimit nofile=1024:4096`";
    let (name, values) =
        text.split_once('=').ok_or_else(|| wrong("expected a name and a number".to_owned()).hint(form))?;
    if !limits::names().any(|known| known == name) {
        let hint = did_you_mean(name, limits::names())
            .unwrap_or_else(|| format!("one of {}", limits::names().collect::<Vec<_>>().join(", ")));
        return Err(wrong(format!("there is no limit `{name}`")).hint(hint));
    }
    let number = |text: &str| match text {
        "-1" => Ok(None),
        text => text.parse::<u64>().map(Some).map_err(|_| wrong(format!("`{text}` is no number")).hint(form)),
    };
    let (soft, hard) = match values.split_once(':') {
        None => (number(values)?, number(values)?),
        Some((soft, hard)) => (number(soft)?, number(hard)?),
    };
    match (soft, hard) {
        (None, Some(_)) => Err(wrong("the soft limit is above the hard one".to_owned())),
        (Some(soft), Some(hard)) if soft > hard => Err(wrong("the soft limit is above the hard one".to_owned())),
        (soft, hard) => Ok(Limit { name: name.to_owned(), soft, hard }),
    }
}

/// Bytes: `64m`, `1.5gb`, `67108864`. Zero is as if nothing were said.
pub fn shm_size(text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || {
        Problem::usage(format!("invalid `--shm-size {text}`: expected a number of bytes"))
            .hint("with `k`, `m` or `g` behind it, as in `--shm-size 256m`")
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let shift = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    // A float becomes the nearest number there is, and a size beyond all is as good as none.
    let bytes = (number * (1_u64 << shift) as f64) as u64;
    Ok(Some(bytes).filter(|bytes| *bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_name_and_one_or_two_numbers() {
        let read = |text: &str| ulimit(text).map(|limit| (limit.soft, limit.hard)).map_err(|problem| problem.message);
        assert_eq!(read("nofile=5"), Ok((Some(5), Some(5))));
        assert_eq!(read("nofile=5:6"), Ok((Some(5), Some(6))));
        assert_eq!(read("core=-1"), Ok((None, None)));
        assert_eq!(read("core=0:-1"), Ok((Some(0), None)));
        for (text, said) in [
            ("nofile", "expected a name and a number"),
            ("nofiel=5", "there is no limit `nofiel`"),
            ("nofile=", "`` is no number"),
            ("nofile=-2", "`-2` is no number"),
            ("nofile=1:2:3", "`2:3` is no number"),
            ("nofile=6:5", "the soft limit is above the hard one"),
            ("nofile=-1:5", "the soft limit is above the hard one"),
        ] {
            assert_eq!(read(text), Err(format!("invalid ulimit `{text}`: {said}")));
        }
    }

    #[test]
    fn of_two_with_one_name_the_last_counts() {
        let read = ulimits(&["nproc=1", "core=0", "nproc=2"].map(str::to_owned)).expect("right");
        let read: Vec<_> = read.iter().map(|limit| (limit.name.as_str(), limit.soft)).collect();
        assert_eq!(read, [("core", Some(0)), ("nproc", Some(2))]);
    }

    #[test]
    fn sizes_have_units() {
        let read = |text: &str| shm_size(Some(text)).map_err(|_| ());
        for (text, bytes) in
            [("64m", 64 << 20), ("1.5GiB", 3 << 29), ("128 kb", 128 << 10), ("4096", 4096), ("7b", 7), ("1T", 1 << 40)]
        {
            assert_eq!(read(text), Ok(Some(bytes)), "{text}");
        }
        assert_eq!(read("0"), Ok(None));
        for text in ["", "m", "-1", "1x", "1mm", "1..2"] {
            assert_eq!(read(text), Err(()), "{text}");
        }
    }
}
