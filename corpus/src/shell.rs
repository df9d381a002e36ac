//! The tables of expansion and of word splitting. Knows only their form.
//!
//! `envVarTest` has `platform|word|result`, `wordsTest` has `text|words` and lines `ENV name=value` that set variables
//! for what follows. `#` begins a comment, and `error` as a result is a refusal.

use std::collections::BTreeMap;
use std::path::Path;

use parser::expand::Lexer;
use serde_json::json;

use crate::read::{self, ReadError};
use crate::verdict::{Case, Verdict};

type Variables = BTreeMap<String, String>;

pub(crate) fn compare(corpus: &Path) -> Result<Vec<Verdict>, ReadError> {
    let mut verdicts = Vec::new();
    for (line, text) in table(corpus, "envVarTest")? {
        verdicts.extend(word(line, &text));
    }
    let mut variables = Variables::new();
    for (line, text) in table(corpus, "wordsTest")? {
        match text.strip_prefix("ENV ").and_then(|setting| setting.split_once('=')) {
            Some((name, value)) => {
                variables.insert(name.trim().to_owned(), value.to_owned());
            }
            None => verdicts.extend(words(line, &text, &variables)),
        }
    }
    Ok(verdicts)
}

fn table(corpus: &Path, name: &str) -> Result<Vec<(u64, String)>, ReadError> {
    let lines = read::lines(&corpus.join("shell").join(name))?.unwrap_or_default();
    Ok(lines.into_iter().filter(|(_, line)| !line.starts_with('#')).collect())
}

fn word(line: u64, text: &str) -> Vec<Verdict> {
    let mut case = Case::new("shell", format!("line {line}"), "shell/envVarTest", line);
    let mut fields = text.splitn(3, '|');
    let (Some(platform), Some(word), Some(result)) = (fields.next(), fields.next(), fields.next()) else {
        return case.broken("there are no three columns");
    };
    if platform.trim() == "W" {
        return Vec::new();
    }
    let variables = [("PWD", "/home"), ("SHELL", "bash"), ("KOREAN", "한국어"), ("NULL", "")];
    let variables: Variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let ours = Lexer::new('\\').word(word.trim(), &variables).unwrap_or_else(|_| "error".to_owned());
    case.values("envVarTest", &json!(result.trim()), &json!(ours));
    case.verdicts
}

fn words(line: u64, text: &str, variables: &Variables) -> Vec<Verdict> {
    let mut case = Case::new("shell", format!("line {line}"), "shell/wordsTest", line);
    let Some((text, words)) = text.split_once('|') else { return case.broken("there are no two columns") };
    let ours = match Lexer::new('\\').words(text.trim(), variables) {
        Ok(words) => words.join(","),
        Err(_) => "error".to_owned(),
    };
    case.values("wordsTest", &json!(words.trim_start()), &json!(ours));
    case.verdicts
}
