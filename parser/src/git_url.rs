//! What names a Git repository: an address, and behind it a fragment or a query that says which files of which commit.
//! Knows no network and no `git` program.
//!
//! `https://host/path.git#ref:subdir`, `https://host/path.git?branch=main&subdir=x`, `ssh://…`, `git://…`,
//! `git@host:path`, and `github.com/user/repo`, which cannot be told from a directory and is taken for a repository
//! only where the caller wants it to be. An `http` or `https` address is one of a repository if its path ends in
//! `.git`.

use std::collections::BTreeMap;

use graph::op::Git;

/// A repository, and what of it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitUrl {
    /// As the `git` program takes it.
    pub remote: String,
    pub reference: Option<String>,
    pub subdir: Option<String>,
    pub checksum: Option<String>,
    pub keep_git_dir: Option<bool>,
    pub submodules: Option<bool>,
    /// Files get the time of the commit.
    pub commit_times: bool,
    pub fetch_by_commit: bool,
    /// `github.com/…`: it may be a path as well.
    pub may_be_path: bool,
}

/// What is wrong with an address that is one of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitUrlError {
    #[error("`{url}` cannot be read as an address: {reason}")]
    Address { url: String, reason: &'static str },
    #[error("query \"{name}\" has no value")]
    NoValue { name: String },
    #[error("query \"{name}\" has multiple values")]
    Several { name: String },
    #[error("invalid {name} value: \"{value}\"")]
    Value { name: String, value: String },
    #[error("{what} conflicts: \"{one}\" vs \"{other}\"")]
    Conflict { what: &'static str, one: String, other: String },
    #[error("branch conflicts with tag")]
    BranchAndTag,
    #[error("unexpected query \"{name}\"")]
    Unexpected { name: String },
}

impl GitUrl {
    /// `Ok(None)`: `text` names no repository.
    pub fn parse(text: &str) -> Result<Option<Self>, GitUrlError> {
        if text.starts_with("./") || text.starts_with("../") {
            return Ok(None);
        }
        if text.starts_with("github.com/") {
            let url = Self::of_url(&format!("https://{text}"))?;
            return Ok(url.map(|url| Self { may_be_path: true, ..url }));
        }
        match text.split_once("://") {
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let scheme = scheme.to_ascii_lowercase();
                let by_suffix = matches!(scheme.as_str(), "http" | "https");
                if !by_suffix && !matches!(scheme.as_str(), "ssh" | "git") {
                    return Ok(None);
                }
                let text = format!("{scheme}{}", &text[scheme.len()..]);
                if by_suffix && !decoded(parts(&text).0, false).is_some_and(|address| address.ends_with(".git")) {
                    return Ok(None);
                }
                Self::of_url(&text)
            }
            _ => Self::of_scp(text),
        }
    }

    /// The op that fetches it.
    pub fn source(&self) -> Git {
        Git {
            reference: self.reference.clone(),
            subdir: self.subdir.clone(),
            checksum: self.checksum.clone(),
            keep_git_dir: self.keep_git_dir == Some(true),
            skip_submodules: self.submodules == Some(false),
            commit_times: self.commit_times,
            fetch_by_commit: self.fetch_by_commit,
            ..Git::new(&self.remote, self.is_ssh().then_some("default"))
        }
    }

    fn is_ssh(&self) -> bool {
        self.remote.split_once("://").is_none_or(|(scheme, _)| scheme == "ssh")
    }

    fn of_url(text: &str) -> Result<Option<Self>, GitUrlError> {
        let bad = |reason| GitUrlError::Address { url: text.to_owned(), reason };
        if text.chars().any(|c| c.is_control()) {
            return Err(bad("it holds a control character"));
        }
        let (address, query, fragment) = parts(text);
        let host = address.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        if host.contains(' ') {
            return Err(bad("its host holds a blank"));
        }
        if decoded(address, false).is_none() {
            return Err(bad("its path holds a `%` that is not followed by two hexadecimal digits"));
        }
        let fragment =
            decoded(fragment, false).ok_or_else(|| bad("its fragment holds a `%` without hexadecimal digits"))?;
        Self::of_parts(address, query, &fragment).map(Some)
    }

    /// `user@host:path`, as `scp` has it.
    fn of_scp(text: &str) -> Result<Option<Self>, GitUrlError> {
        let word = |text: &str, more: &[char]| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
        };
        let Some((user, rest)) = text.split_once('@') else { return Ok(None) };
        let Some((host, _)) = rest.split_once(':') else { return Ok(None) };
        if !word(user, &['-', '_']) || !word(host, &['-', '.']) || text.contains('\n') {
            return Ok(None);
        }
        let (address, query, fragment) = parts(text);
        Self::of_parts(address, query, fragment).map(Some)
    }

    fn of_parts(address: &str, query: &str, fragment: &str) -> Result<Self, GitUrlError> {
        let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
        let mut url = Self {
            remote: address.to_owned(),
            reference: some(reference),
            subdir: some(crate::path::rooted(subdir).trim_start_matches('/')),
            ..Self::default()
        };
        url.read_query(query)?;
        Ok(url)
    }

    fn read_query(&mut self, query: &str) -> Result<(), GitUrlError> {
        let (mut tag, mut branch) = (None, None);
        for (name, values) in fields(query) {
            let [value] = values.as_slice() else { return Err(GitUrlError::Several { name }) };
            let is_flag = matches!(name.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit");
            if value.is_empty() && !is_flag {
                return Err(GitUrlError::NoValue { name });
            }
            match name.as_str() {
                "ref" => agree("ref", &mut self.reference, value)?,
                "tag" => tag = Some(prefixed("refs/tags/", value)),
                "branch" => branch = Some(prefixed("refs/heads/", value)),
                "subdir" => agree("subdir", &mut self.subdir, value)?,
                "checksum" | "commit" => agree("checksum", &mut self.checksum, value)?,
                "keep-git-dir" => self.keep_git_dir = Some(flag(&name, value)?),
                "submodules" => self.submodules = Some(flag(&name, value)?),
                "fetch-by-commit" => self.fetch_by_commit = flag(&name, value)?,
                "mtime" if matches!(value.as_str(), "checkout" | "commit") => self.commit_times = value == "commit",
                "mtime" => return Err(GitUrlError::Value { name, value: value.clone() }),
                _ => return Err(GitUrlError::Unexpected { name }),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err(GitUrlError::BranchAndTag);
        }
        tag.or(branch).map_or(Ok(()), |reference| agree("ref", &mut self.reference, &reference))
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn prefixed(prefix: &str, value: &str) -> String {
    if value.starts_with(prefix) { value.to_owned() } else { format!("{prefix}{value}") }
}

fn agree(what: &'static str, known: &mut Option<String>, value: &str) -> Result<(), GitUrlError> {
    match known {
        Some(one) if one != value => Err(GitUrlError::Conflict { what, one: one.clone(), other: value.to_owned() }),
        _ => {
            *known = Some(value.to_owned());
            Ok(())
        }
    }
}

/// As Go's `strconv.ParseBool` has it; a flag without a value is on.
fn flag(name: &str, value: &str) -> Result<bool, GitUrlError> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(GitUrlError::Value { name: name.to_owned(), value: value.to_owned() }),
    }
}

/// Address, query, fragment.
pub(crate) fn parts(text: &str) -> (&str, &str, &str) {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    (address, query, fragment)
}

/// The fields of a query, by name. What is not well formed is left out, as Go does.
fn fields(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for field in query.split('&').filter(|field| !field.is_empty() && !field.contains(';')) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        if let (Some(name), Some(value)) = (decoded(name, true), decoded(value, true)) {
            fields.entry(name).or_default().push(value);
        }
    }
    fields
}

