//! How steps are named in the progress view: `[linux/arm64 build 2/12] RUN make`. Knows no graph.

use std::fmt::Write as _;

use graph::Source;
use oci::Platform;

use super::State;
use crate::Span;
use crate::expand::Variables;
use crate::lower::plan::Planned;

/// `[build 2/12] `, with `platform` before the stage where there is one.
pub(super) fn numbered(planned: &Planned<'_>, (step, total): (usize, usize), platform: Option<&str>) -> String {
    if total == 0 {
        return String::new();
    }
    let width = total.ilog10() as usize + 1;
    let label = Some(planned.label.as_str()).filter(|label| !label.is_empty());
    // As much as most steps' names take in all.
    let mut text = String::with_capacity(128);
    text.push('[');
    platform.into_iter().chain(label).flat_map(|word| [word, " "]).for_each(|part| text.push_str(part));
    // Writing to a string cannot fail.
    _ = write!(text, "{step:>width$}/{total}] ");
    text
}

/// What a step is run on, and what for, if that is something else: `linux/amd64->arm64`.
pub(super) fn platforms(state: &State) -> String {
    let on = &state.platform;
    let Some(wanted) = wanted(state) else { return on.to_string() };
    let wanted = wanted.normalized();
    if wanted.os != on.os {
        return format!("{on}->{wanted}");
    }
    match &wanted.variant {
        _ if wanted.architecture == on.architecture => on.to_string(),
        Some(variant) => format!("{on}->{}/{variant}", wanted.architecture),
        None => format!("{on}->{}", wanted.architecture),
    }
}

/// The platform that the `TARGET…` variables of a stage tell, if it has any.
fn wanted(state: &State) -> Option<Platform> {
    if let Some(platform) = state.env.get("TARGETPLATFORM").and_then(|text| text.parse().ok()) {
        return Some(platform);
    }
    let [os, architecture, variant] = ["TARGETOS", "TARGETARCH", "TARGETVARIANT"].map(|name| state.env.get(name));
    if os.is_none() && architecture.is_none() && variant.is_none() {
        return None;
    }
    let or_own = |told: Option<&str>, own: &str| told.filter(|told| !told.is_empty()).unwrap_or(own).to_owned();
    Some(Platform {
        os: or_own(os, &state.platform.os),
        architecture: or_own(architecture, &state.platform.architecture),
        variant: variant.filter(|variant| !variant.is_empty()).map(str::to_owned),
        os_version: None,
    })
}

pub(super) fn stage_name(planned: &Planned<'_>) -> String {
    match planned.stage.name.as_deref() {
        Some(name) => name.to_owned(),
        None => planned.label.strip_prefix("stage-").unwrap_or("0").to_owned(),
    }
}

pub(super) fn lines(span: Span) -> Source {
    Source { first_line: span.first_line, last_line: span.last_line }
}
