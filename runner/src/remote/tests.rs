//! Sources that are elsewhere, from servers on loopback.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use graph::op::Git;
use oci::web::WebError;
use oci::{Digest, Network};
use solver::port::TaskId;
use tempfile::TempDir;

use super::http::HttpFile;
use super::*;
use crate::quiet::Quiet;
use crate::server::{Server, answer, head, shell};

struct World {
    dir: TempDir,
    store: Arc<Store>,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(Store::open(&dir.path().join("store")).unwrap());
        Self { dir, store }
    }

    /// What a new build has.
    fn remotes(&self, secrets: &[(&str, &str)]) -> Remotes {
        let network = Network { retries: 2, pause: Duration::from_millis(1), ..Network::default() };
        let secrets = secrets.iter().map(|(id, value)| ((*id).to_owned(), value.as_bytes().to_vec())).collect();
        let access = Access { secrets, ..Access::default() };
        let surroundings = Surroundings { path: std::env::var("PATH").unwrap(), ..Surroundings::default() };
        let ports = (Arc::clone(&self.store), Arc::new(Quiet) as Arc<dyn Progress>);
        Remotes::new(ports, Web::new(network), access, surroundings, Cancel::new())
    }

    fn get(&self, file: HttpFile<'_>) -> Result<http::Fetched, String> {
        self.remotes(&[]).http(file, TaskId(0)).map_err(|failure| failure.to_string())
    }

    fn git(&self, source: &Git) -> Result<LayerId, String> {
        self.remotes(&[]).git(source, TaskId(0)).map_err(|failure| failure.to_string())
    }

    fn fs(&self, layer: &LayerId) -> PathBuf {
        self.store.layer_fs(layer).unwrap()
    }

    /// The names in a layer, sorted.
    fn names(&self, layer: &LayerId) -> Vec<String> {
        let tree = self.store.tree(layer).unwrap();
        tree.entries().iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect()
    }

    /// A repository with the branches `main` and `next`, the annotated tag `v1` of main's first commit, a file, a
    /// program, a link and a subdirectory. Its bare clone is `served/r.git`.
    fn repository(&self) -> Repository {
        let dir = self.dir.path().join("work");
        fs::create_dir_all(dir.join("sub/deep")).unwrap();
        fs::write(dir.join("a"), "one").unwrap();
        fs::write(dir.join("sub/deep/b"), "two").unwrap();
        fs::write(dir.join("run"), "#!/bin/sh").unwrap();
        symlink("/etc", dir.join("etc")).unwrap();
        shell(&dir, "chmod +x run; git init -q -b main; git add .; git commit -qm 1; git tag -am v1 v1");
        let first = shell(&dir, "git rev-parse HEAD");
        let second = shell(&dir, "echo three > a; git commit -qam 2; git branch next; git rev-parse HEAD");
        shell(self.dir.path(), "git clone -q --bare work served/r.git; git -C served/r.git update-server-info");
        Repository { first, second }
    }

    fn served(&self) -> PathBuf {
        self.dir.path().join("served")
    }
}

struct Repository {
    first: String,
    second: String,
}

fn file(url: &str) -> HttpFile<'_> {
    HttpFile { url, checksum: None, name: None, mode: None, owner: (0, 0) }
}

fn git(url: &str, reference: &str) -> Git {
    Git { reference: Some(reference.to_owned()).filter(|text| !text.is_empty()), ..Git::new(url, None) }
}

const DATES: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 09:49:37 GMT\r\n";

#[test]
fn a_file_has_the_name_time_and_mode_that_it_should() {
    let world = World::new();
    let server = Server::start(|_, out| {
        answer(out, "200 OK", &format!("{DATES}Content-Disposition: attachment; filename=b.txt\r\n"), b"bytes");
    });
    let url = server.url("/a.txt?x=y");
    let fetched = world.get(file(&url)).unwrap();
    assert_eq!(fetched.name, "b.txt");
    let meta = fs::metadata(world.fs(&fetched.layer).join("b.txt")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime(), meta.uid()), (0o600, 784_111_777, 0));
    let wanted = HttpFile { name: Some("../c"), mode: Some(0o755), owner: (7, 8), ..file(&url) };
    let fetched = world.get(wanted).unwrap();
    let meta = fs::metadata(world.fs(&fetched.layer).join("c")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 7, 8));
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    for headers in ["ETag: W/\"1\"\r\n", DATES] {
        let world = World::new();
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = Server::start(move |call, out| {
            if call.header("if-none-match") == Some("W/\"1\"") || call.header("if-modified-since").is_some() {
                return head(out, "304 Not Modified", "");
            }
            count.fetch_add(1, Ordering::SeqCst);
            answer(out, "200 OK", headers, b"bytes");
        });
        let url = server.url("/f");
        let first = world.get(file(&url)).unwrap();
        assert_eq!(world.get(file(&url)).unwrap(), first);
        assert_eq!((sent.load(Ordering::SeqCst), server.calls().len()), (1, 2), "{headers}");
        let remotes = world.remotes(&[]);
        for _ in 0..3 {
            assert_eq!(remotes.http(file(&url), TaskId(0)).unwrap(), first);
        }
        assert_eq!(server.calls().len(), 3, "one build asks once");
        // The same bytes under another address are the same layer.
        assert_eq!(world.get(HttpFile { name: Some("f"), ..file(&server.url("/g")) }).unwrap(), first);
    }
}

