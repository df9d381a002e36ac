//! The rules that the text alone can break, and the mistakes found in it. Expands no variable and knows no image.

use std::collections::BTreeSet;
use std::iter::once;

use super::findings::{At, Findings, Phase};
use super::own;
use super::rule::Rule;
use crate::ast::{Args, Node};
use crate::keyword::Keyword;
use crate::{Diagnostic, Dockerfile, Severity, Stage};

/// Names that mean something else in a `COPY --from`.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Reports what parsing found, and what is to be said of the file without lowering it.
pub(crate) fn check(dockerfile: &Dockerfile, findings: &mut Findings) {
    let mut errors = Vec::new();
    for diagnostic in &dockerfile.diagnostics {
        match (diagnostic.severity, Rule::parse(diagnostic.code.0)) {
            (Severity::Error, _) => errors.push(diagnostic),
            (Severity::Warning, Some(rule)) => {
                findings.tell(Phase::Instructions, rule, None, || diagnostic.clone());
            }
            (Severity::Warning, None) => {}
        }
    }
    instructions(dockerfile, &errors, findings);
    stage_names(dockerfile, findings);
    casing(dockerfile, findings);
    own::check(dockerfile, findings);
}

/// Instruction by instruction: what is said of it before it is understood, its mistakes, what is said of it then.
fn instructions(dockerfile: &Dockerfile, errors: &[&Diagnostic], findings: &mut Findings) {
    let mut errors = errors.iter().peekable();
    for (index, node) in dockerfile.tree.nodes.iter().enumerate() {
        let keyword = Keyword::parse(&node.keyword);
        match keyword {
            Some(Keyword::From) => from_casing(index, node, findings),
            Some(Keyword::Maintainer) => {
                let at = At { span: node.span, node: Some(index), word: &node.keyword };
                findings.warn(Phase::Instructions, Rule::MaintainerDeprecated, at, || {
                    "Maintainer instruction is deprecated in favor of using label".to_owned()
                });
            }
            _ => {}
        }
        let mut wrong = false;
        while let Some(error) = errors.next_if(|error| error.span.start <= node.span.start) {
            // What is wrong with a node is told of the whole of it; other mistakes are of lines that are no node.
            let of_node = error.span.start == node.span.start;
            wrong |= of_node;
            findings.error(if of_node { Phase::Instructions } else { Phase::Text }, (*error).clone());
        }
        if !wrong && !node.comments.is_empty() {
            description(index, node, keyword, findings);
        }
    }
    errors.for_each(|error| findings.error(Phase::Text, (*error).clone()));
}

fn from_casing(index: usize, node: &Node, findings: &mut Findings) {
    let Args::Words(words) = &node.args else { return };
    let [_, keyword, rest @ ..] = words.as_slice() else { return };
    let upper = |text: &str| text.bytes().any(|byte| byte.is_ascii_uppercase());
    let lower = |text: &str| text.bytes().any(|byte| byte.is_ascii_lowercase());
    if let [name] = rest
        && **name != name.to_lowercase()
    {
        let at = At { span: node.span, node: Some(index), word: name };
        findings.warn(Phase::Instructions, Rule::StageNameCasing, at, || {
            format!("Stage name '{name}' should be lowercase")
        });
    }
    if rest.is_empty() {
        return;
    }
    // Where `FROM` itself is mixed, there is nothing to match.
    let differs = match (lower(&node.keyword), upper(&node.keyword)) {
        (true, true) => false,
        (true, false) => **keyword != keyword.to_lowercase(),
        (false, _) => **keyword != keyword.to_uppercase(),
    };
    if differs {
        let at = At { span: node.span, node: Some(index), word: keyword };
        findings.warn(Phase::Instructions, Rule::FromAsCasing, at, || {
            format!("'{keyword}' and '{}' keywords' casing do not match", node.keyword)
        });
    }
}

/// The comment right above a stage or an `ARG` begins with a name of it, or describes nothing.
fn description(index: usize, node: &Node, keyword: Option<Keyword>, findings: &mut Findings) {
    let Args::Words(words) = &node.args else { return };
    let (instruction, names) = match (keyword, words.as_slice()) {
        (Some(Keyword::From), [_, _, name]) => ("FROM", vec![name.to_lowercase()]),
        (Some(Keyword::Arg), words) => {
            let name = |word: &crate::Text| word.split_once('=').map_or(word.as_str(), |(name, _)| name).to_owned();
            ("ARG", words.iter().map(name).collect())
        }
        _ => return,
    };
    let Some(comment) = node.comments.last() else { return };
    let first = comment.split(' ').next().unwrap_or(comment);
    if names.iter().any(|name| name == first) {
        return;
    }
    let example = match names.as_slice() {
        [name] => name,
        _ => "<arg_key>",
    };
    let at = At { span: node.span, node: Some(index), word: &node.keyword };
    findings.warn(Phase::Instructions, Rule::InvalidDefinitionDescription, at, || {
        format!("Comment for {instruction} should follow the format: `# {example} <description>`")
    });
}

fn stage_names(dockerfile: &Dockerfile, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for stage in &dockerfile.stages {
        let Some(name) = &stage.name else { continue };
        let at = At { span: stage.head.span, node: None, word: name };
        if RESERVED.contains(&name.as_str()) {
            findings.warn(Phase::File, Rule::ReservedStageName, at, || {
                format!("Stage name should not use the same name as reserved stage \"{name}\"")
            });
        }
        if !seen.insert(name.as_str()) {
            findings.warn(Phase::File, Rule::DuplicateStageName, at, || {
                format!("Duplicate stage name \"{name}\", stage names should be unique")
            });
        }
    }
}

/// The case that most instructions are in, upper if there is no such, is the one for all.
fn casing<'d>(dockerfile: &'d Dockerfile, findings: &mut Findings) {
    let of_stage = |stage: &'d Stage| once(&stage.head).chain(stage.commands.iter().map(|command| &command.head));
    let heads = || dockerfile.stages.iter().flat_map(of_stage);
    let (mut lower, mut upper) = (0_usize, 0_usize);
    for head in heads() {
        if head.keyword.bytes().all(|byte| byte.is_ascii_lowercase()) {
            lower += 1;
        } else if head.keyword.bytes().all(|byte| byte.is_ascii_uppercase()) {
            upper += 1;
        }
    }
    let (wrong, right): (fn(&u8) -> bool, _) = match lower > upper {
        true => (u8::is_ascii_uppercase, "lowercase"),
        false => (u8::is_ascii_lowercase, "uppercase"),
    };
    for head in heads().filter(|head| head.keyword.as_bytes().iter().any(wrong)) {
        let at = At { span: head.span, node: None, word: &head.keyword };
        findings.warn(Phase::File, Rule::ConsistentInstructionCasing, at, || {
            format!("Command '{}' should match the case of the command majority ({right})", head.keyword)
        });
    }
}
