//! What is wrong with a document, and what is to be thought about: what `kiln build --check` says, without any image.
//!
//! The images that stages start from are not asked for: whatever is named is there, and empty. So a variable that an image
//! sets is not known; where one that is not defined could come from an image, what is said of the instruction is only a
//! hint. What `--allow` allows is allowed: that a build needs it is no mistake of the file.

use std::collections::BTreeSet;
use std::ops::Range;

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lint::{self, Linted, Rule};
use parser::lower::{BaseImage, Entitlement, ImageError, Images, Request};
use parser::{Diagnostic, Severity};
use tower_lsp_server::ls_types::{
    self, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location, NumberOrString, Uri,
};

use crate::document::{Document, bytes};

/// Every image is there, and empty.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let config = ImageConfig::scratch(platform);
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

/// Everything that is found, each with how much it matters.
pub fn found(document: &Document) -> Vec<(DiagnosticSeverity, Diagnostic)> {
    let request = Request { entitlements: Entitlement::ALL.into(), ..Request::default() };
    let Linted { warnings, errors, later } = lint::check(document.dockerfile(), &request, &AnyImage);
    let all: Vec<Diagnostic> = errors.into_iter().chain(warnings).chain(later).collect();
    // What is said of an instruction may be for want of such a variable.
    let unsure = all.iter().filter(|diagnostic| may_be_defined(document, diagnostic));
    let unsure: BTreeSet<u32> = unsure.map(|diagnostic| diagnostic.span.start).collect();
    let severity = |diagnostic: &Diagnostic| match diagnostic.severity {
        _ if unsure.contains(&diagnostic.span.start) => DiagnosticSeverity::HINT,
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
    };
    all.into_iter().map(|diagnostic| (severity(&diagnostic), diagnostic)).collect()
}

/// Whether a variable that is said to be undefined could come from an image. One that is nearly another is misspelled.
fn may_be_defined(document: &Document, diagnostic: &Diagnostic) -> bool {
    Rule::parse(diagnostic.code.0) == Some(Rule::UndefinedVar)
        && meant(diagnostic).is_none()
        && may_come_from_image(document, place(diagnostic).start)
}

/// Whether the stage at `offset` starts from an image, by whatever other stages.
fn may_come_from_image(document: &Document, offset: usize) -> bool {
    let index = document.index();
    let Some(stage) = index.stage_at(offset) else { return false };
    let bottom = std::iter::successors(Some(stage), |stage| index.stages[*stage].base).last().unwrap_or(stage);
    document.dockerfile().stages[bottom].base != "scratch"
}

/// The words that a diagnostic means.
pub fn place(diagnostic: &Diagnostic) -> Range<usize> {
    bytes(diagnostic.focus.unwrap_or(diagnostic.span))
}

/// The word that would have been right, where one is proposed.
pub fn meant(diagnostic: &Diagnostic) -> Option<&str> {
    let hint = diagnostic.hint.as_deref().and_then(|hint| hint.strip_prefix("did you mean `")?.strip_suffix("`?"));
    // BuildKit's words have it in the message.
    hint.or_else(|| diagnostic.message.split_once("(did you mean ")?.1.strip_suffix("?)"))
}

/// What is found, as the protocol has it.
pub fn diagnostics(document: &Document, uri: &Uri) -> Vec<ls_types::Diagnostic> {
    found(document).into_iter().map(|(severity, diagnostic)| told(document, uri, severity, &diagnostic)).collect()
}

pub fn told(
    document: &Document,
    uri: &Uri,
    severity: DiagnosticSeverity,
    diagnostic: &Diagnostic,
) -> ls_types::Diagnostic {
    let related = diagnostic.labels.iter().map(|label| DiagnosticRelatedInformation {
        location: Location::new(uri.clone(), document.range(bytes(label.span))),
        message: label.message.clone(),
    });
    let related: Vec<_> = related.collect();
    let is_deprecated = Rule::parse(diagnostic.code.0) == Some(Rule::MaintainerDeprecated);
    ls_types::Diagnostic {
        range: document.range(visible(document, diagnostic)),
        severity: Some(severity),
        code: Some(NumberOrString::String(diagnostic.code.0.to_owned())),
        source: Some("kiln".to_owned()),
        message: message(diagnostic),
        related_information: (!related.is_empty()).then_some(related),
        tags: is_deprecated.then(|| vec![DiagnosticTag::DEPRECATED]),
        ..ls_types::Diagnostic::default()
    }
}

/// What to underline: of an instruction as a whole, its first line.
fn visible(document: &Document, diagnostic: &Diagnostic) -> Range<usize> {
    let place = place(diagnostic);
    if diagnostic.focus.is_some() {
        return place;
    }
    let line = document.lines().range(document.text(), document.lines().line(place.start));
    place.start..place.end.min(line.end).max(place.start)
}

