//! What is fuzzed: everything that reads what others wrote. Each target takes any bytes and must come back, without a
//! panic, in time that grows with their number. Knows no fuzzer.

use std::collections::BTreeMap;

use oci::manifest::Document;
use oci::{ImageConfig, Platform, Reference, Tree, unpack};
use parser::expand::{Lexer, Quotes, Unset};
use parser::ignore::Ignore;
use parser::lint;
use parser::lower::{self, BaseImage, ImageError, Images, NamedContext, Request};

/// One reader of hostile bytes.
pub struct Target {
    /// Also the folder of its corpus.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 8] = [
    Target { name: "dockerfile", run: dockerfile },
    Target { name: "expand", run: expand },
    Target { name: "lint", run: linted },
    Target { name: "lower", run: lowered },
    Target { name: "ignore", run: ignore },
    Target { name: "layer", run: layer },
    Target { name: "manifest", run: manifest },
    Target { name: "tree", run: tree },
];

fn dockerfile(bytes: &[u8]) {
    let file = parser::parse(bytes);
    for diagnostic in &file.diagnostics {
        parser::diagnostic::render(diagnostic, "Dockerfile", &file.source);
    }
}

/// Every base image is the same small one.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let config = ImageConfig::scratch(platform);
        Ok(BaseImage { reference: name.clone(), digest: oci::Digest::of(b""), config })
    }
}

fn lowered(bytes: &[u8]) {
    let file = parser::parse(bytes);
    for request in [Request::default(), for_several_platforms()] {
        // What is refused is as good as what is lowered: it came back.
        let _ = lower::lower(&file, &request, &AnyImage);
    }
}

fn linted(bytes: &[u8]) {
    let linted = lint::check(&parser::parse(bytes), &Request::default(), &AnyImage);
    assert!(linted.warnings.iter().all(|warning| warning.span.first_line > 0), "a warning has a line");
}

/// Two platforms, and names that mean something else than a stage or an image.
fn for_several_platforms() -> Request {
    let platforms = ["linux/amd64", "linux/arm64"].map(|name| name.parse().expect("a platform")).into();
    let contexts = [
        ("alpine", NamedContext::Scratch),
        ("base", NamedContext::Local("base".to_owned())),
        ("src", NamedContext::Target("build".to_owned())),
    ];
    let contexts = contexts.map(|(name, context)| (name.to_owned(), context)).into();
    Request { platforms, contexts, ..Request::default() }
}

/// A text, then a line `--`, then `name=value` lines; read in every way there is.
fn expand(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (text, variables) = text.split_once("\n--\n").unwrap_or((&text, "x=a b\ny="));
    let variables: BTreeMap<String, String> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for escape in ['\\', '`'] {
        for quotes in [Quotes::Removed, Quotes::Kept, Quotes::Plain] {
            for (unset, raw_escapes) in [(Unset::Empty, false), (Unset::Kept, true)] {
                let lexer = Lexer { escape, quotes, unset, raw_escapes };
                let whole = lexer.expand(text, &variables);
                assert_eq!(lexer.word(text, &variables), whole.map(|expansion| expansion.text));
            }
        }
    }
}

/// Patterns, then a line `--`, then paths.
fn ignore(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (patterns, paths) = text.split_once("\n--\n").unwrap_or((&text, "a/b/c"));
    if let Ok(ignore) = Ignore::parse(patterns) {
        for path in paths.lines() {
            ignore.excludes(path.as_bytes());
        }
    }
}

fn layer(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut options = unpack::Options::layer();
    options.limits.bytes = 1 << 20;
    options.limits.entries = 1000;
    if let Ok(unpacked) = unpack::unpack(bytes, dir.path(), &options) {
        let again = Tree::from_bytes(&unpacked.tree.to_bytes()).expect("what was written is read");
        assert_eq!(again.digest(), unpacked.tree.digest());
    }
}

fn manifest(bytes: &[u8]) {
    let _ = Document::parse(bytes, None);
    let _ = ImageConfig::parse(bytes);
}

fn tree(bytes: &[u8]) {
    if let Ok(tree) = Tree::from_bytes(bytes) {
        assert_eq!(Tree::from_bytes(&tree.to_bytes()).expect("what was written is read"), tree);
    }
}
