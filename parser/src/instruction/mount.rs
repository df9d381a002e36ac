//! The value of `RUN --mount`: comma-separated options. Does not know what is mounted where.
//!
//! Where the Dockerfile is read, only `from` and the quoting can be judged ([`check`]). Everything else may hold
//! variables and is read when they are known ([`parse`]).

use crate::instruction::fields;
use crate::instruction::flags::Takes;
use crate::instruction::size;
use crate::nearest::nearest;
use crate::text::Text;

/// One `--mount`, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mount {
    pub kind: MountKind,
    pub from: Text,
    pub source: Text,
    pub target: Text,
    pub read_only: bool,
    /// Bytes; 0 is no limit. `tmpfs` only.
    pub size_limit: i64,
    pub id: Text,
    pub sharing: Option<Sharing>,
    pub required: bool,
    /// `Some("")` takes the secret's name.
    pub env: Option<Text>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    Shared,
    Private,
    Locked,
}

/// What is wrong with a `--mount`; `subject` is the part of its text that is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MountError {
    pub message: String,
    pub subject: String,
    pub hint: Option<String>,
}

/// An option that mounts have.
#[derive(Debug, Clone, Copy)]
pub struct MountOption {
    /// All its spellings; the first is the one to show.
    pub names: &'static [&'static str],
    /// For which kinds of mount it means something.
    pub kinds: &'static [MountKind],
    pub takes: Takes,
}

const ANY: &[MountKind] = &MountKind::ALL;
const FILES: &[MountKind] = &[MountKind::Bind, MountKind::Cache];
const NAMED: &[MountKind] = &[MountKind::Cache, MountKind::Secret, MountKind::Ssh];
const FROM_OUTSIDE: &[MountKind] = &[MountKind::Secret, MountKind::Ssh];

/// All options of mounts.
pub static OPTIONS: [MountOption; 14] = [
    option(&["type"], ANY),
    option(&["from"], FILES),
    option(&["source", "src"], &[MountKind::Bind, MountKind::Cache, MountKind::Secret]),
    option(&["target", "dst", "destination"], ANY),
    switch(&["readonly", "ro"], FILES),
    option(&["id"], NAMED),
    option(&["sharing"], &[MountKind::Cache]),
    switch(&["required"], FROM_OUTSIDE),
    option(&["size"], &[MountKind::Tmpfs]),
    option(&["mode"], NAMED),
    option(&["uid"], NAMED),
    option(&["gid"], NAMED),
    switch(&["readwrite", "rw"], FILES),
    option(&["env"], &[MountKind::Secret]),
];

const fn option(names: &'static [&'static str], kinds: &'static [MountKind]) -> MountOption {
    MountOption { names, kinds, takes: Takes::Value }
}

const fn switch(names: &'static [&'static str], kinds: &'static [MountKind]) -> MountOption {
    MountOption { names, kinds, takes: Takes::Switch }
}

impl MountOption {
    /// The option that is spelled `name`, in lower case.
    pub fn named(name: &str) -> Option<&'static MountOption> {
        OPTIONS.iter().find(|option| option.names.contains(&name))
    }
}

/// The kinds that an option is for; none if there is no such option.
fn kinds_with(name: &str) -> &'static [MountKind] {
    MountOption::named(name).map_or(&[], |option| option.kinds)
}

impl MountKind {
    pub const ALL: [MountKind; 5] =
        [MountKind::Bind, MountKind::Cache, MountKind::Tmpfs, MountKind::Secret, MountKind::Ssh];

    pub fn as_str(self) -> &'static str {
        match self {
            MountKind::Bind => "bind",
            MountKind::Cache => "cache",
            MountKind::Tmpfs => "tmpfs",
            MountKind::Secret => "secret",
            MountKind::Ssh => "ssh",
        }
    }
}

impl Sharing {
    pub const ALL: [Sharing; 3] = [Sharing::Shared, Sharing::Private, Sharing::Locked];

    pub fn as_str(self) -> &'static str {
        match self {
            Sharing::Shared => "shared",
            Sharing::Private => "private",
            Sharing::Locked => "locked",
        }
    }
}