fn message(diagnostic: &Diagnostic) -> String {
    let mut message = diagnostic.message.clone();
    if let Some(expected) = &diagnostic.expected {
        message += &format!("\nexpected: {expected}");
    }
    if let Some(hint) = &diagnostic.hint {
        message += &format!("\nhint: {hint}");
    }
    if let Some(rule) = Rule::parse(diagnostic.code.0) {
        message += &format!("\ndocs/checks/{}", rule.page());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;
    use crate::marker::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn uri() -> Uri {
        "file:///Dockerfile".parse().expect("a good address")
    }

    fn check(text: &str, expected: &Expect) {
        let document = Document::new(text, Encoding::Utf16);
        let lines = diagnostics(&document, &uri()).into_iter().map(|d| {
            let NumberOrString::String(code) = d.code.expect("each has a code") else { panic!("a number") };
            let severity = format!("{:?}", d.severity.expect("each has one"));
            let related = d.related_information.into_iter().flatten();
            let related: Vec<_> =
                related.map(|r| format!("\n    {} {}", show(&document, r.location.range), r.message)).collect();
            format!(
                "{} {severity} {code}: {}{}\n",
                show(&document, d.range),
                d.message.replace('\n', " / "),
                related.concat()
            )
        });
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        check(
            "FROM a\nCOYP x y\nRUN --netwrok=none x\n",
            &expect![[r#"
            2:1-2:5 "COYP" Error UnknownInstruction: `COYP` is no instruction / hint: did you mean `COPY`?
            3:5-3:14 "--netwrok" Error UnknownFlag: `RUN` has no flag `--netwrok` / expected: `--mount`, `--network`, `--security`, `--device` / hint: did you mean `--network`?
        "#]],
        );
        check(
            "# escape=`\n# escape=\\\nFROM a\n",
            &expect![[r##"
            2:3-2:9 "escape" Error DuplicateDirective: a second `escape` directive / hint: remove one of the two
                1:1-1:11 "# escape=`" the first one is here
        "##]],
        );
        check(
            "FROM a\nRUN a \\\n\n b\n",
            &expect![[r#"
                3:1-3:1 "" Warning NoEmptyContinuation: Empty continuation line / hint: remove the empty line, or put a `#` on it; it will become an error / docs/checks/no-empty-continuation.md
                    2:1-4:3 "RUN a \\\n\n b" the instruction begins here
            "#]],
        );
        check(
            "",
            &expect![[r#"
            1:1-1:1 "" Error NoInstructions: the file is empty: there is no instruction in it / expected: at least a `FROM`
        "#]],
        );
    }

    #[test]
    fn warnings_are_those_of_the_checks() {
        check(
            "FROM a as b\nRUN x\nMAINTAINER me\n",
            &expect![[r#"
                1:8-1:10 "as" Warning FromAsCasing: 'as' and 'FROM' keywords' casing do not match / docs/checks/from-as-casing.md
                3:1-3:11 "MAINTAINER" Warning MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label / docs/checks/maintainer-deprecated.md
            "#]],
        );
        check("# check=skip=FromAsCasing\nFROM a as b\n", &expect![[r#""#]]);
    }

    #[test]
    fn what_can_be_allowed_is_no_mistake() {
        check("FROM a\nRUN --network=host --security=insecure x\n", &expect![[""]]);
    }

    #[test]
    fn a_variable_may_come_from_the_image() {
        check(
            "FROM a\nWORKDIR $HOEM\n",
            &expect![[r#"
                2:9-2:14 "$HOEM" Hint UndefinedVar: Usage of undefined variable '$HOEM' / docs/checks/undefined-var.md
                2:1-2:14 "WORKDIR $HOEM" Hint WorkdirRelativePath: Relative workdir "" can have unexpected results if the base image changes / docs/checks/workdir-relative-path.md
            "#]],
        );
        check(
            "FROM a\nENV HOME=/x\nWORKDIR $HOEM\n",
            &expect![[r#"
            3:9-3:14 "$HOEM" Warning UndefinedVar: Usage of undefined variable '$HOEM' (did you mean $HOME?) / docs/checks/undefined-var.md
            3:1-3:14 "WORKDIR $HOEM" Warning WorkdirRelativePath: Relative workdir "" can have unexpected results if the base image changes / docs/checks/workdir-relative-path.md
        "#]],
        );
        check(
            "FROM scratch AS s\nFROM s\nWORKDIR $HOEM\n",
            &expect![[r#"
            3:9-3:14 "$HOEM" Warning UndefinedVar: Usage of undefined variable '$HOEM' / docs/checks/undefined-var.md
            3:1-3:14 "WORKDIR $HOEM" Warning WorkdirRelativePath: Relative workdir "" can have unexpected results if the base image changes / docs/checks/workdir-relative-path.md
        "#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_has_diagnostics(text in "(FROM |RUN |COPY --from=|AS |as |MAINTAINER |env |ARG |ENV |a|=|\\$|\\{|\\}|<<E|é|\"|\\\\|#|,| |\n|\r){0,40}") {
            let document = Document::new(text, Encoding::Utf16);
            diagnostics(&document, &uri());
            for (_, diagnostic) in found(&document) {
                let fix = crate::actions::fix(&document, &diagnostic);
                prop_assert!(fix.is_none_or(|fix| document.text().get(fix.place).is_some()));
            }
        }
    }
}
