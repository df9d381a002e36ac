//! `--build-context`: what names stand for in a build instead of stages and images. Pure; looks at no directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci::{Digest, Reference};
use parser::git_url::GitUrl;
use parser::lower::{CONTEXT, Layout, NamedContext, Version};

use crate::report::Problem;

/// All of a build's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedContexts {
    pub lowering: BTreeMap<String, NamedContext>,
    /// The directories, by the names that the executor knows them by.
    pub dirs: BTreeMap<String, PathBuf>,
}

const USAGE: &str = "`--build-context NAME=PATH`; PATH may also be `docker-image://IMAGE`, `oci-layout://PATH[:TAG|@DIGEST]`, \
                     `target:STAGE` or the address of a Git repository or a file";

/// What all the `--build-context` mean; of those with one name the last counts.
pub fn parse(values: &[String]) -> Result<NamedContexts, Problem> {
    let mut all = NamedContexts::default();
    for text in values.iter().filter(|text| !text.is_empty()) {
        let (name, place) = one(text)?;
        let context = match place {
            Place::Dir(dir) => {
                // A named context may be called as the main one is.
                let local = if name == CONTEXT { format!("_{name}") } else { name.clone() };
                all.dirs.insert(local.clone(), dir);
                NamedContext::Local(local)
            }
            Place::Else(context) => context,
        };
        all.lowering.insert(name, context);
    }
    Ok(all)
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Dir(PathBuf),
    Else(NamedContext),
}

fn one(text: &str) -> Result<(String, Place), Problem> {
    let wrong = |what: String| Problem::usage(format!("invalid build context `{text}`: {what}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("no `=` is in it".to_owned()).hint(USAGE))?;
    let name: Reference = name.parse().map_err(|error| wrong(format!("{error}")).hint("a name is like an image's"))?;
    let name = name.familiar();
    let name = name.strip_suffix(":latest").map_or(name.clone(), str::to_owned);
    let place = place(value).map_err(|what| wrong(what).hint(USAGE))?;
    Ok((name, place))
}

fn place(value: &str) -> Result<Place, String> {
    if let Some(image) = value.strip_prefix("docker-image://") {
        return match image {
            "scratch" => Ok(Place::Else(NamedContext::Scratch)),
            image => {
                image.parse().map(|image| Place::Else(NamedContext::Image(image))).map_err(|error| format!("{error}"))
            }
        };
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        return oci_layout(layout).map(|layout| Place::Else(NamedContext::OciLayout(layout)));
    }
    if let Some(stage) = value.strip_prefix("target:") {
        return Ok(Place::Else(NamedContext::Target(stage.to_owned())));
    }
    if let Some(url) = GitUrl::parse(value).map_err(|error| error.to_string())? {
        return Ok(Place::Else(NamedContext::Git(url)));
    }
    if value.starts_with("https://") || value.starts_with("http://") {
        return Ok(Place::Else(NamedContext::Http(value.to_owned())));
    }
    if value.is_empty() {
        return Err("what it stands for is missing".to_owned());
    }
    Ok(Place::Dir(PathBuf::from(value)))
}

/// `PATH[:TAG][@DIGEST]`; without either, the tag is `latest`.
fn oci_layout(text: &str) -> Result<Layout, String> {
    let (text, digest) = match text.rsplit_once('@') {
        Some((path, digest)) if digest.contains(':') && !digest.contains('/') => {
            let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
            (path, Some(digest))
        }
        _ => (text, None),
    };
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if is_tag(tag) => (path, Some(tag)),
        _ => (text, None),
    };
    if path.is_empty() {
        return Err("the path of the layout is missing".to_owned());
    }
    let version = digest.map_or_else(|| Version::Tag(tag.unwrap_or("latest").to_owned()), Version::Digest);
    Ok(Layout { path: path.to_owned(), version })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inner = |byte: u8| is_word(byte) || byte == b'.' || byte == b'-';
    text.len() <= 128 && text.bytes().next().is_some_and(is_word) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match one(text) {
            Ok((name, Place::Dir(dir))) => format!("{name} {dir:?}"),
            Ok((name, Place::Else(context))) => format!("{name} {context:?}"),
            Err(problem) => problem.message,
        }
    }

    #[test]
    fn what_a_name_stands_for() {
        for (text, meant) in [
            ("src=../lib", r#"src "../lib""#),
            ("src=/a=b", r#"src "/a=b""#),
            ("docker.io/library/node:latest=x", r#"node "x""#),
            ("node:20=target:base", r#"node:20 Target("base")"#),
            ("a=docker-image://scratch", "a Scratch"),
            ("a=oci-layout://l", r#"a OciLayout(Layout { path: "l", version: Tag("latest") })"#),
            ("a=oci-layout:///x/l:v1.0", r#"a OciLayout(Layout { path: "/x/l", version: Tag("v1.0") })"#),
            ("a=oci-layout://x:y/l", r#"a OciLayout(Layout { path: "x:y/l", version: Tag("latest") })"#),
            ("a=https://host/f.tar", r#"a Http("https://host/f.tar")"#),
        ] {
            assert_eq!(said(text), meant, "{text}");
        }
        let digest = Digest::of(b"");
        let layout = oci_layout(&format!("l:t@{digest}")).expect("valid");
        assert_eq!(layout, Layout { path: "l".to_owned(), version: Version::Digest(digest) });
        let (_, place) = one("a=docker-image://alpine:3").expect("valid");
        assert_eq!(place, Place::Else(NamedContext::Image("docker.io/library/alpine:3".parse().expect("a name"))));
        for url in ["https://host/r.git#v1:sub", "git@host:r", "github.com/u/r", "ssh://git@host/r"] {
            assert!(matches!(one(&format!("a={url}")), Ok((_, Place::Else(NamedContext::Git(_))))), "{url}");
        }
    }

    #[test]
    fn a_directory_is_known_by_its_name_unless_the_main_context_is() {
        let all = parse(&["a=x", "context=y", "a=z"].map(str::to_owned)).expect("valid");
        let dirs: Vec<_> = all.dirs.iter().map(|(name, dir)| format!("{name} {}", dir.display())).collect();
        assert_eq!(dirs, ["_context y", "a z"]);
        assert_eq!(all.lowering["context"], NamedContext::Local("_context".to_owned()));
        let all = parse(&["a=x", "a=target:b"].map(str::to_owned)).expect("valid");
        assert_eq!(all.lowering["a"], NamedContext::Target("b".to_owned()));
    }

    #[test]
    fn what_is_wrong() {
        for (text, told) in [
            ("src", "invalid build context `src`: no `=` is in it"),
            ("src=", "invalid build context `src=`: what it stands for is missing"),
            ("a=oci-layout://", "invalid build context `a=oci-layout://`: the path of the layout is missing"),
        ] {
            assert_eq!(said(text), told);
        }
        for text in ["SRC=x", "a=docker-image://A", "a=oci-layout://l@sha256:12", "a=https://h/r.git?x=y"] {
            assert!(one(text).is_err(), "{text}");
        }
    }
}
