//! Where a build's result goes, as `-o` says it: `type=oci,dest=F.tar`, `DIR`, `-`. Pure; writes nothing.

use std::path::PathBuf;

use oci::Reference;
use oci::compress::Compression;

use super::request::{csv, name};
use crate::report::{Problem, did_you_mean};

const TYPES: [&str; 6] = ["image", "oci", "docker", "local", "tar", "cacheonly"];
const KEYS: [&str; 6] = ["type", "dest", "name", "compression", "push", "tar"];
const COMPRESSIONS: [&str; 3] = ["uncompressed", "gzip", "zstd"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The store, under these names as well.
    Image {
        names: Vec<Reference>,
    },
    Archive {
        form: Form,
        dest: Dest,
        names: Vec<Reference>,
        compression: Option<Compression>,
    },
    /// The files of the root filesystem.
    Local {
        dest: PathBuf,
    },
    Tar {
        dest: Dest,
    },
    /// The steps are done and remembered, and that is all.
    CacheOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Oci,
    Docker,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dest {
    Stdout,
    File(PathBuf),
}

/// What the value of one `-o` means.
pub fn parse(text: &str) -> Result<Output, Problem> {
    let wrong = |what: String| Problem::usage(format!("invalid output `{text}`: {what}"));
    let fields = csv::fields(text).map_err(|what| wrong(what.to_owned()))?;
    if let [only] = fields.as_slice()
        && !only.contains('=')
    {
        return Ok(match only.as_str() {
            "-" => Output::Tar { dest: Dest::Stdout },
            dir => Output::Local { dest: PathBuf::from(dir) },
        });
    }
    let mut wish = Wish::default();
    for field in &fields {
        let (key, value) = field.split_once('=').ok_or_else(|| {
            wrong(format!("`{field}` is no `key=value`")).hint("`-o DIR`, or `-o type=oci,dest=F.tar`")
        })?;
        wish.take(key.trim(), value).map_err(|(what, hint)| wrong(what).hint_if(hint))?;
    }
    wish.output(text)
}

#[derive(Debug, Default)]
struct Wish {
    kind: Option<String>,
    dest: Option<String>,
    names: Vec<Reference>,
    compression: Option<Compression>,
}

type Complaint = (String, Option<String>);

impl Wish {
    fn take(&mut self, key: &str, value: &str) -> Result<(), Complaint> {
        match key {
            "type" => self.kind = Some(value.to_owned()),
            "dest" => self.dest = Some(value.to_owned()),
            "name" => {
                for text in value.split(',').filter(|text| !text.is_empty()) {
                    self.names.push(name(text).map_err(|problem| (problem.message, problem.hint))?);
                }
            }
            "compression" => self.compression = Some(compression(value)?),
            "push" if is_false(value) => {}
            "push" => {
                return Err(("pushing is not there yet".to_owned(), Some("write `type=oci` and push that".to_owned())));
            }
            "tar" if is_false(value) => {
                let hint = "unpack the archive: an OCI layout is what is in it".to_owned();
                return Err(("`tar=false` is not there yet".to_owned(), Some(hint)));
            }
            "tar" => {}
            _ => return Err((format!("unknown key `{key}`"), did_you_mean(key, KEYS))),
        }
        Ok(())
    }

    fn output(self, text: &str) -> Result<Output, Problem> {
        let wrong = |what: String| Problem::usage(format!("invalid output `{text}`: {what}"));
        let Some(kind) = self.kind else {
            return Err(wrong("`type` is missing".to_owned()).hint(format!("one of {}", TYPES.join(", "))));
        };
        let dest = match self.dest.as_deref() {
            None | Some("" | "-") => Dest::Stdout,
            Some(path) => Dest::File(PathBuf::from(path)),
        };
        Ok(match (kind.as_str(), dest) {
            ("image", _) => Output::Image { names: self.names },
            // Docker takes this for loading into its store, which here is the store.
            ("docker", Dest::Stdout) if self.dest.is_none() => Output::Image { names: self.names },
            ("oci", dest) => {
                Output::Archive { form: Form::Oci, dest, names: self.names, compression: self.compression }
            }
            ("docker", dest) => {
                Output::Archive { form: Form::Docker, dest, names: self.names, compression: self.compression }
            }
            ("local", Dest::File(dest)) => Output::Local { dest },
            ("local", Dest::Stdout) => {
                return Err(wrong("`dest`, the directory to write to, is missing".to_owned())
                    .hint("`-o type=local,dest=DIR`; `-o -` writes a tar to standard output"));
            }
            ("tar", dest) => Output::Tar { dest },
            ("cacheonly", _) => Output::CacheOnly,
            ("registry", _) => {
                return Err(wrong("pushing is not there yet".to_owned()).hint("write `type=oci` and push that"));
            }
            (other, _) => {
                let hint = did_you_mean(other, TYPES).unwrap_or_else(|| format!("one of {}", TYPES.join(", ")));
                return Err(wrong(format!("unknown type `{other}`")).hint(hint));
            }
        })
    }
}

fn compression(value: &str) -> Result<Compression, Complaint> {
    match value {
        "uncompressed" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        _ => {
            let hint =
                did_you_mean(value, COMPRESSIONS).unwrap_or_else(|| format!("one of {}", COMPRESSIONS.join(", ")));
            Err((format!("unknown compression `{value}`"), Some(hint)))
        }
    }
}

fn is_false(value: &str) -> bool {
    matches!(value, "false" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match parse(text) {
            Ok(output) => format!("{output:?}"),
            Err(problem) => format!("{}; {}", problem.message, problem.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn what_is_meant() {
        for (text, meant) in [
            ("out", r#"Local { dest: "out" }"#),
            ("-", "Tar { dest: Stdout }"),
            ("type=local,dest=a b", r#"Local { dest: "a b" }"#),
            (r#"type=tar,"dest=a,b""#, r#"Tar { dest: File("a,b") }"#),
            ("type=image", "Image { names: [] }"),
            ("type=docker", "Image { names: [] }"),
            (
                "type=oci,dest=f.tar,compression=zstd",
                r#"Archive { form: Oci, dest: File("f.tar"), names: [], compression: Some(Zstd) }"#,
            ),
            ("type=docker,dest=-", "Archive { form: Docker, dest: Stdout, names: [], compression: None }"),
        ] {
            assert_eq!(said(text), meant, "{text}");
        }
    }

    #[test]
    fn what_is_wrong() {
        for (text, told) in [
            ("type=dokcer", "invalid output `type=dokcer`: unknown type `dokcer`; did you mean `docker`?"),
            ("dest=x", "invalid output `dest=x`: `type` is missing; one of image, oci, docker, local, tar, cacheonly"),
            ("type=oci,des=x", "invalid output `type=oci,des=x`: unknown key `des`; did you mean `dest`?"),
            (
                "type=local",
                "invalid output `type=local`: `dest`, the directory to write to, is missing; `-o type=local,dest=DIR`; \
                 `-o -` writes a tar to standard output",
            ),
            (r#"type=tar,"dest=a"#, "invalid output `type=tar,\"dest=a`: a quote is not closed; "),
        ] {
            assert_eq!(said(text), told);
        }
    }
}
