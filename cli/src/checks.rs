//! `kiln checks`: the rules that a Dockerfile is checked for, and the page of each, without a network. Checks nothing.

use parser::lint::{Origin, Rule, When};

use crate::args::ChecksArgs;
use crate::report::{Problem, did_you_mean};
use crate::table::columns;
use crate::terminal;

pub fn run(args: &ChecksArgs) -> Result<(), Problem> {
    let Some(name) = &args.rule else { return terminal::say(&list()) };
    let names = || Rule::ALL.iter().map(|rule| rule.name());
    let same = |known: &&str| known.eq_ignore_ascii_case(name);
    let rule = names().find(same).and_then(Rule::parse).ok_or_else(|| {
        Problem::usage(format!("no rule is named `{name}`"))
            .hint(did_you_mean(name, names()).unwrap_or_else(|| "`kiln checks` lists them".to_owned()))
    })?;
    terminal::say(page(rule))
}

fn list() -> String {
    let row = |rule: &Rule| {
        let origin = match rule.origin() {
            Origin::BuildKit => "BuildKit",
            Origin::Kiln => "Kiln",
        };
        let when = match rule.when() {
            When::Always => "on",
            When::Asked => "when asked for",
        };
        [rule.name(), origin, when, rule.description()].map(str::to_owned)
    };
    let rows: Vec<[String; 4]> = Rule::ALL.iter().map(row).collect();
    columns(["RULE", "OF", "IS", "DESCRIPTION"], &rows, 0, 3)
}

/// What explains `rule`.
pub fn page(rule: Rule) -> &'static str {
    macro_rules! pages {
        ($($rule:ident => $file:literal,)*) => {
            match rule {
                $(Rule::$rule => include_str!(concat!("../../docs/checks/", $file)),)*
            }
        };
    }
    pages! {
        StageNameCasing => "stage-name-casing.md",
        FromAsCasing => "from-as-casing.md",
        NoEmptyContinuation => "no-empty-continuation.md",
        ConsistentInstructionCasing => "consistent-instruction-casing.md",
        DuplicateStageName => "duplicate-stage-name.md",
        ReservedStageName => "reserved-stage-name.md",
        JSONArgsRecommended => "json-args-recommended.md",
        MaintainerDeprecated => "maintainer-deprecated.md",
        UndefinedArgInFrom => "undefined-arg-in-from.md",
        WorkdirRelativePath => "workdir-relative-path.md",
        UndefinedVar => "undefined-var.md",
        MultipleInstructionsDisallowed => "multiple-instructions-disallowed.md",
        LegacyKeyValueFormat => "legacy-key-value-format.md",
        InvalidBaseImagePlatform => "invalid-base-image-platform.md",
        RedundantTargetPlatform => "redundant-target-platform.md",
        SecretsUsedInArgOrEnv => "secrets-used-in-arg-or-env.md",
        InvalidDefaultArgInFrom => "invalid-default-arg-in-from.md",
        FromPlatformFlagConstDisallowed => "from-platform-flag-const-disallowed.md",
        CopyIgnoredFile => "copy-ignored-file.md",
        InvalidDefinitionDescription => "invalid-definition-description.md",
        ExposeProtoCasing => "expose-proto-casing.md",
        ExposeInvalidFormat => "expose-invalid-format.md",
        InvalidUtf8 => "invalid-utf8.md",
        CmdIgnored => "cmd-ignored.md",
        CdWithoutEffect => "cd-without-effect.md",
        EnvUsedWhereSet => "env-used-where-set.md",
        UnpinnedImage => "unpinned-image.md",
        AddInsteadOfCopy => "add-instead-of-copy.md",
        RootUser => "root-user.md",
        RelativeDestination => "relative-destination.md",
        SeveralSourcesNoSlash => "several-sources-no-slash.md",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_the_page_that_it_names() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks");
        for rule in Rule::ALL {
            let file = std::fs::read_to_string(docs.join(rule.page())).expect("the page is there");
            assert_eq!(page(*rule), file, "{}", rule.name());
            assert!(file.starts_with(&format!("# {}\n", rule.name())), "{}", rule.name());
        }
    }
}
