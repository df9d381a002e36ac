//! `HEALTHCHECK`: its command and its times.

use std::time::Duration;

use crate::ast::{Args, Node};
use crate::duration::{self, Signed};
use crate::instruction::flags::{self, Flag, Given, Takes};
use crate::instruction::problems::Problems;
use crate::instruction::{Check, Healthcheck};
use crate::text::Text;

pub(super) const FLAGS: [Flag; 5] = [
    Flag { name: "interval", takes: Takes::Value },
    Flag { name: "timeout", takes: Takes::Value },
    Flag { name: "start-period", takes: Takes::Value },
    Flag { name: "start-interval", takes: Takes::Value },
    Flag { name: "retries", takes: Takes::Value },
];

const SHORTEST: Duration = Duration::from_millis(1);

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Healthcheck> {
    let Args::Health { kind, command } = &node.args else {
        problems
            .whole("NoArguments", "`HEALTHCHECK` holds no command")
            .expected("`HEALTHCHECK CMD …`, or `HEALTHCHECK NONE`");
        return None;
    };
    // As elsewhere, flags before NONE are not looked at.
    if kind.eq_ignore_ascii_case("NONE") {
        if !is_empty(command) {
            problems.whole("HealthcheckNone", "`HEALTHCHECK NONE` takes no arguments");
        }
        return Some(Healthcheck::None);
    }
    let given = flags::read(node, &FLAGS, problems);
    if !kind.eq_ignore_ascii_case("CMD") {
        let message = format!("`HEALTHCHECK` cannot be of type `{kind}`");
        problems.at(kind, "HealthcheckType", message).expected("`CMD` or `NONE`");
        return None;
    }
    if is_empty(command) {
        problems.at(kind, "NoArguments", "there is no command after `CMD`").expected("`HEALTHCHECK CMD …`");
        return None;
    }
    Some(Healthcheck::Check(Check {
        test: test(command),
        interval: time(&given, "interval", problems),
        timeout: time(&given, "timeout", problems),
        start_period: time(&given, "start-period", problems),
        start_interval: time(&given, "start-interval", problems),
        retries: retries(&given, problems),
    }))
}

fn is_empty(command: &Args) -> bool {
    match command {
        Args::Json(words) => words.is_empty(),
        Args::Line(_) => false,
        Args::None | Args::Unknown | Args::Words(_) | Args::Pairs(_) | Args::Health { .. } | Args::Trigger(_) => true,
    }
}

fn test(command: &Args) -> Vec<Text> {
    let (kind, words) = match command {
        Args::Json(words) => ("CMD", words.as_slice()),
        Args::Line(line) => ("CMD-SHELL", std::slice::from_ref(line)),
        Args::None | Args::Unknown | Args::Words(_) | Args::Pairs(_) | Args::Health { .. } | Args::Trigger(_) => {
            ("CMD-SHELL", [].as_slice())
        }
    };
    [Text::from(kind)].into_iter().chain(words.iter().cloned()).collect()
}

fn time(given: &Given, name: &str, problems: &mut Problems) -> Duration {
    let Some(text) = given.text(name).filter(|text| !text.is_empty()) else { return Duration::ZERO };
    let word = format!("--{name}={text}");
    match duration::parse(&text) {
        Some(Signed::Positive(time)) if time.is_zero() || time >= SHORTEST => return time,
        Some(Signed::Positive(_) | Signed::Negative) => {
            let message = format!("`--{name}` cannot be `{text}`");
            problems.at(&word, "InvalidDuration", message).expected("at least `1ms`, or `0` for the default");
        }
        None => {
            let mut problem = problems.at(&word, "InvalidDuration", format!("`{text}` is no duration"));
            problem.expected("numbers with units: `30s`, `1m30s`, `500ms`");
            if text.bytes().all(|b| b.is_ascii_digit()) {
                problem.hint(format!("did you mean `--{name}={text}s`?"));
            }
        }
    }
    Duration::ZERO
}

fn retries(given: &Given, problems: &mut Problems) -> u32 {
    let Some(text) = given.text("retries").filter(|text| !text.is_empty()) else { return 0 };
    match text.parse::<i32>().ok().and_then(|count| u32::try_from(count).ok()) {
        Some(count) => count,
        None => {
            let message = format!("`--retries` cannot be `{text}`");
            problems
                .at(&format!("--retries={text}"), "InvalidRetries", message)
                .expected("a number, 0 for the default");
            0
        }
    }
}
