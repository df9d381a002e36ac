//! What a build takes from elsewhere: files of HTTP servers, Git repositories, whole contexts; secrets and agents.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::harness::{Kiln, Ran, listing};
use server::{Server, answer, head, shell};

#[path = "../../../testdata/server.rs"]
pub mod server;

/// A repository with a Dockerfile, an ignore file, a file and a subdirectory with another Dockerfile; served.
struct Repository {
    work: PathBuf,
    server: Server,
}

impl Repository {
    fn new(kiln: &Kiln) -> Self {
        let work = kiln.context(
            "work",
            &[
                ("Dockerfile", "FROM scratch\nCOPY . /\n"),
                (".dockerignore", "*.md\n"),
                ("a", "one\n"),
                ("README.md", "text\n"),
                ("sub/Dockerfile", "FROM scratch\nCOPY b /\n"),
                ("sub/b", "two\n"),
                ("other.dockerfile", "FROM scratch\nCOPY a /other\n"),
            ],
        );
        shell(
            &work,
            "git init -q -b main; git add .; git commit -qm 1; git tag v1; git clone -q --bare . ../served/r.git",
        );
        let server = Server::git(kiln.path("served"));
        Self { work, server }
    }

    fn url(&self, rest: &str) -> String {
        self.server.url(&format!("/r.git{rest}"))
    }

    fn push(&self, script: &str) {
        shell(&self.work, &format!("{script}; git add .; git commit -qm more; git push -q ../served/r.git HEAD:main"));
    }
}

fn build(kiln: &Kiln, args: &[&str]) -> Ran {
    let mut all = vec!["build", "--progress=plain"];
    all.extend(args);
    kiln.run(all)
}

/// The root that a build comes to.
fn root(kiln: &Kiln, args: &[&str]) -> String {
    build(kiln, &[args, &["-t", "made"]].concat()).ok();
    listing(&kiln.root("made"))
}

#[test]
fn a_context_from_a_git_repository() {
    let kiln = Kiln::new();
    let repository = Repository::new(&kiln);
    let made = root(&kiln, &[&repository.url("")]);
    assert!(made.contains("/a file 644 0:0 4 \"one\\n\"") && !made.contains("/.git "), "{made}");
    assert!(made.contains("/README.md file"), "the ignore file of a repository counts for nothing:\n{made}");
    assert_eq!(root(&kiln, &[&repository.url("#main:sub")]), "/b file 644 0:0 4 \"two\\n\"\n");
    assert_eq!(root(&kiln, &[&repository.url("?tag=v1&subdir=sub")]), "/b file 644 0:0 4 \"two\\n\"\n");
    assert_eq!(root(&kiln, &["-f", "other.dockerfile", &repository.url("")]), "/other file 644 0:0 4 \"one\\n\"\n");
    let with_git = root(&kiln, &["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", &repository.url("")]);
    assert!(with_git.contains("/.git/HEAD file"), "{with_git}");
    repository.push("echo three > a");
    assert!(root(&kiln, &[&repository.url("")]).contains("\"three\\n\""));
    assert!(root(&kiln, &[&repository.url("#v1")]).contains("\"one\\n\""));
    build(&kiln, &[&repository.url("#none")]).fails(1, &["does not contain ref none"]);
    build(&kiln, &[&repository.url("#main:none")]).fails(1, &["invalid subdir none"]);
}

