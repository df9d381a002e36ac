//! How a failed build is told: what the step said last, where it stands in the Dockerfile, what went wrong. Knows nothing
//! of how steps are run.

use std::fmt::Write as _;

use graph::Graph;
use solver::SolveError;
use solver::port::Failure;

use super::excerpt::{Place, excerpt};
use crate::progress::{LastWords, View};
use crate::report::{Kind, Problem, chain};

/// How many lines of a failed step's output are shown again.
const LAST_WORDS: usize = 20;

/// What to tell of a solve that failed.
pub fn problem(error: &SolveError, graph: &Graph, dockerfile: (&str, &str), view: &View) -> Problem {
    let is_canceled = |failure: &Failure| matches!(failure, Failure::Canceled);
    // What was stopped because another step failed is not the reason.
    let Some((id, failure)) = error.failures.iter().find(|(_, failure)| !is_canceled(failure)) else {
        return Problem::canceled();
    };
    let meta = &graph.vertex(*id).meta;
    let (name, text) = dockerfile;
    let mut details = String::new();
    if let Some(words) = view.last_words(&meta.name) {
        details += &last_words(&words);
    }
    if let Some(source) = meta.source {
        let lines = (source.first_line as usize, source.last_line as usize);
        details += &excerpt(name, text, &Place { first_line: lines.0, last_line: lines.1, words: None });
    }
    let (message, told) = chain(failure);
    let hint = match failure {
        Failure::Other { hint, .. } => hint.clone().or(told),
        Failure::Gone { .. } => return Problem::new(Kind::Gone, message),
        Failure::Exit { .. } | Failure::Canceled => told,
    };
    Problem::build(format!("failed to solve: {message}")).details(details).hint_if(hint)
}

fn last_words(words: &LastWords) -> String {
    let mut text = format!("------\n > {}:\n", words.name.replace('\n', "\\n"));
    for line in &words.lines[words.lines.len().saturating_sub(LAST_WORDS)..] {
        let _ = writeln!(text, "{line}");
    }
    text + "------\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn last_output_is_framed() {
        let words = LastWords { name: "[2/2] RUN make".to_owned(), lines: vec!["one".to_owned(), "two".to_owned()] };
        expect![[r#"
            ------
             > [2/2] RUN make:
            one
            two
            ------
        "#]]
        .assert_eq(&last_words(&words));
    }
}
