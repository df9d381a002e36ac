//! Contexts that are elsewhere: the address of a Git repository, of an archive, or of a Dockerfile becomes a directory of
//! the store. Knows not what is built of it.
//!
//! What was fetched stays as a layer, and the directory is that layer's, so a context that has not changed is neither
//! fetched nor unpacked again.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use cache::Store;
use graph::SourceOp;
use oci::Web;
use oci::web::redacted;
use parser::git_url::GitUrl;
use parser::instruction::mount::boolean;
use runner::remote::http::HttpFile;
use runner::remote::{Access, Remotes, Surroundings};
use solver::port::Cancel;

use super::input::is_archive;
use super::request::Request;
use crate::progress::View;
use crate::registry::{network, proxies};
use crate::report::{Kind, Problem, reason};

/// What BuildKit calls a file that is fetched as a context.
const FILE: &str = "context";

/// Fetches what a build takes from elsewhere.
pub fn remotes(store: &Arc<Store>, view: &Arc<View>, access: Access, cancel: &Cancel) -> Arc<Remotes> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let surroundings = Surroundings {
        path: variable("PATH").unwrap_or_default(),
        proxies: proxies(),
        known_hosts: variable("HOME").map(|home| PathBuf::from(home).join(".ssh/known_hosts")),
    };
    let ports = (Arc::clone(store), Arc::clone(view) as _);
    Arc::new(Remotes::new(ports, Web::new(network()), access, surroundings, cancel.clone()))
}

/// The agent that speaks for a context's repository where none was given: the user's own, as in buildx.
pub fn own_agent(url: &GitUrl) -> Option<PathBuf> {
    let socket = || std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from);
    url.source().ssh.and_then(|_| socket())
}

/// What was fetched.
pub struct Fetched {
    pub dir: PathBuf,
    /// The file in it that is the Dockerfile, where the address is one of a Dockerfile.
    pub dockerfile: Option<&'static str>,
    pub source: Option<SourceOp>,
}

/// Fetches what contexts are made of.
pub struct Fetcher<'a> {
    pub store: &'a Store,
    pub view: &'a View,
    pub remotes: &'a Remotes,
}

impl Fetcher<'_> {
    pub fn git(&self, url: &GitUrl, request: &Request) -> Result<Fetched, Problem> {
        let mut source = url.source();
        let wanted = request.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        source.keep_git_dir |= wanted.is_some_and(|value| boolean(value) == Some(true));
        let reference = source.reference.as_deref().map_or_else(String::new, |reference| format!("#{reference}"));
        let title = format!("[internal] load git source {}{reference}", redacted(&source.url));
        let layer = self.view.task(&title, |task| self.remotes.git(&source, task).map_err(Problem::from))?;
        let dir = self.store.layer_fs(&layer)?;
        Ok(Fetched { dir, dockerfile: None, source: Some(SourceOp::Git(Box::new(source))) })
    }

    pub fn http(&self, url: &str) -> Result<Fetched, Problem> {
        let file = HttpFile { url, checksum: None, name: Some(FILE), mode: None, owner: (0, 0) };
        self.view.task("[internal] load remote build context", |task| {
            let (url, filename) = (url.to_owned(), Some(FILE.to_owned()));
            let source = Some(SourceOp::Http { url, checksum: None, filename, mode: None, owner: None });
            let fetched = self.remotes.http(file, task).map_err(Problem::from)?;
            let dir = self.store.layer_fs(&fetched.layer)?;
            let mut start = Vec::new();
            let read = File::open(dir.join(FILE)).and_then(|file| file.take(512).read_to_end(&mut start));
            read.map_err(|error| {
                Problem::new(Kind::Build, format!("read `{}`: {}", redacted(file.url), reason(&error)))
            })?;
            if !is_archive(&start) {
                return Ok(Fetched { dir, dockerfile: Some(FILE), source });
            }
            let layer = self.remotes.unpacked(&fetched).map_err(Problem::from)?;
            Ok(Fetched { dir: self.store.layer_fs(&layer)?, dockerfile: None, source })
        })
    }
}
