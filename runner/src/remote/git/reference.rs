//! References of a remote: which names there are, and which commit one means. Pure.

use serde::{Deserialize, Serialize};

/// What a reference has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    pub commit: String,
    /// What the reference names: the commit, or an annotated tag of it.
    pub object: String,
    /// Its full name (`refs/heads/main`), if it has one.
    pub reference: Option<String>,
}

impl Resolved {
    /// A commit by its full name; `branch` is what it is to be called.
    pub fn pinned(commit: &str, branch: Option<&str>) -> Self {
        let reference = branch.map(|branch| match branch.starts_with("refs/") {
            true => branch.to_owned(),
            false => format!("refs/heads/{branch}"),
        });
        Self { commit: commit.to_owned(), object: commit.to_owned(), reference }
    }

    pub fn has_checksum(&self, checksum: &str) -> bool {
        self.commit.starts_with(checksum) || self.object.starts_with(checksum)
    }

    /// How the remote names objects.
    pub fn format(&self) -> &'static str {
        if self.object.len() == 64 { "sha256" } else { "sha1" }
    }
}

/// Whether `text` is the full name of a commit.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `text` may be the beginning of a commit's name.
pub fn may_be_short(text: &str) -> bool {
    (4..40).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `text` may name a reference (`git check-ref-format`). What else Git gives a meaning to is none.
pub fn is_name(text: &str) -> bool {
    let bad_char = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    !text.is_empty()
        && !text.starts_with(['-', '+'])
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(bad_char)
        && !text.split('/').any(bad_part)
}

/// What `wanted`, the remote's default when absent, means, by what `git ls-remote --symref` has printed. A branch comes
/// before a tag, as in `git checkout`.
pub fn choose(listed: &str, wanted: Option<&str>) -> Option<Resolved> {
    let lines: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let of = |name: &str| lines.iter().find(|(id, line)| *line == name && is_commit(id)).map(|(id, _)| *id);
    let Some(wanted) = wanted else {
        let target = lines.iter().find_map(|(text, name)| text.strip_prefix("ref: ").filter(|_| *name == "HEAD"));
        let reference = target.filter(|target| is_name(target)).map(str::to_owned);
        return of("HEAD").map(|id| Resolved { commit: id.to_owned(), object: id.to_owned(), reference });
    };
    let whole = format!("refs/{}", wanted.strip_prefix("refs/").unwrap_or(wanted));
    let head = format!("refs/heads/{}", wanted.strip_prefix("refs/heads/").unwrap_or(wanted));
    let tag = format!("refs/tags/{}", wanted.strip_prefix("refs/tags/").unwrap_or(wanted));
    let (reference, object) = [whole, head, tag].into_iter().find_map(|name| of(&name).map(|id| (name, id)))?;
    let commit = of(&format!("{reference}^{{}}")).unwrap_or(object);
    Some(Resolved { commit: commit.to_owned(), object: object.to_owned(), reference: Some(reference) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> String {
        std::iter::repeat_n(digit, 40).collect()
    }

    #[test]
    fn a_branch_comes_before_a_tag_and_a_tag_is_peeled() {
        let listed = format!(
            "ref: refs/heads/main\tHEAD\n{0}\tHEAD\n{0}\trefs/heads/main\n{1}\trefs/heads/v1\n{2}\trefs/tags/v1\n\
             {3}\trefs/tags/v2\n{4}\trefs/tags/v2^{{}}\n{5}\trefs/pull/1/head\nx\trefs/heads/bad\n",
            id('0'),
            id('1'),
            id('2'),
            id('3'),
            id('4'),
            id('5')
        );
        let found = |wanted: Option<&str>| {
            choose(&listed, wanted).map(|found| {
                let digits = [&found.object, &found.commit].map(|id| id[..1].to_owned()).concat();
                format!("{digits} {}", found.reference.unwrap_or_default())
            })
        };
        let table = [
            (None, Some("00 refs/heads/main")),
            (Some("main"), Some("00 refs/heads/main")),
            (Some("heads/main"), Some("00 refs/heads/main")),
            (Some("v1"), Some("11 refs/heads/v1")),
            (Some("refs/tags/v1"), Some("22 refs/tags/v1")),
            (Some("v2"), Some("34 refs/tags/v2")),
            (Some("refs/pull/1/head"), Some("55 refs/pull/1/head")),
            (Some("bad"), None),
            (Some("none"), None),
        ];
        for (wanted, expected) in table {
            assert_eq!(found(wanted).as_deref(), expected, "{wanted:?}");
        }
    }
}