#[test]
fn a_file_with_a_known_checksum_is_not_asked_for() {
    let world = World::new();
    let server = Server::start(|_, out| answer(out, "200 OK", "", b"bytes"));
    let url = server.url("/f");
    let pinned = HttpFile { checksum: Some(Digest::of(b"bytes")), name: Some("f"), ..file(&url) };
    let first = world.get(pinned).unwrap();
    assert_eq!(world.get(pinned).unwrap(), first);
    assert_eq!(server.lines(), ["GET /f"]);
    let wrong = HttpFile { checksum: Some(Digest::of(b"others")), ..pinned };
    let (found, expected) = (Digest::of(b"bytes"), Digest::of(b"others"));
    assert_eq!(world.get(wrong).unwrap_err(), format!("digest mismatch for {url}: {found} (expected: {expected})"));
}

#[test]
fn what_goes_wrong_is_told_with_the_address() {
    let world = World::new();
    let broken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&broken);
    let server = Server::start(move |call, out| match call.path.as_str() {
        "/none" => answer(out, "404 Not Found", "", b""),
        "/loop" => head(out, "302 Found", "Location: /loop\r\n"),
        "/short" => {
            head(out, "200 OK", "Content-Length: 10\r\n");
            std::io::Write::write_all(out, b"12345").unwrap();
        }
        _ if count.fetch_add(1, Ordering::SeqCst) == 0 => answer(out, "503 Later", "", b""),
        _ => answer(out, "200 OK", "", b"whole"),
    });
    for (path, words) in [
        ("/none", "invalid response status 404"),
        ("/loop", "too many redirects"),
        ("/short", "the connection broke before its end"),
    ] {
        let url = server.url(path);
        let said = world.get(file(&url)).unwrap_err();
        assert!(said.contains(&url) && said.contains(words), "{said}");
    }
    assert!(server.lines().iter().filter(|line| *line == "GET /loop").count() <= 12);
    assert!(world.get(file(&server.url("/passing"))).is_ok());
    let closed = server.url("/x").replace("http://", "http://me:word@");
    drop(server);
    let said = world.get(file(&closed)).unwrap_err();
    assert!(said.contains("no connection") && said.contains("xxxxx:xxxxx@") && !said.contains("word"), "{said}");
    assert!(fs::read_dir(world.store.root().join("layers")).unwrap().count() == 1, "only what came whole is a layer");
    let refused: WebError =
        Web::new(Network::default()).get(oci::web::Get { url: "x:", known: None, authorization: None }).err().unwrap();
    assert!(!refused.is_passing());
}

#[test]
fn secrets_let_us_in_and_are_not_kept() {
    let world = World::new();
    let server = Server::start(|call, out| match call.header("authorization") {
        Some("Bearer t0ken") => answer(out, "200 OK", "", b"bytes"),
        _ => answer(out, "401 Unauthorized", "", b""),
    });
    let url = server.url("/f");
    assert!(world.get(file(&url)).unwrap_err().contains("401"));
    world.remotes(&[("HTTP_AUTH_TOKEN_127.0.0.1", "t0ken\n")]).http(file(&url), TaskId(0)).unwrap();
    shell(world.store.root(), "! grep -r t0ken .");
}