/// With each `%xx` as its byte, and, in a query, each `+` as a blank; `None` where a `%` has no digits.
pub(crate) fn decoded(text: &str, query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, rest @ ..] = left {
        left = rest;
        match first {
            b'%' => {
                let [high, low, rest @ ..] = rest else { return None };
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? << 4 | digit(low)?);
                left = rest;
            }
            b'+' if query => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `remote reference subdir`, with `-` for what is absent; the error; or nothing.
    fn shown(text: &str) -> String {
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        match GitUrl::parse(text) {
            Ok(None) => String::new(),
            Ok(Some(url)) => format!("{} {} {}", url.remote, or(url.reference), or(url.subdir)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_names_a_repository() {
        let table = [
            ("https://h/r.git", "https://h/r.git - -"),
            ("HTTPS://h/r.git", "https://h/r.git - -"),
            ("https://h/r", ""),
            ("https://h/r.git.zip", ""),
            ("https://u:p@h:1/r.git#main", "https://u:p@h:1/r.git main -"),
            ("https://h/r.git#main:a/../b/", "https://h/r.git main b"),
            ("https://h/r.git#:sub", "https://h/r.git - sub"),
            ("https://h/r.git#a%20b", "https://h/r.git a b -"),
            ("https://h/r.git?branch=x&subdir=y", "https://h/r.git refs/heads/x y"),
            ("https://h/r.git?tag=v1", "https://h/r.git refs/tags/v1 -"),
            ("https://h/r.git?ref=v1#v1:d", "https://h/r.git v1 d"),
            ("git://h/r", "git://h/r - -"),
            ("ssh://git@h:22/r#x", "ssh://git@h:22/r x -"),
            ("git@h:a/r.git#x:y", "git@h:a/r.git x y"),
            ("me@h:a?ref=x", "me@h:a x -"),
            ("a@b", ""),
            ("github.com/a/b", "https://github.com/a/b - -"),
            ("./github.com/a/b", ""),
            ("ftp://h/r.git", ""),
            ("dir/file", ""),
            ("https://h/r.git?ref=a#b", "ref conflicts: \"b\" vs \"a\""),
            ("https://h/r.git?tag=a&branch=b", "branch conflicts with tag"),
            ("https://h/r.git?x=a", "unexpected query \"x\""),
            ("https://h/r.git?ref", "query \"ref\" has no value"),
            ("https://h/r.git?ref=a&ref=b", "query \"ref\" has multiple values"),
            ("https://h/r.git?submodules=maybe", "invalid submodules value: \"maybe\""),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_query_says_besides() {
        let url = GitUrl::parse("https://h/r.git?keep-git-dir&submodules=0&commit=abc&fetch-by-commit=1&mtime=commit");
        let source = url.expect("valid").expect("a repository").source();
        assert!(source.keep_git_dir && source.skip_submodules && source.fetch_by_commit && source.commit_times);
        assert_eq!(source.ssh, None);
        assert_eq!(source.checksum.as_deref(), Some("abc"));
    }
}
