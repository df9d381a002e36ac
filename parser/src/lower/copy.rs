//! `COPY` and `ADD`: sources, destination, owner and mode. Copies nothing.

use graph::op::{Copy, Mode, Owner};
use graph::{FileAction, FileOp, Op, Slot, Vertex, VertexId};

use super::inputs::{Inputs, MAX_INPUTS};
use super::plan::Origin;
use super::stage::{Builder, Current, Layer, Place};
use super::{CONTEXT, Step, not_yet, ownership, refuse};
use crate::expand::{Lexer, Quotes};
use crate::instruction::{AddFiles, CopyFiles, InlineSource, SourcesAndDest};
use crate::text::Text;
use crate::{Span, path};

/// What `COPY` and `ADD` have in common, variables expanded.
struct Transfer {
    keyword: &'static str,
    sources: Vec<String>,
    inline: Vec<InlineSource>,
    /// As in the instruction.
    dest: String,
    chown: String,
    chmod: String,
    exclude: Vec<String>,
    from: VertexId,
    unpack: bool,
    parents: bool,
}

impl Builder<'_> {
    pub(super) fn add(&mut self, current: &mut Current<'_>, add: &AddFiles, place: Place<'_>) -> Step<()> {
        let checksum = self.optional(current, add.checksum.as_ref(), place.span)?;
        let sources = self.expand_all(current, &add.files.sources, place.span)?;
        for source in &sources {
            if is_git(source) {
                return not_yet(place.span, &format!("`ADD` of a Git repository (`{source}`)"));
            }
            if is_http(source) {
                return not_yet(place.span, &format!("`ADD` of a URL (`{source}`)"));
            }
        }
        if !checksum.is_empty() {
            return refuse(
                "InvalidChecksum",
                place.span,
                "`--checksum` is for the contents of URLs and Git repositories",
            );
        }
        let from = self.local(CONTEXT);
        let mut transfer = self.transfer(current, &add.files, "ADD", from, place.span)?;
        transfer.chown = self.optional(current, add.chown.as_ref(), place.span)?;
        transfer.chmod = self.optional(current, add.chmod.as_ref(), place.span)?;
        transfer.exclude = add.exclude.iter().map(ToString::to_string).collect();
        transfer.unpack = add.unpack.unwrap_or(true);
        self.place_files(current, transfer, place)
    }

    pub(super) fn copy(
        &mut self,
        current: &mut Current<'_>,
        copy: &CopyFiles,
        from: Option<&Origin>,
        place: Place<'_>,
    ) -> Step<()> {
        let sources = self.expand_all(current, &copy.files.sources, place.span)?;
        if let Some(source) = sources.iter().find(|source| is_git(source) || is_http(source)) {
            let error = crate::Diagnostic::error(
                "RemoteCopySource",
                place.span,
                format!("`COPY` cannot take `{source}`: it is a URL"),
            );
            return Err(Box::new(error.with_hint("`ADD` takes URLs and Git repositories")));
        }
        let from = match from {
            None => self.local(CONTEXT),
            Some(origin) => match self.origin(origin, place.span)? {
                Some(vertex) => vertex,
                None => self.empty(),
            },
        };
        let mut transfer = self.transfer(current, &copy.files, "COPY", from, place.span)?;
        transfer.chown = self.optional(current, copy.chown.as_ref(), place.span)?;
        transfer.chmod = self.optional(current, copy.chmod.as_ref(), place.span)?;
        transfer.exclude = copy.exclude.iter().map(ToString::to_string).collect();
        transfer.parents = copy.parents;
        self.place_files(current, transfer, place)
    }

    fn optional(&mut self, current: &Current<'_>, text: Option<&Text>, span: Span) -> Step<String> {
        text.map_or_else(|| Ok(String::new()), |text| self.expand(current, text, span))
    }

    fn transfer(
        &mut self,
        current: &Current<'_>,
        files: &SourcesAndDest,
        keyword: &'static str,
        from: VertexId,
        span: Span,
    ) -> Step<Transfer> {
        if files.sources.len() + files.inline.len() > MAX_INPUTS {
            return refuse(
                "TooManySources",
                span,
                format!("an instruction cannot have more than {MAX_INPUTS} sources"),
            );
        }
        let contents = Lexer { quotes: Quotes::Plain, ..Lexer::new('\\') };
        let mut inline = files.inline.clone();
        for source in inline.iter_mut().filter(|source| source.expand) {
            let expanded = super::args::expanded(contents.word(&source.data, &current.state.env), span)?;
            self.charge(expanded.len(), span)?;
            source.data = expanded.into();
        }
        Ok(Transfer {
            keyword,
            sources: self.expand_all(current, &files.sources, span)?,
            inline,
            dest: self.expand(current, &files.dest, span)?,
            chown: String::new(),
            chmod: String::new(),
            exclude: Vec::new(),
            from,
            unpack: false,
            parents: false,
        })
    }

    fn place_files(&mut self, current: &mut Current<'_>, transfer: Transfer, place: Place<'_>) -> Step<()> {
        let owner = (!transfer.chown.is_empty()).then(|| ownership::owner(&transfer.chown));
        let mode = (!transfer.chmod.is_empty()).then(|| ownership::mode(&transfer.chmod)).transpose();
        let mode = mode.or_else(|message| refuse("InvalidMode", place.span, message))?;
        let like = template(current, &transfer, owner, mode);
        // Each source's copy says again where to, and what not.
        let patterns: usize = like.exclude_patterns.iter().map(|pattern| pattern.len() + size_of::<String>()).sum();
        let count = transfer.sources.len() + transfer.inline.len();
        self.charge(count.saturating_mul(like.dest.len() + patterns + size_of::<Copy>()), place.span)?;
        let mut inputs = Inputs::on(current.state.root);
        let mut actions = Vec::new();
        for source in &transfer.sources {
            let from = Some(inputs.slot(transfer.from));
            actions.push(FileAction::Copy(Box::new(Copy { from, ..context_copy(&like, source, &transfer) })));
        }
        for source in &transfer.inline {
            let vertex = self.here_document(source);
            let from = Some(inputs.slot(vertex));
            let src = path::rooted(&source.path);
            actions.push(FileAction::Copy(Box::new(Copy { from, src, ..like.clone() })));
        }
        let source =
            self.settled.lexer.word(place.source, &current.state.env).unwrap_or_else(|_| place.source.to_string());
        let name = self.step_name(current, &source, place)?;
        let mut meta = self.meta(current, name, place.span);
        meta.no_cache = current.planned.no_cache;
        let op = Op::File(FileOp { base: current.state.root.map(|_| Slot(0)), actions });
        current.state.root = Some(self.graph.add(Vertex { op, meta }, inputs.vertices()));
        self.commit(current, created_by(&transfer), Layer::Made, place.span)
    }

    /// A filesystem with the here-document as its only file.
    fn here_document(&mut self, source: &InlineSource) -> VertexId {
        let file = FileAction::Mkfile {
            path: path::rooted(&source.path),
            mode: 0o644,
            contents: source.data.as_bytes().to_vec(),
            owner: None,
            mtime: None,
        };
        let meta = graph::Meta { name: "[internal] preparing inline document".to_owned(), ..graph::Meta::default() };
        self.graph.add(Vertex { op: Op::File(FileOp { base: None, actions: vec![file] }), meta }, &[])
    }
}

