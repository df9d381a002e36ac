//! How the mistakes in a Dockerfile are told: all of them at once, each with its place. Knows neither how they are found
//! nor how one is drawn.

use parser::diagnostic::render;
use parser::{Diagnostic, Severity};

use crate::report::Problem;

/// What to tell of a Dockerfile that cannot be built.
pub fn problem(mistakes: &[Diagnostic], name: &str, text: &str) -> Problem {
    let mistakes: Vec<&Diagnostic> = mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).collect();
    let drawn: Vec<String> = mistakes.iter().map(|mistake| render(mistake, name, text)).collect();
    let summary = match mistakes.as_slice() {
        [only] => format!("{name}:{}: {}", only.span.first_line, only.message),
        several => format!("{} mistakes in {name}", several.len()),
    };
    Problem::build(format!("failed to solve: {summary}")).details(drawn.join("\n"))
}

/// One line for what is no mistake, but should be thought about.
pub fn warning(warning: &Diagnostic) -> String {
    format!("{}: {} (line {})", warning.code.0, warning.message, warning.span.first_line)
}
