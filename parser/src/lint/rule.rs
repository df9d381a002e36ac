//! The rules: their names, what they want, where they are explained. Knows neither when one is broken nor how it is told.
//!
//! A rule more is a line more in the table at the end, and a page in `docs/checks/`.

/// Whether a rule is followed up when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Unless it is skipped.
    Always,
    /// When `experimental=` asks for it.
    Asked,
}

/// Whose rule it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// BuildKit has it under the same name.
    BuildKit,
    /// Kiln alone has it. `experimental=all` does not ask for it, and it fails no build unless it was asked for by name.
    Kiln,
}

/// What the table says of a rule.
struct Facts {
    name: &'static str,
    page: &'static str,
    when: When,
    origin: Origin,
    description: &'static str,
}

impl Rule {
    /// As `skip=` and `experimental=` take it, and as diagnostics are coded.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it wants, in one sentence.
    pub fn description(self) -> &'static str {
        self.facts().description
    }

    /// The file in `docs/checks/` that explains it.
    pub fn page(self) -> &'static str {
        self.facts().page
    }

    pub fn when(self) -> When {
        self.facts().when
    }

    pub fn origin(self) -> Origin {
        self.facts().origin
    }

    /// Whether it is off unless `experimental=` asks for it.
    pub fn experimental(self) -> bool {
        self.when() == When::Asked
    }

    /// The rule of this name.
    pub fn parse(name: &str) -> Option<Rule> {
        Rule::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

/// Some of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules(u64);

impl Rules {
    pub fn insert(&mut self, rule: Rule) {
        self.0 |= 1 << rule as u64;
    }

    pub fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u64) != 0
    }

    pub fn union(self, other: Rules) -> Rules {
        Rules(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.iter().copied().filter(move |rule| self.contains(*rule))
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut all = Rules::default();
        rules.into_iter().for_each(|rule| all.insert(rule));
        all
    }
}

macro_rules! rules {
    ($($rule:ident, $page:literal, $when:ident, $origin:ident, $description:literal;)*) => {
        /// What a Dockerfile is checked for, beyond what makes it wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($rule,)*
        }

        impl Rule {
            /// All of them, BuildKit's first and in its order.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            fn facts(self) -> Facts {
                match self {
                    $(Rule::$rule => Facts {
                        name: stringify!($rule),
                        page: concat!($page, ".md"),
                        when: When::$when,
                        origin: Origin::$origin,
                        description: $description,
                    },)*
                }
            }
        }
    };
}

