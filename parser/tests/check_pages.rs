//! The pages of `docs/checks/`: every rule has one, its bad example breaks that rule and no other, its good ones break none,
//! and the way it names to skip or to ask for the rule works.

use std::path::PathBuf;

use oci::{DiffId, Digest, ImageConfig, Platform, Reference};
use parser::ignore::Ignore;
use parser::lint::{self, Rule};
use parser::lower::{BaseImage, ImageError, Images, Request};

/// Every image exists, with a `PATH`; those of `arm64v8/` are of that platform whatever is asked for.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let arm: Platform = "linux/arm64".parse().expect("a platform");
        let mut config = ImageConfig::scratch(if name.repository().starts_with("arm64v8/") { &arm } else { platform });
        config.config.env = Some(vec!["PATH=/bin".to_owned()]);
        config.rootfs.diff_ids = vec![DiffId(Digest::of(b""))];
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

struct Page {
    rule: Rule,
    text: String,
}

impl Page {
    fn read(rule: Rule) -> Self {
        let path = docs().join(rule.page());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { rule, text }
    }

    /// The text below a heading.
    fn section(&self, heading: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("\n## {heading}\n"))?;
        Some(rest.split("\n## ").next().unwrap_or(rest))
    }

    /// The fenced blocks of a language below a heading.
    fn blocks(&self, heading: &str, language: &str) -> Vec<Vec<u8>> {
        let section = self.section(heading).unwrap_or_else(|| panic!("{}: no {heading}", self.rule.name()));
        let fence = format!("```{language}\n");
        section.split(&fence).skip(1).map(|rest| bytes(rest.split("```").next().unwrap_or(rest))).collect()
    }

    /// The names of the rules that a Dockerfile breaks, with this page's ignore file.
    fn broken(&self, dockerfile: &[u8], checks: Option<String>) -> Vec<&'static str> {
        let ignore = self.blocks("Bad", "dockerignore").concat();
        let checks = checks.or_else(|| self.rule.experimental().then(|| format!("experimental={}", self.rule.name())));
        let request = Request {
            build_args: checks.into_iter().map(|checks| (lint::BUILD_ARG.to_owned(), checks)).collect(),
            build_platform: Some("linux/amd64".parse().expect("a platform")),
            ignored: Some(Ignore::parse(&String::from_utf8_lossy(&ignore)).expect("a good ignore file")),
            ..Request::default()
        };
        let linted = lint::check(&parser::parse(dockerfile), &request, &AnyImage);
        // What cannot be built without an argument is one rule's very subject.
        let is_about_errors = self.rule == Rule::InvalidDefaultArgInFrom;
        assert!(linted.errors.is_empty() || is_about_errors, "{}: {:?}", self.rule.name(), linted.errors);
        let mut names: Vec<&str> = linted.warnings.iter().map(|warning| warning.code.0).collect();
        names.dedup();
        names
    }
}

/// `\xE9` stands for a byte that a page cannot hold.
fn bytes(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        bytes.extend(piece[2..].bytes());
    }
    bytes
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/checks")
}

fn pages() -> impl Iterator<Item = Page> {
    Rule::ALL.iter().map(|rule| Page::read(*rule))
}

#[test]
fn bad_examples_break_their_rule_and_no_other() {
    for page in pages() {
        let examples = page.blocks("Bad", "dockerfile");
        assert!(!examples.is_empty(), "{}", page.rule.name());
        for example in examples {
            assert_eq!(page.broken(&example, None), [page.rule.name()], "{}", String::from_utf8_lossy(&example));
        }
    }
}

#[test]
fn good_examples_break_none() {
    for page in pages() {
        let examples = page.blocks("Good", "dockerfile");
        assert!(!examples.is_empty(), "{}", page.rule.name());
        for example in examples {
            assert_eq!(page.broken(&example, None), [""; 0], "{}", String::from_utf8_lossy(&example));
        }
    }
}

#[test]
fn the_way_out_is_one() {
    for page in pages() {
        let name = page.rule.name();
        for example in page.blocks("Bad", "dockerfile") {
            let top = |checks: &str| [format!("# check={checks}\n").as_bytes(), &example].concat();
            if page.rule.experimental() {
                let way = format!("`# check=experimental={name}`");
                assert!(page.section("Ask for it").is_some_and(|text| text.contains(&way)), "{name}");
                assert_eq!(page.broken(&top(&format!("experimental={name}")), Some(String::new())), [""; 0], "{name}");
                assert_eq!(page.broken(&example, Some("skip=".to_owned())), [""; 0], "{name}");
                continue;
            }
            let way = format!("`# check=skip={name}`");
            let text = page.section("Skip it").unwrap_or_else(|| panic!("{name}"));
            assert!(text.contains(&way), "{name}");
            assert_eq!(page.broken(&top(&format!("skip={name}")), None), [""; 0], "{name}");
            let above = above_each(&example, name);
            let is_skipped = page.broken(&above, None).is_empty();
            assert_eq!(is_skipped, text.contains("right above the instruction"), "{}", String::from_utf8_lossy(&above));
        }
    }
}

/// With the comment above each instruction; the file has another first, so that none is a directive.
fn above_each(dockerfile: &[u8], rule: &str) -> Vec<u8> {
    let parsed = parser::parse(dockerfile);
    let mut text = b"# An example.\n".to_vec();
    let mut at = 0;
    for node in &parsed.tree.nodes {
        let start = node.span.start as usize;
        text.extend(&dockerfile[at..start]);
        text.extend(format!("# check=skip={rule}\n").bytes());
        at = start;
    }
    text.extend(&dockerfile[at..]);
    text
}

#[test]
fn the_index_names_every_page_and_no_other() {
    let index = std::fs::read_to_string(docs().join("README.md")).expect("there is an index");
    let mut files: Vec<String> = std::fs::read_dir(docs())
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    files.sort();
    let mut named: Vec<String> = Rule::ALL.iter().map(|rule| rule.page().to_owned()).collect();
    named.sort();
    assert_eq!(files, named);
    for rule in Rule::ALL {
        let line = format!("| [`{}`]({}) | {} |", rule.name(), rule.page(), rule.description());
        assert!(index.contains(&line), "the index lacks: {line}");
    }
}
