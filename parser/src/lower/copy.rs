//! `COPY` and `ADD`: sources, destination, owner and mode. Copies nothing.

use graph::op::{Copy, Mode, Owner};
use graph::{FileAction, FileOp, Meta, Op, Slot, SourceOp, VertexId};

use super::inputs::{Inputs, MAX_INPUTS};
use super::plan::Origin;
use super::remote::{self, Remote};
use super::stage::{Builder, Current, Layer, Place};
use super::{Step, ownership, refuse};
use crate::expand::{Lexer, Noting, Quotes};
use crate::instruction::{AddFiles, CopyFiles, InlineSource, Link, SourcesAndDest};
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
    /// What paths are taken from.
    from: Option<VertexId>,
    unpack: Option<bool>,
    parents: bool,
    link: Link,
    /// By source, what is fetched instead.
    remotes: Vec<Option<SourceOp>>,
}

impl Builder<'_> {
    pub(super) fn add(&mut self, current: &mut Current<'_>, add: &AddFiles, place: Place<'_>) -> Step<()> {
        let chown = self.optional(current, add.chown.as_ref(), place.span)?;
        let chmod = self.optional(current, add.chmod.as_ref(), place.span)?;
        let checksum = self.optional(current, add.checksum.as_ref(), place.span)?;
        let transfer = self.transfer(current, &add.files, "ADD", place.span)?;
        let mut transfer = Transfer { chown, chmod, ..transfer };
        if !checksum.is_empty() {
            remote::check_checksum(&transfer.sources, place.span)?;
        }
        for source in &transfer.sources {
            transfer.remotes.push(match remote::recognise(source, place.span)? {
                None => {
                    self.check_ignored("Add", source);
                    None
                }
                Some(Remote::Git(git)) => {
                    let git = remote::added(&git, add, &checksum, place.span)?;
                    Some(SourceOp::Git(Box::new(git)))
                }
                Some(Remote::Http(url)) => {
                    let checksum = remote::checksum(&checksum, place.span)?;
                    Some(remote::http(&url, &remote::file_name(&url), checksum))
                }
            });
        }
        if transfer.remotes.iter().any(Option::is_none) {
            transfer.from = Some(self.main_context());
        }
        transfer.exclude = add.exclude.iter().map(String::from).collect();
        transfer.unpack = add.unpack;
        transfer.link = add.link;
        self.place_files(current, transfer, place)
    }

    pub(super) fn copy(
        &mut self,
        current: &mut Current<'_>,
        copy: &CopyFiles,
        from: Option<&Origin>,
        place: Place<'_>,
    ) -> Step<()> {
        let chown = self.optional(current, copy.chown.as_ref(), place.span)?;
        let chmod = self.optional(current, copy.chmod.as_ref(), place.span)?;
        let transfer = self.transfer(current, &copy.files, "COPY", place.span)?;
        let mut transfer = Transfer { chown, chmod, ..transfer };
        for source in &transfer.sources {
            if remote::recognise(source, place.span)?.is_some() {
                let message = format!("`COPY` cannot take `{source}`: it is a URL");
                let error = crate::Diagnostic::error("RemoteCopySource", place.span, message);
                return Err(Box::new(error.with_hint("`ADD` takes URLs and Git repositories")));
            }
            if from.is_none() {
                self.check_ignored("Copy", source);
            }
        }
        let from = match from {
            None => Some(self.main_context()),
            Some(origin) => self.origin(origin, place.span)?,
        };
        transfer.from = Some(from.unwrap_or_else(|| self.empty()));
        transfer.exclude = copy.exclude.iter().map(String::from).collect();
        transfer.parents = copy.parents;
        transfer.link = copy.link;
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
        span: Span,
    ) -> Step<Transfer> {
        if files.sources.len() + files.inline.len() > MAX_INPUTS {
            return refuse(
                "TooManySources",
                span,
                format!("an instruction cannot have more than {MAX_INPUTS} sources"),
            );
        }
        let sources = self.expand_all(current, &files.sources, span)?;
        let dest = self.expand(current, &files.dest, span)?;
        let contents = Lexer { quotes: Quotes::Plain, ..Lexer::new('\\') };
        let mut inline = files.inline.clone();
        for source in inline.iter_mut().filter(|source| source.expand) {
            let noting = Noting::new(&current.state.env);
            let expanded = contents.word(&source.data, &noting);
            self.unset(current, noting.into_missed());
            let expanded = super::args::expanded(expanded, span)?;
            self.charge(expanded.len(), span)?;
            source.data = expanded.into();
        }
        Ok(Transfer {
            keyword,
            sources,
            inline,
            dest,
            chown: String::new(),
            chmod: String::new(),
            exclude: Vec::new(),
            from: None,
            unpack: None,
            parents: false,
            link: Link::Unlinked,
            remotes: Vec::new(),
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
        let source =
            self.settled.lexer.word(place.source, &current.state.env).unwrap_or_else(|_| place.source.to_string());
        let name = self.step_name(current, &source, place)?;
        let mut meta = self.meta(current, name, place.span);
        meta.no_cache = current.planned.no_cache;
        let root = current.state.root;
        let is_linked = transfer.link == Link::Linked && transfer.chmod.is_empty();
        let base = root.filter(|_| !is_linked);
        let mut inputs = Inputs::on(base);
        let actions = self.copies(&like, &transfer, &mut inputs, &meta);
        let op = Op::File(FileOp { base: base.map(|_| Slot(0)), actions });
        let mut made = self.add_vertex(op, meta.clone(), inputs.vertices());
        if let Some(root) = root.filter(|_| is_linked) {
            let at = meta.name.len().saturating_sub(source.len());
            if meta.name.is_char_boundary(at) {
                meta.name.insert_str(at, "LINK ");
            }
            made = self.add_vertex(Op::Merge, meta, &[root, made]);
        }
        current.state.root = Some(made);
        self.commit(current, created_by(&transfer), Layer::Made, place.span)
    }

    /// A copy of each source; what is fetched is named by `meta`, as the copy is.
    fn copies(&mut self, like: &Copy, transfer: &Transfer, inputs: &mut Inputs, meta: &Meta) -> Vec<FileAction> {
        let mut actions = Vec::new();
        for (at, source) in transfer.sources.iter().enumerate() {
            let copy = match transfer.remotes.get(at) {
                Some(Some(remote)) => {
                    let vertex = self.add_vertex(Op::Source(remote.clone()), meta.clone(), &[]);
                    Copy { from: Some(inputs.slot(vertex)), ..remote_copy(like, remote, transfer) }
                }
                None | Some(None) => {
                    let from = transfer.from.map(|from| inputs.slot(from));
                    Copy { from, ..context_copy(like, source, transfer) }
                }
            };
            actions.push(FileAction::Copy(Box::new(copy)));
        }
        for source in &transfer.inline {
            let vertex = self.here_document(source);
            let from = Some(inputs.slot(vertex));
            let src = path::rooted(&source.path);
            actions.push(FileAction::Copy(Box::new(Copy { from, src, ..like.clone() })));
        }
        actions
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
        let meta = Meta { name: "[internal] preparing inline document".to_owned(), ..Meta::default() };
        self.add_vertex(Op::File(FileOp { base: None, actions: vec![file] }), meta, &[])
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

/// The copy of what was fetched: a file by its name, a repository's tree as a whole.
fn remote_copy(like: &Copy, remote: &SourceOp, transfer: &Transfer) -> Copy {
    match remote {
        SourceOp::Http { filename, .. } => Copy {
            src: path::rooted(filename.as_deref().unwrap_or_default()),
            unpack_archives: transfer.unpack.unwrap_or(false),
            ..like.clone()
        },
        SourceOp::Git(_) | SourceOp::Image { .. } | SourceOp::Local { .. } => like.clone(),
    }
}

/// The copy of a path of the context, a stage or an image.
fn context_copy(like: &Copy, source: &str, transfer: &Transfer) -> Copy {
    let (source, pattern) = match (transfer.parents, source.split_once("/./")) {
        (false, _) => (source, None),
        (true, None) => ("/", Some(path::rooted(source))),
        (true, Some((parent, kept))) => (parent, Some(path::rooted(kept))),
    };
    let required = pattern.as_ref().filter(|pattern| !has_wildcards(source) && !has_wildcards(pattern));
    Copy {
        src: path::rooted(source),
        follow_symlinks: true,
        dir_contents_only: true,
        unpack_archives: transfer.unpack.unwrap_or(transfer.keyword == "ADD"),
        allow_wildcard: true,
        allow_empty_wildcard: true,
        required_paths: required.map(|pattern| path::rooted(&format!("{source}{pattern}"))).into_iter().collect(),
        include_patterns: pattern.map(|pattern| pattern[1..].to_owned()).into_iter().collect(),
        ..like.clone()
    }
}

fn has_wildcards(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let is_wildcard = !escaped && matches!(c, '*' | '?' | '[');
        escaped = c == '\\' && !escaped;
        is_wildcard
    })
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
    let words = transfer.sources.iter().chain([&transfer.dest]);
    let mut line = String::with_capacity(32 + words.map(|word| word.len() + 1).sum::<usize>());
    line.push_str(transfer.keyword);
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| line.push_str(part));
    if transfer.parents {
        add(&[" --parents"]);
    }
    for (flag, value) in [(" --chown=", &transfer.chown), (" --chmod=", &transfer.chmod)] {
        if !value.is_empty() {
            add(&[flag, value]);
        }
    }
    transfer.sources.iter().for_each(|source| add(&[" ", source]));
    transfer.inline.iter().for_each(|source| add(&[" <<", &source.path]));
    add(&[" ", &transfer.dest, " # buildkit"]);
    line
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
}
