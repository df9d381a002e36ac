//! How the mistakes and the doubtful things in a Dockerfile are told: all of them at once, each with its place. Knows neither
//! how they are found nor how a place is drawn.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use parser::diagnostic::render;
use parser::lint::Rule;
use parser::{Diagnostic, Severity};

use super::excerpt::{Place, excerpt};
use crate::report::Problem;

/// A Dockerfile's name, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// How much is told of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Short,
    /// With its reason and the lines it is about.
    Full,
}

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

/// Where the rule that a warning is about is explained.
pub fn page(warning: &Diagnostic) -> Option<String> {
    Rule::parse(warning.code.0).map(|rule| format!("docs/checks/{}", rule.page()))
}

/// What is shown of warnings when a build is over, in the words of buildx.
pub fn list(warnings: &[Diagnostic], source: Source<'_>, detail: Detail) -> String {
    let count = match warnings.len() {
        0 => return String::new(),
        1 => "1 warning found".to_owned(),
        count => format!("{count} warnings found"),
    };
    let mut text =
        format!("\n {count}{}:\n", if detail == Detail::Short { " (use kiln --debug to expand)" } else { "" });
    let mut explained = BTreeSet::new();
    // Writing to a string cannot fail.
    for told in warnings {
        let _ = writeln!(text, " - {}", warning(told));
        let page = page(told);
        match detail {
            Detail::Short => {
                if let Some(page) = page.filter(|_| explained.insert(told.code)) {
                    let _ = writeln!(text, "   {page}");
                }
            }
            Detail::Full => {
                if let Some(rule) = Rule::parse(told.code.0) {
                    let _ = writeln!(text, "{}", rule.description());
                }
                if let Some(page) = page {
                    let _ = writeln!(text, "More info: {page}");
                }
                let _ = writeln!(text, "{}", lines(told, source));
            }
        }
    }
    text
}

/// The lines that a warning is about.
pub fn lines(warning: &Diagnostic, source: Source<'_>) -> String {
    let place = Place {
        first_line: warning.span.first_line as usize,
        last_line: warning.span.last_line as usize,
        words: warning.focus.map(|focus| focus.start as usize..focus.end as usize),
    };
    excerpt(source.name, source.text, &place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use parser::Span;

    const TEXT: &str = "FROM a AS One\nFROM a AS Two\nMAINTAINER me\n";

    fn warnings() -> Vec<Diagnostic> {
        let warning = |rule: Rule, line: u32, message: &str, word: &str| {
            let start = TEXT.find(word).expect("it is there") as u32;
            let span = Span { start, end: start + word.len() as u32, first_line: line, last_line: line };
            Diagnostic::warning(rule.name(), span, message).with_focus(span)
        };
        vec![
            warning(Rule::StageNameCasing, 1, "Stage name 'One' should be lowercase", "One"),
            warning(Rule::StageNameCasing, 2, "Stage name 'Two' should be lowercase", "Two"),
            warning(Rule::MaintainerDeprecated, 3, "Maintainer instruction is deprecated", "MAINTAINER"),
        ]
    }

    #[test]
    fn a_page_is_named_once() {
        let source = Source { name: "Dockerfile", text: TEXT };
        assert_eq!(list(&[], source, Detail::Full), "");
        // The first line is there for the indentation: all others have some.
        expect![[r#"
            #1 DONE

             3 warnings found (use kiln --debug to expand):
             - StageNameCasing: Stage name 'One' should be lowercase (line 1)
               docs/checks/stage-name-casing.md
             - StageNameCasing: Stage name 'Two' should be lowercase (line 2)
             - MaintainerDeprecated: Maintainer instruction is deprecated (line 3)
               docs/checks/maintainer-deprecated.md
        "#]]
        .assert_eq(&format!("#1 DONE\n{}", list(&warnings(), source, Detail::Short)));
        expect![[r#"

             1 warning found:
             - StageNameCasing: Stage name 'One' should be lowercase (line 1)
            The name of a stage should be in lower case
            More info: docs/checks/stage-name-casing.md
            Dockerfile:1
            --------------------
               1 | >>> FROM a AS One
                 |               ^^^
               2 |     FROM a AS Two
               3 |     MAINTAINER me
            --------------------

        "#]]
        .assert_eq(&list(&warnings()[..1], source, Detail::Full));
    }
}