#[test]
fn each_kind_of_reference_leads_to_its_commit() {
    let world = World::new();
    let repository = world.repository();
    let server = Server::git(world.served());
    let url = server.url("/r.git");
    let (first, second) = (repository.first.as_str(), repository.second.as_str());
    let old = world.git(&git(&url, first)).unwrap();
    let new = world.git(&git(&url, "")).unwrap();
    assert_eq!(world.names(&new), ["a", "etc", "run", "sub", "sub/deep", "sub/deep/b"]);
    let meta = |name: &str| fs::symlink_metadata(world.fs(&new).join(name)).unwrap();
    assert_eq!(
        (meta("a").mode() & 0o777, meta("run").mode() & 0o777, meta("sub").mode() & 0o777),
        (0o644, 0o755, 0o755)
    );
    assert_eq!(meta("etc").mtime(), 1_700_000_000);
    assert_ne!(old, new);
    for (reference, expected) in [
        ("main", new),
        ("next", new),
        ("refs/heads/next", new),
        (second, new),
        ("v1", old),
        ("refs/tags/v1", old),
        (&first[..9], old),
    ] {
        assert_eq!(world.git(&git(&url, reference)), Ok(expected), "{reference}");
        assert_eq!(World::new().git(&git(&url, reference)), Ok(expected), "{reference}, with nothing here");
    }
    let said = world.git(&git(&url, "none")).unwrap_err();
    assert_eq!(said, format!("repository `{url}` does not contain ref none"));
    let calls = server.calls().len();
    assert_eq!(world.git(&git(&url, first)), Ok(old));
    assert_eq!(server.calls().len(), calls, "a commit that is here is not asked for");
    let pinned = Git { checksum: Some(second[..8].to_owned()), ..git(&url, "main") };
    assert_eq!(world.git(&pinned), Ok(new));
    let wrong = Git { checksum: Some("0123".to_owned()), ..git(&url, "main") };
    assert!(world.git(&wrong).unwrap_err().contains("expected checksum to match 0123, got"));
}

#[test]
fn what_is_fetched_is_kept_and_only_what_is_new_comes() {
    let world = World::new();
    let repository = world.repository();
    let server = Server::git(world.served());
    let url = server.url("/r.git");
    world.git(&git(&url, "main")).unwrap();
    let work = world.dir.path().join("work");
    shell(&work, "git checkout -q main; echo four > a; git commit -qam 3; git push -q ../served/r.git main");
    let layer = world.git(&git(&url, "main")).unwrap();
    assert_eq!(fs::read_to_string(world.fs(&layer).join("a")).unwrap(), "four\n");
    // A branch that becomes a directory, and a history that is written anew.
    let rename = "git branch -m main x; git branch main/y; git reset -q --hard HEAD~2; \
                  git -C ../served/r.git update-ref -d refs/heads/main; git push -q -f ../served/r.git 'refs/heads/*'";
    shell(&work, rename);
    assert!(world.git(&git(&url, "main/y")).is_ok());
    assert!(world.git(&git(&url, "x")).is_ok());
    assert!(world.git(&git(&url, &repository.second)).is_ok());
    // What is kept is damaged: it is fetched anew.
    shell(&world.store.root().join("remotes"), "rm -rf *.d/objects/pack/*.pack *.d/objects/??");
    shell(&work, "echo five > a; git commit -qam 5; git push -q ../served/r.git x");
    let layer = world.git(&git(&url, "x")).unwrap();
    assert_eq!(fs::read_to_string(world.fs(&layer).join("a")).unwrap(), "five\n");
}

#[test]
fn the_dumb_protocol_will_do() {
    let world = World::new();
    let repository = world.repository();
    let server = Server::files(world.served());
    let url = server.url("/r.git");
    for reference in ["", "main", "v1", &repository.first] {
        world.git(&git(&url, reference)).unwrap_or_else(|error| panic!("{reference}: {error}"));
    }
}

#[test]
fn a_subdirectory_is_the_root_and_no_link_leads_to_one() {
    let world = World::new();
    world.repository();
    let server = Server::git(world.served());
    let of = |subdir: &str| Git { subdir: Some(subdir.to_owned()), ..git(&server.url("/r.git"), "main") };
    assert_eq!(world.names(&world.git(&of("sub/deep")).unwrap()), ["b"]);
    for (subdir, words) in
        [("etc", "a link or a file"), ("a", "a link or a file"), ("none", "no such directory"), ("../x", "")]
    {
        let said = world.git(&of(subdir)).unwrap_err();
        assert!(said.contains("invalid subdir") && said.contains(words), "{said}");
    }
}

#[test]
fn a_git_directory_is_kept_on_request_and_tells_nothing_of_this_machine() {
    let world = World::new();
    world.repository();
    let server = Server::git(world.served());
    let with = Git { keep_git_dir: true, ..git(&server.url("/r.git"), "v1") };
    let layer = world.git(&with).unwrap();
    let dir = world.fs(&layer);
    assert_eq!(
        shell(&dir, "git -c safe.directory=* describe --tags; git -c safe.directory=* status --porcelain"),
        "v1"
    );
    assert_eq!(shell(&dir, "git -c safe.directory=* config remote.origin.url"), server.url("/r.git"));
    shell(&dir, &format!("! grep -r '{}' .", world.dir.path().display()));
    let other = World::new();
    assert_eq!(other.git(&with), Ok(layer), "two stores make the same of it");
}