/// What all copies of one instruction have in common; as it stands, the copy of a here-document.
fn template(current: &Current<'_>, transfer: &Transfer, owner: Option<Owner>, mode: Option<Mode>) -> Copy {
    Copy {
        dest: destination(current.state.workdir(), &transfer.dest),
        owner,
        mode,
        exclude_patterns: transfer.exclude.clone(),
        follow_symlinks: false,
        dir_contents_only: false,
        allow_wildcard: false,
        allow_empty_wildcard: false,
        ..whole(Slot(0))
    }
}

/// The copy of a path of the context, a stage or an image.
fn context_copy(like: &Copy, source: &str, transfer: &Transfer) -> Copy {
    let (source, include_patterns) = match (transfer.parents, source.split_once("/./")) {
        (false, _) => (source, Vec::new()),
        (true, None) => ("/", vec![path::rooted(source)[1..].to_owned()]),
        (true, Some((parent, kept))) => (parent, vec![path::rooted(kept)[1..].to_owned()]),
    };
    Copy {
        src: path::rooted(source),
        follow_symlinks: true,
        dir_contents_only: true,
        unpack_archives: transfer.unpack,
        allow_wildcard: true,
        allow_empty_wildcard: true,
        include_patterns,
        ..like.clone()
    }
}

/// Everything of `from`, put into the root.
pub(super) fn whole(from: Slot) -> Copy {
    Copy { allow_empty_wildcard: true, ..Copy::new(from, "/", "/") }
}

/// Absolute and cleaned, but for what says that it is a directory: a `/` or `/.` at the end.
fn destination(workdir: &str, written: &str) -> String {
    let written = if matches!(written, "" | ".") { "./" } else { written };
    keep_end(written, path::clean(&path::resolve(workdir, written)))
}

fn keep_end(written: &str, mut cleaned: String) -> String {
    if written.ends_with("/.") {
        cleaned.push_str(if cleaned == "/" { "." } else { "/." });
    } else if written.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

fn created_by(transfer: &Transfer) -> String {
    let mut words = vec![transfer.keyword.to_owned()];
    words.extend(transfer.parents.then(|| "--parents".to_owned()));
    words.extend((!transfer.chown.is_empty()).then(|| format!("--chown={}", transfer.chown)));
    words.extend((!transfer.chmod.is_empty()).then(|| format!("--chmod={}", transfer.chmod)));
    words.extend(transfer.sources.iter().cloned());
    words.extend(transfer.inline.iter().map(|source| format!("<<{}", source.path)));
    words.push(transfer.dest.clone());
    format!("{} # buildkit", words.join(" "))
}

fn is_http(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// `git://…`, `ssh://…`, `git@host:path`, `https://….git`, a fragment or a query behind it.
fn is_git(source: &str) -> bool {
    if source.starts_with("git://") || source.starts_with("ssh://") {
        return true;
    }
    if is_http(source) {
        let end = source.find(['#', '?']).unwrap_or(source.len());
        return source[..end].ends_with(".git");
    }
    let Some((user, rest)) = source.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    let word = |text: &str, more: &[char]| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
    };
    word(user, &['-', '_']) && word(host, &['-', '_', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let table = [
            (".", "/work/"),
            ("", "/work/"),
            ("./", "/work/"),
            ("x/..", "/work"),
            ("./.", "/work/."),
            ("a", "/work/a"),
            ("a/", "/work/a/"),
            ("../a//b/", "/a/b/"),
            ("/", "/"),
            ("/a/./b", "/a/b"),
            ("/.", "/."),
        ];
        for (written, expected) in table {
            assert_eq!(destination("/work", written), expected, "{written}");
        }
    }

    #[test]
    fn what_is_remote() {
        for source in ["git@github.com:a/b", "https://x/y.git#main:sub", "ssh://a/b", "http://x/y.git?ref=1"] {
            assert!(is_git(source), "{source}");
        }
        for source in ["a@b", "https://x/y.tar", "github.com/a/b", "./git@x"] {
            assert!(!is_git(source), "{source}");
        }
    }
}
