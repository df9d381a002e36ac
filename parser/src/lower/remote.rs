//! Sources of `ADD` that are fetched: files of the web and Git repositories. Fetches nothing.

use graph::SourceOp;
use graph::op::Git;
use oci::Digest;

use super::{Step, refuse};
use crate::git_url::{self, GitUrl};
use crate::instruction::AddFiles;
use crate::{Diagnostic, Span};

/// A source that is not in the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remote {
    Git(GitUrl),
    Http(String),
}

/// What `source` is, if it is none of the context's paths.
pub(super) fn recognise(source: &str, span: Span) -> Step<Option<Remote>> {
    let git = GitUrl::parse(source).or_else(|error| refuse("InvalidGitSource", span, error.to_string()))?;
    Ok(match git {
        // A path, as far as an instruction is concerned.
        Some(git) if git.may_be_path => None,
        Some(git) => Some(Remote::Git(git)),
        None => is_http(source).then(|| Remote::Http(source.to_owned())),
    })
}

fn is_http(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The name that a file of the web gets: the last part of its path.
pub(super) fn file_name(url: &str) -> String {
    let (address, _, _) = git_url::parts(url);
    let path = address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let path = git_url::decoded(path, false).filter(|path| !path.chars().any(char::is_control)).unwrap_or_default();
    match path.trim_end_matches('/').rsplit('/').next() {
        None | Some("" | ".") => "__unnamed__".to_owned(),
        Some(name) => name.to_owned(),
    }
}

pub(super) fn http(url: &str, name: &str, checksum: Option<Digest>) -> SourceOp {
    SourceOp::Http { url: url.to_owned(), checksum, filename: Some(name.to_owned()), mode: None, owner: None }
}

/// `--checksum` of a file.
pub(super) fn checksum(text: &str, span: Span) -> Step<Option<Digest>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).or_else(|error| refuse("InvalidChecksum", span, format!("`--checksum={text}`: {error}")))
}

/// The repository with what `ADD` says of it. Both may say the same thing, but not two things.
pub(super) fn added(git: &GitUrl, add: &AddFiles, checksum: &str, span: Span) -> Step<Git> {
    if let (Some(flag), Some(option)) = (add.keep_git_dir, git.keep_git_dir)
        && flag != option
    {
        let message = format!("`--keep-git-dir={flag}` and `keep-git-dir={option}` in the address disagree");
        return refuse("InvalidGitSource", span, message);
    }
    if let Some(option) = git.checksum.as_deref().filter(|option| !checksum.is_empty() && checksum != *option) {
        let message = format!("`--checksum={checksum}` and the checksum in the address, `{option}`, disagree");
        return refuse("InvalidChecksum", span, message);
    }
    let mut source = git.source();
    source.keep_git_dir |= add.keep_git_dir == Some(true);
    source.checksum = source.checksum.or_else(|| Some(checksum.to_owned()).filter(|checksum| !checksum.is_empty()));
    Ok(source)
}

/// What `--checksum` can be given for: one source, and a fetched one.
pub(super) fn check_checksum(sources: &[String], span: Span) -> Step<()> {
    let [source] = sources else {
        let message = "`--checksum` is of one source, and there are several";
        let error = Diagnostic::error("InvalidChecksum", span, message).with_hint("write an `ADD` for each");
        return Err(Box::new(error));
    };
    match recognise(source, span)? {
        Some(_) => Ok(()),
        None => refuse("InvalidChecksum", span, "`--checksum` is for the contents of URLs and Git repositories"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (url, name) in [
            ("https://h/a/b.tar?x=1#y", "b.tar"),
            ("https://h/a%20b/", "a b"),
            ("https://h/", "__unnamed__"),
            ("https://h", "__unnamed__"),
            ("https://h/%zz", "__unnamed__"),
            ("https://h/a/..", ".."),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
    }
}