#[test]
fn submodules_come_along_but_not_from_this_machine() {
    let world = World::new();
    world.repository();
    let server = Server::git(world.served());
    let outer = world.dir.path().join("outer");
    fs::create_dir(&outer).unwrap();
    let add = format!(
        "git init -q -b main; git -c protocol.file.allow=always submodule --quiet add {0} mod; \
         git config -f .gitmodules submodule.mod.url ../r.git; git add .; git commit -qm 1; \
         git clone -q --bare . ../served/outer.git",
        world.served().join("r.git").display()
    );
    shell(&outer, &add);
    let url = server.url("/outer.git");
    let layer = world.git(&git(&url, "main")).unwrap();
    assert_eq!(
        world.names(&layer),
        [".gitmodules", "mod", "mod/a", "mod/etc", "mod/run", "mod/sub", "mod/sub/deep", "mod/sub/deep/b"]
    );
    let without = Git { skip_submodules: true, ..git(&url, "main") };
    assert_eq!(world.names(&world.git(&without).unwrap()), [".gitmodules", "mod"]);
    let local = format!(
        "git config -f .gitmodules submodule.mod.url {}; git commit -qam 2; git push -q ../served/outer.git main",
        world.served().join("r.git").display()
    );
    shell(&outer, &local);
    let said = world.git(&git(&url, "main")).unwrap_err();
    assert!(said.contains("not allowed"), "{said}");
}

#[test]
fn a_token_lets_us_in_and_is_not_kept() {
    let world = World::new();
    world.repository();
    let root = world.served();
    let files = Server::start(move |call, out| match call.header("authorization") {
        Some("basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=") => match fs::read(root.join(call.path.trim_start_matches('/'))) {
            Ok(bytes) => answer(out, "200 OK", "", &bytes),
            Err(_) => answer(out, "404 Not Found", "", b""),
        },
        _ => answer(out, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
    });
    let source = git(&files.url("/r.git"), "main");
    let said = match world.remotes(&[]).git(&source, TaskId(0)).unwrap_err() {
        Failure::Other { hint, .. } => hint.unwrap(),
        other => panic!("{other}"),
    };
    assert!(said.contains("GIT_AUTH_TOKEN"), "{said}");
    let keep = Git { keep_git_dir: true, ..source };
    world.remotes(&[("GIT_AUTH_TOKEN", "t0ken")]).git(&keep, TaskId(0)).unwrap();
    shell(world.store.root(), "! grep -rE 't0ken|dDBrZW4' .");
}

#[test]
fn nothing_of_a_repository_is_run() {
    let world = World::new();
    world.repository();
    let canary = world.dir.path().join("canary");
    let hooks = world.served().join("r.git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    let script = format!(
        "git config uploadpack.packObjectsHook 'touch {0}'; printf '*  filter=x\\n' > ../../work/.gitattributes",
        canary.display()
    );
    shell(&world.served().join("r.git"), &script);
    shell(
        &world.dir.path().join("work"),
        &format!(
            "git config filter.x.smudge 'touch {0}'; git add .; git commit -qm x; git push -q ../served/r.git HEAD:main",
            canary.display()
        ),
    );
    let server = Server::files(world.served());
    shell(&world.served().join("r.git"), "git update-server-info");
    for keep_git_dir in [false, true] {
        world.git(&Git { keep_git_dir, ..git(&server.url("/r.git"), "main") }).unwrap();
    }
    assert!(!Path::exists(&canary));
}

#[test]
fn without_git_it_is_told_what_to_install() {
    let world = World::new();
    let mut remotes = world.remotes(&[]);
    remotes.surroundings.path = "/nonexistent".to_owned();
    let Failure::Other { message, hint, .. } = remotes.git(&git("https://h/r.git", "main"), TaskId(0)).unwrap_err()
    else {
        panic!("it cannot work")
    };
    assert!(message.contains("no `git` program") && hint.unwrap().contains("apt-get install git"));
    let agentless = Git { ssh: Some("default".to_owned()), ..git("git@h:r", "main") };
    assert!(remotes.git(&agentless, TaskId(0)).unwrap_err().to_string().contains("no SSH key \"default\" forwarded"));
}