impl MountError {
    fn new(subject: &str, message: impl Into<String>) -> Self {
        MountError { message: message.into(), subject: subject.to_owned(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn did_you_mean<'k>(mut self, word: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        self.hint = nearest(word, known).map(|meant| format!("did you mean `{meant}`?"));
        self
    }
}

/// Judges what can be judged before variables are known.
pub fn check(value: &str) -> Result<(), MountError> {
    for field in split(value)? {
        let Some((key, from)) = field.split_once('=') else { continue };
        let variable = from.find('$').is_some_and(|at| at + 1 < from.len());
        if key.eq_ignore_ascii_case("from") && variable {
            return Err(MountError::new(&field, "`from` of a mount cannot hold a variable")
                .hint(format!("name a stage with `FROM {from} AS name`, and mount from that")));
        }
    }
    Ok(())
}

/// Reads the value of one `--mount`; `expand` is applied to the value of every `key=value`.
pub fn parse(value: &str, expand: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Mount, MountError> {
    let mut reader = Reader::default();
    for field in split(value)? {
        match field.split_once('=') {
            Some((key, value)) => {
                let value = expand(value).map_err(|message| MountError::new(&field, message))?;
                reader.option(&key.to_lowercase(), &value, &field)?;
            }
            None => reader.word(&field.to_lowercase(), &field)?,
        }
    }
    reader.finish(value)
}

fn split(value: &str) -> Result<Vec<String>, MountError> {
    if value.is_empty() {
        return Err(MountError::new("--mount=", "a mount has no options").hint("`--mount=type=cache,target=/path`"));
    }
    fields::split(value).map_err(|_| {
        MountError::new(value, "the quotes of a mount's options are wrong")
            .hint("quote a whole option: `\"target=/a,b\"`")
    })
}

#[derive(Default)]
struct Reader {
    mount: Mount,
    /// Whether `readonly` or `readwrite` was given.
    access_given: bool,
}

impl Reader {
    fn word(&mut self, key: &str, field: &str) -> Result<(), MountError> {
        match key {
            "readonly" | "ro" => self.access(true),
            "readwrite" | "rw" => self.access(false),
            "required" => {
                self.only_for(key, field)?;
                self.mount.required = true;
            }
            _ => {
                let error = MountError::new(field, format!("`{field}` of a mount is not `key=value`"));
                return Err(error.did_you_mean(key, ["readonly", "ro", "readwrite", "rw", "required"]));
            }
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &str, field: &str) -> Result<(), MountError> {
        let invalid = || MountError::new(field, format!("`{key}` of a mount cannot be `{value}`"));
        let id = || value.parse::<u32>().ok().filter(|_| !value.starts_with('+')).ok_or_else(invalid);
        match key {
            "type" => self.mount.kind = kind(value, field)?,
            "from" => self.mount.from = value.into(),
            "source" | "src" => self.mount.source = value.into(),
            "target" | "dst" | "destination" => self.mount.target = value.into(),
            "readonly" | "ro" => self.access(boolean(value).ok_or_else(invalid)?),
            "readwrite" | "rw" => self.access(!boolean(value).ok_or_else(invalid)?),
            "required" => {
                self.only_for(key, field)?;
                self.mount.required = boolean(value).ok_or_else(invalid)?;
            }
            "size" => {
                self.only_for(key, field)?;
                self.mount.size_limit = size::bytes(value).ok_or_else(invalid)?;
            }
            "id" => self.mount.id = value.into(),
            "sharing" => self.mount.sharing = Some(sharing(value, field)?),
            "mode" => {
                let digits = !value.starts_with('+');
                let mode = u32::from_str_radix(value, 8).ok().filter(|_| digits);
                self.mount.mode = Some(mode.ok_or_else(|| invalid().hint("a mode is octal, like `0755`"))?);
            }
            "uid" => self.mount.uid = Some(id()?),
            "gid" => self.mount.gid = Some(id()?),
            "env" => self.mount.env = Some(value.into()),
            _ => {
                let error = MountError::new(field, format!("a mount has no option `{key}`"));
                return Err(error.did_you_mean(key, OPTIONS.iter().flat_map(|option| option.names).copied()));
            }
        }
        Ok(())
    }

    fn access(&mut self, read_only: bool) {
        self.mount.read_only = read_only;
        self.access_given = true;
    }

    /// Refuses an option before its time: the kind must be known by then.
    fn only_for(&self, key: &str, field: &str) -> Result<(), MountError> {
        let kinds = kinds_with(key);
        if kinds.contains(&self.mount.kind) {
            return Ok(());
        }
        let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        let message = format!("a mount of type `{}` has no option `{key}`", self.mount.kind.as_str());
        Err(MountError::new(field, message)
            .hint(format!("`{key}` is for `type={}`, which comes first", names.join("|"))))
    }

    fn finish(mut self, value: &str) -> Result<Mount, MountError> {
        let kind = self.mount.kind;
        if !self.access_given {
            self.mount.read_only = !matches!(kind, MountKind::Cache | MountKind::Tmpfs);
        }
        let mount = self.mount;
        let refuse = |message: String| Err(MountError::new(value, message));
        for (key, given) in [("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)] {
            if given.is_some() && !kinds_with(key).contains(&kind) {
                return refuse(format!("a mount of type `{}` has no option `{key}`", kind.as_str()));
            }
        }
        if mount.sharing.is_some() && !kinds_with("sharing").contains(&kind) {
            return refuse(format!(
                "a mount of type `{}` cannot be shared; `sharing` is for `type=cache`",
                kind.as_str()
            ));
        }
        if kind == MountKind::Secret {
            if !mount.from.is_empty() {
                return refuse("a secret comes from the command line, so its mount has no `from`".into());
            }
            if mount.source.is_empty() && mount.target.is_empty() && mount.id.is_empty() {
                return refuse("a secret's mount needs an `id` or a `target`".into());
            }
            if !mount.source.is_empty() && !mount.id.is_empty() {
                return refuse(
                    "`source` and `id` of a secret's mount are the same thing; only one can be given".into(),
                );
            }
        }
        Ok(mount)
    }
}

fn kind(value: &str, field: &str) -> Result<MountKind, MountError> {
    MountKind::ALL.into_iter().find(|kind| value.eq_ignore_ascii_case(kind.as_str())).ok_or_else(|| {
        MountError::new(field, format!("there is no mount of type `{value}`"))
            .did_you_mean(value, MountKind::ALL.map(MountKind::as_str))
    })
}

fn sharing(value: &str, field: &str) -> Result<Sharing, MountError> {
    Sharing::ALL.into_iter().find(|mode| value.eq_ignore_ascii_case(mode.as_str())).ok_or_else(|| {
        MountError::new(field, format!("a cache cannot be shared as `{value}`"))
            .did_you_mean(value, Sharing::ALL.map(Sharing::as_str))
    })
}

/// The spellings that Go takes.
pub fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