rules! {
    StageNameCasing, "stage-name-casing", Always, BuildKit,
        "The name of a stage should be in lower case";
    FromAsCasing, "from-as-casing", Always, BuildKit,
        "`AS` should be written in the same case as its `FROM`";
    NoEmptyContinuation, "no-empty-continuation", Always, BuildKit,
        "An empty line inside of an instruction will become an error";
    ConsistentInstructionCasing, "consistent-instruction-casing", Always, BuildKit,
        "All instructions of a file should be written in one case, upper or lower";
    DuplicateStageName, "duplicate-stage-name", Always, BuildKit,
        "No two stages should have the same name";
    ReservedStageName, "reserved-stage-name", Always, BuildKit,
        "A stage should not have a name that means something else";
    JSONArgsRecommended, "json-args-recommended", Always, BuildKit,
        "`CMD` and `ENTRYPOINT` should be JSON arrays, so that the process gets the signals itself";
    MaintainerDeprecated, "maintainer-deprecated", Always, BuildKit,
        "`MAINTAINER` is deprecated: a label should name the author";
    UndefinedArgInFrom, "undefined-arg-in-from", Always, BuildKit,
        "A `FROM` should use variables that are declared before the first `FROM`";
    WorkdirRelativePath, "workdir-relative-path", Always, BuildKit,
        "The first `WORKDIR` should be absolute, since a relative one depends on the base image";
    UndefinedVar, "undefined-var", Always, BuildKit,
        "A variable should be defined before it is used";
    MultipleInstructionsDisallowed, "multiple-instructions-disallowed", Always, BuildKit,
        "A stage should have one `CMD`, `ENTRYPOINT` and `HEALTHCHECK`, since the last one wins";
    LegacyKeyValueFormat, "legacy-key-value-format", Always, BuildKit,
        "`ENV` and `LABEL` should be written `key=value`, not `key value`";
    InvalidBaseImagePlatform, "invalid-base-image-platform", Always, BuildKit,
        "The base image should be of the platform that is built for";
    RedundantTargetPlatform, "redundant-target-platform", Always, BuildKit,
        "`FROM --platform=$TARGETPLATFORM` says what is so anyway";
    SecretsUsedInArgOrEnv, "secrets-used-in-arg-or-env", Always, BuildKit,
        "Secrets should not be in `ARG` or `ENV`, since they stay in the image";
    InvalidDefaultArgInFrom, "invalid-default-arg-in-from", Always, BuildKit,
        "A `FROM` should name an image without any build argument given";
    FromPlatformFlagConstDisallowed, "from-platform-flag-const-disallowed", Always, BuildKit,
        "The platform of a `FROM` should not be a constant";
    CopyIgnoredFile, "copy-ignored-file", Always, BuildKit,
        "What the ignore file leaves out should not be copied";
    InvalidDefinitionDescription, "invalid-definition-description", Asked, BuildKit,
        "The comment right above a stage or an `ARG` should describe it: its name, then the description";
    ExposeProtoCasing, "expose-proto-casing", Always, BuildKit,
        "The protocol of an `EXPOSE` should be in lower case";
    ExposeInvalidFormat, "expose-invalid-format", Always, BuildKit,
        "An `EXPOSE` should have neither an address nor a host port; it will become an error";
    InvalidUtf8, "invalid-utf8", Always, Kiln,
        "A Dockerfile should be UTF-8";
    CmdIgnored, "cmd-ignored", Always, Kiln,
        "A `CMD` should not stand beside an `ENTRYPOINT` for the shell that does not use it";
    CdWithoutEffect, "cd-without-effect", Always, Kiln,
        "A `RUN` should not only change its directory, since the next one begins in the `WORKDIR` again";
    EnvUsedWhereSet, "env-used-where-set", Always, Kiln,
        "An `ENV` should not use a variable that it sets itself, since it gets the old value";
    UnpinnedImage, "unpinned-image", Asked, Kiln,
        "A `FROM` should name a version of its image, and not `latest`";
    AddInsteadOfCopy, "add-instead-of-copy", Asked, Kiln,
        "Plain files should be copied by `COPY`, since `ADD` fetches and unpacks";
    RootUser, "root-user", Asked, Kiln,
        "The last `USER` should not be root";
    RelativeDestination, "relative-destination", Asked, Kiln,
        "A relative destination should have a `WORKDIR` before it, since it depends on the base image";
    SeveralSourcesNoSlash, "several-sources-no-slash", Asked, Kiln,
        "The destination of several sources should end in `/`, so that it is a directory";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pages_are_of_one_kind() {
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.name()), Some(*rule));
            let page = rule.page().strip_suffix(".md").expect("a page of Markdown");
            assert_eq!(page.replace('-', ""), rule.name().to_lowercase());
        }
        assert!(Rule::ALL.len() <= 64, "`Rules` has a bit for each");
    }

    #[test]
    fn sets() {
        let some: Rules = [Rule::UndefinedVar, Rule::InvalidUtf8].into_iter().collect();
        assert!(some.contains(Rule::UndefinedVar) && !some.contains(Rule::StageNameCasing));
        assert_eq!(some.iter().collect::<Vec<_>>(), [Rule::UndefinedVar, Rule::InvalidUtf8]);
        assert!(Rules::default().is_empty() && !some.is_empty());
    }
}