/// `SOURCE_DATE_EPOCH=context`, or the name of a context or a stage.
#[test]
fn an_image_may_have_the_time_of_its_source() {
    let kiln = Kiln::new();
    let repository = Repository::new(&kiln);
    let created = |args: &[&str]| {
        build(&kiln, &[&["-t", "dated"], args].concat()).ok();
        kiln.config("dated")["Created"].as_str().expect("text").to_owned()
    };
    let epoch = |value: &str| format!("SOURCE_DATE_EPOCH={value}");
    repository.push("export GIT_COMMITTER_DATE='1234567890 +0100'; echo dated > a");
    let of_commit = "2009-02-13T23:31:30Z";
    assert_eq!(created(&["--build-arg", &epoch("context"), &repository.url("")]), of_commit);
    // The same files in another commit have another time.
    repository
        .push("export GIT_COMMITTER_DATE='1234567891 +0100'; git commit -q --allow-empty -m same; echo >> other.md");
    assert_eq!(created(&["--build-arg", &epoch("context"), &repository.url("")]), "2009-02-13T23:31:31Z");

    let served = Server::start(move |call, out| match call.path.as_str() {
        "/dated" => answer(out, "200 OK", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", b"bytes"),
        _ => answer(out, "200 OK", "", &archive_of_files(&[86_400, 172_800])),
    });
    let dir = kiln.context(
        "dir",
        &[("Dockerfile", "ARG URL\nFROM scratch AS src\nARG URL\nADD ${URL} /\nFROM scratch\nLABEL a=b\n")],
    );
    let dir = dir.to_string_lossy();
    for (path, expected) in [("/dated", "1994-11-06T08:49:37Z"), ("/files.tar", "1970-01-03T00:00:00Z")] {
        let url = format!("URL={}", served.url(path));
        assert_eq!(created(&["--build-arg", &epoch("src"), "--build-arg", &url, &dir]), expected);
        let named = format!("named={}", served.url(path));
        assert_eq!(created(&["--build-arg", &epoch("named"), "--build-context", &named, &dir]), expected);
    }
    build(&kiln, &["--build-arg", &epoch("nothing"), &dir]).fails(1, &["`nothing` is no `SOURCE_DATE_EPOCH`"]);
}

/// A tar of files with these times.
fn archive_of_files(times: &[u64]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for time in times {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_mtime(*time);
        tar.append_data(&mut header, time.to_string(), std::io::empty()).expect("memory takes it");
    }
    tar.into_inner().expect("memory takes it")
}

#[test]
fn a_context_that_has_not_changed_hits() {
    let kiln = Kiln::new();
    let repository = Repository::new(&kiln);
    build(&kiln, &[&repository.url("#main:sub")]).ok();
    repository.push("echo more >> README.md");
    let again = build(&kiln, &[&repository.url("#main:sub")]).ok();
    assert!(again.stderr.contains("CACHED"), "what is beside the subdirectory changes nothing:\n{again}");
    let commit = shell(&repository.work, "git rev-parse HEAD");
    build(&kiln, &[&repository.url(&format!("#{commit}"))]).ok();
    let calls = repository.server.calls().len();
    build(&kiln, &[&repository.url(&format!("#{commit}"))]).ok();
    assert_eq!(repository.server.calls().len(), calls, "nothing is fetched for a commit that is here");
}

#[test]
fn a_context_or_a_dockerfile_from_an_address() {
    let kiln = Kiln::with_busybox();
    let files = [("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "one\n"), (".dockerignore", "a\n")];
    let context = kiln.context("context", &files);
    shell(&context, "mkdir ../served; tar -czf ../served/c.tgz .; tar -cf ../served/c.tar .; tar -cJf ../served/c .");
    fs::write(kiln.path("served/Dockerfile"), "FROM busybox\nRUN echo hello > /made\n").expect("the directory is ours");
    let server = Server::files(kiln.path("served"));
    for name in ["/c.tgz", "/c.tar", "/c"] {
        assert_eq!(root(&kiln, &[&server.url(name)]), "/a file 644 0:0 4 \"one\\n\"\n", "{name}");
    }
    assert!(root(&kiln, &[&server.url("/Dockerfile")]).contains("/made file 644 0:0 6"));
    let dockerfile = kiln.path("served/Dockerfile").display().to_string();
    assert!(root(&kiln, &["-f", &dockerfile, &server.url("/c.tgz")]).contains("/made file"));
    build(&kiln, &[&server.url("/none")]).fails(1, &["/none", "invalid response status 404"]);
    build(&kiln, &["-f", "none", &server.url("/c.tgz")]).fails(1, &["open none"]);
}

#[test]
fn a_context_or_a_dockerfile_on_standard_input() {
    let kiln = Kiln::new();
    let context = kiln.context(
        "context",
        &[("d/Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "one\n"), ("d/Dockerfile.dockerignore", "a\n")],
    );
    let piped = |args: &[&str], script: &str| {
        let mut source = Command::new("sh").args(["-c", script]).current_dir(&context).stdout(Stdio::piped()).spawn();
        let stdout = source.as_mut().ok().and_then(|child| child.stdout.take()).expect("a shell starts");
        let ran = Ran::from(kiln.command(args).stdin(stdout).output().expect("the binary starts"));
        let _ = source.map(|mut child| child.wait());
        ran
    };
    for compressed in ["tar -c .", "tar -cz .", "tar -cJ .", "tar -cj ."] {
        piped(&["build", "-q", "-f", "d/Dockerfile", "-"], compressed).ok();
    }
    piped(&["build", "-q", "-f", "-", "."], "cat d/Dockerfile").fails(1, &["/a"]);
    piped(&["build", "-q", "-"], "printf 'FROM scratch\\nLABEL a=b\\n'").ok();
}

#[test]
fn add_of_an_address() {
    let kiln = Kiln::new();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |call, out| match call.path.as_str() {
        "/loop" => head(out, "302 Found", "Location: /loop\r\n"),
        "/none" => answer(out, "404 Not Found", "", b""),
        _ if call.header("if-none-match") == Some("\"1\"") => head(out, "304 Not Modified", ""),
        _ => {
            count.fetch_add(1, Ordering::SeqCst);
            answer(out, "200 OK", "ETag: \"1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", b"bytes");
        }
    });
    let add = |name: &str, rest: &str| {
        kiln.build(name, &[("Dockerfile", &format!("FROM scratch\nADD {}\n", rest.replace("URL", &server.url(""))))])
    };
    add("plain", "URL/f.txt /dir/").ok();
    assert_eq!(listing(&kiln.root("plain")), "/dir dir 755 0:0\n/dir/f.txt file 600 0:0 5 \"bytes\"\n");
    add("owned", "--chown=7:8 --chmod=755 URL/f.txt /g").ok();
    assert_eq!(listing(&kiln.root("owned")), "/g file 755 7:8 5 \"bytes\"\n");
    let again = add("again", "URL/f.txt /dir/").ok();
    assert!(again.stderr.contains("CACHED"), "{again}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    let digest = oci::Digest::of(b"bytes");
    add("pinned", &format!("--checksum={digest} URL/f.txt /")).ok();
    let other = oci::Digest::of(b"other");
    add("wrong", &format!("--checksum={other} URL/f.txt /"))
        .fails(1, &["digest mismatch for", "/f.txt", &digest.to_string()]);
    add("none", "URL/none /").fails(1, &["/none", "404"]);
    add("loop", "URL/loop /").fails(1, &["/loop", "too many redirects"]);
}

#[test]
fn add_of_a_git_repository() {
    let kiln = Kiln::new();
    let repository = Repository::new(&kiln);
    let add = |name: &str, flags: &str, rest: &str| {
        let url = repository.url(rest);
        kiln.build(name, &[("Dockerfile", &format!("FROM scratch\nADD {flags} {url} /src\n"))])
    };
    add("plain", "", "#v1:sub").ok();
    let root = listing(&kiln.root("plain"));
    assert!(root.ends_with("/src/b file 644 0:0 4 \"two\\n\"\n") && !root.contains(".git"), "{root}");
    add("kept", "--keep-git-dir=true", "#main").ok();
    assert!(kiln.root("kept").contains_key("/src/.git/HEAD"));
    let commit = shell(&repository.work, "git rev-parse HEAD");
    add("pinned", &format!("--checksum={commit}"), "#main").ok();
    add("wrong", "--checksum=0123456789012345678901234567890123456789", "#main")
        .fails(1, &["expected checksum to match 0123"]);
    add("option", "", "?ref=--upload-pack=x").fails(1, &["--upload-pack=x"]);
}

#[test]
fn secrets_are_for_the_step_alone() {
    let kiln = Kiln::with_busybox();
    let file = kiln.path("token");
    let with = |value: &str| {
        fs::write(&file, value).expect("the directory is ours");
        let dockerfile = "FROM busybox\n\
            RUN --mount=type=secret,id=t,mode=0440,uid=1000,gid=50 stat -c '%a %u %g' /run/secrets/t > /seen && grep -q hidden /run/secrets/t\n\
            RUN --mount=type=secret,id=t,target=/deep/er/t,required=true grep -q ' /deep/er/t tmpfs ro,' /proc/mounts && ! echo x > /deep/er/t\n\
            RUN --mount=type=secret,id=e,env=TOKEN test ${#TOKEN} = 8\n\
            RUN --mount=type=secret,id=none test ! -e /run/secrets/none\n";
        let context = kiln.context("secrets", &[("Dockerfile", dockerfile)]);
        let secret = format!("id=t,src={}", file.display());
        let mut command = kiln.command(["build", "--progress=plain", "-t", "secrets", "--secret", &secret]);
        command.args(["--secret", "id=e,env=KILN_E2E_TOKEN"]).arg(&context).env("KILN_E2E_TOKEN", "from-env");
        Ran::from(command.output().expect("the binary starts")).ok()
    };
    let first = with("hidden-1");
    let root = kiln.root("secrets");
    assert_eq!(String::from_utf8_lossy(&root["/seen"].contents), "440 1000 50\n");
    assert!(!root.contains_key("/run/secrets") && !root.contains_key("/deep"), "{}", listing(&root));
    let second = with("hidden-2");
    assert_eq!(second.stderr.matches("CACHED").count(), 4, "another value is no miss:\n{second}");
    let leaked =
        Command::new("grep").args(["-rlE", "hidden-[12]|from-env"]).arg(kiln.store()).output().expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&leaked.stdout), "", "no secret is kept");
    assert!(!(first.stdout + &first.stderr).contains("hidden-"));
    let dockerfile = "FROM busybox\nRUN --mount=type=secret,id=n,required=true true\n";
    kiln.build("missing", &[("Dockerfile", dockerfile)]).fails(1, &["secret n: not found", "--secret id=n"]);
}

#[test]
fn a_device_that_is_not_there_is_told_so() {
    let kiln = Kiln::with_busybox();
    let built = |device: &str| {
        let context = kiln.context("app", &[("Dockerfile", &format!("FROM busybox\nRUN --device={device} true\n"))]);
        build(&kiln, &["--allow", "device", &context.to_string_lossy()])
    };
    built("v.com/c=d").ok().fails(0, &["there is no device `v.com/c=d`: the step runs without it"]);
    built("v.com/c=d,required").fails(1, &["the device `v.com/c=d` is required", "without `required`, the step runs"]);
}

#[test]
fn an_insecure_step_may_do_what_root_may() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM busybox\n\
        RUN --security=insecure grep CapEff /proc/self/status > /caps && grep Seccomp: /proc/self/status >> /caps && \
            test -c /dev/fuse && test -c /dev/net/tun && test -b /dev/loop0 && \
            mkdir /mnt && mount -t tmpfs none /mnt && grep ' /sys sysfs rw' /proc/mounts\n\
        RUN grep CapEff /proc/self/status > /less && test ! -e /dev/fuse && ! mount -t tmpfs none /mnt\n";
    let context = kiln.context("insecure", &[("Dockerfile", dockerfile)]);
    build(&kiln, &["-t", "insecure", "--allow", "security.insecure", &context.to_string_lossy()]).ok();
    let root = kiln.root("insecure");
    let text = |path: &str| String::from_utf8_lossy(&root[path].contents).into_owned();
    let ours = fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let ours = ours.lines().find(|line| line.starts_with("CapEff")).expect("the kernel tells");
    assert_eq!(text("/caps"), format!("{ours}\nSeccomp:\t0\n"));
    assert_eq!(text("/less"), "CapEff:\t00000000a80425fb\n");
}

/// An `ssh-agent` with one key, which ends with it.
struct SshAgent {
    child: Child,
    socket: PathBuf,
}

impl SshAgent {
    fn start(kiln: &Kiln) -> Self {
        let (socket, key) = (kiln.path("a.sock"), kiln.path("key"));
        let child = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn();
        let child = child.expect("openssh-client is installed by `make test`");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !socket.exists() {
            assert!(std::time::Instant::now() < deadline, "the agent has no socket");
            std::thread::yield_now();
        }
        let script = format!(
            "ssh-keygen -q -t ed25519 -N '' -C e2e -f {0}; SSH_AUTH_SOCK={1} ssh-add -q {0}",
            key.display(),
            socket.display()
        );
        shell(&kiln.path(""), &script);
        Self { child, socket }
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_can_be_asked_but_not_changed() {
    let kiln = Kiln::with_busybox();
    let agent = SshAgent::start(&kiln);
    let dockerfile = "FROM busybox\nCOPY root /\n\
        RUN --mount=type=ssh,mode=0666 stat -c %a \"$SSH_AUTH_SOCK\" > /mode && ssh-add -l > /keys && ! ssh-add -D\n\
        RUN test -z \"$SSH_AUTH_SOCK\"\n";
    let context = kiln.context("ssh", &[("Dockerfile", dockerfile), ("root/bin/", "")]);
    shell(
        &context,
        "cp $(command -v ssh-add) root/bin/; \
         for lib in $(ldd root/bin/ssh-add | grep -o '/[^ ]*'); do mkdir -p root$(dirname $lib); cp $lib root$lib; done",
    );
    let given = format!("default={}", agent.socket.display());
    build(&kiln, &["-t", "ssh", "--ssh", &given, &context.to_string_lossy()]).ok();
    let root = kiln.root("ssh");
    assert_eq!(String::from_utf8_lossy(&root["/mode"].contents), "666\n");
    assert!(String::from_utf8_lossy(&root["/keys"].contents).contains("e2e"));
    let out = Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &agent.socket).output().expect("ssh-add runs");
    assert!(String::from_utf8_lossy(&out.stdout).contains("e2e"), "the key is still there");
    let required = "FROM busybox\nRUN --mount=type=ssh,required=true true\n";
    kiln.build("none", &[("Dockerfile", required)]).fails(1, &["no SSH key \"default\" forwarded from the client"]);
    let key = format!("default={}", kiln.path("key").display());
    build(&kiln, &["--no-cache", "--ssh", &key, &context.to_string_lossy()]).ok();
}
