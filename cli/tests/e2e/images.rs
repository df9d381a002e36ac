//! Images in and out: archives that other tools read, a registry, names and ids.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::harness::{Kiln, listing};

const DOCKERFILE: &str = "FROM busybox\nRUN mkdir -p /d && echo f > /d/f && ln /d/f /d/hard && ln -s f /d/soft && chown -R 3:4 /d\n\
                          RUN rm -rf /d/soft /tmp && mkdir /tmp\nENV A=b\nCMD [\"cat\", \"/d/f\"]\n";

fn built() -> Kiln {
    let kiln = Kiln::with_busybox();
    kiln.build("app:1", &[("Dockerfile", DOCKERFILE)]).ok();
    kiln
}

/// A program of another project, which must succeed.
#[track_caller]
fn peer(program: &str, args: &[&str]) -> String {
    let ran = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("`{program}` is installed by `make test`: {error}"));
    assert!(ran.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[track_caller]
fn holds_the_build(root: &Path) {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the file is there");
    assert_eq!(read("d/f"), "f\n");
    assert_eq!(read("d/hard"), "f\n");
    assert!(!root.join("d/soft").exists() && root.join("tmp").is_dir() && root.join("bin/busybox").is_file());
}

#[test]
fn archives_are_read_by_others() {
    let kiln = built();
    let context = kiln.path("context-app:1").display().to_string();
    for (kind, transport) in [("oci", "oci-archive"), ("docker", "docker-archive")] {
        let tar = kiln.path(&format!("{kind}.tar")).display().to_string();
        kiln.run(["build", "-q", "-t", "app:1", "-o", &format!("type={kind},dest={tar}"), &context]).ok();
        let source = format!("{transport}:{tar}");
        let inspected: serde_json::Value =
            serde_json::from_str(&peer("skopeo", &["inspect", "--config", &source])).expect("skopeo prints JSON");
        assert_eq!(inspected["config"]["Env"], serde_json::json!(["PATH=/bin", "A=b"]));
        let layout = kiln.path(&format!("{kind}-layout")).display().to_string();
        peer("skopeo", &["copy", "--quiet", &source, &format!("oci:{layout}:app")]);
        let bundle = kiln.path(&format!("{kind}-bundle"));
        peer("umoci", &["unpack", "--image", &format!("{layout}:app"), &bundle.display().to_string()]);
        holds_the_build(&bundle.join("rootfs"));
    }
    let storage = kiln.path("containers").display().to_string();
    let buildah = |args: &[&str]| {
        let global = ["--root", &storage, "--runroot", &storage, "--storage-driver", "vfs"];
        peer("buildah", &[&global[..], args].concat())
    };
    let oci = format!("oci-archive:{}", kiln.path("oci.tar").display());
    let id = buildah(&["pull", "--quiet", &oci]);
    let container = buildah(&["from", id.trim()]);
    let root = buildah(&["mount", container.trim()]);
    holds_the_build(Path::new(root.trim()));
    buildah(&["rm", container.trim()]);
}

#[test]
fn saved_and_loaded_it_is_the_same_image() {
    let kiln = built();
    let tar = kiln.path("saved.tar").display().to_string();
    kiln.run(["save", "-o", &tar, "app:1"]).ok();
    let other = Kiln::new();
    let loaded = other.run(["load", "-i", &tar]).ok();
    assert!(loaded.stdout.contains("Loaded image: app:1"), "{loaded}");
    assert_eq!(other.config("app:1")["Id"], kiln.config("app:1")["Id"]);
    assert_eq!(listing(&other.root("app:1")), listing(&kiln.root("app:1")));
    other.run(["cache", "fsck"]).ok();
}

#[test]
fn what_others_write_is_loaded() {
    let kiln = built();
    let tar = kiln.path("docker.tar").display().to_string();
    kiln.run(["save", "-o", &tar, "app:1"]).ok();
    let layout = kiln.path("layout").display().to_string();
    peer("skopeo", &["copy", "--quiet", &format!("docker-archive:{tar}"), &format!("oci:{layout}:app:2")]);
    let oci = kiln.path("oci.tar").display().to_string();
    peer("skopeo", &["copy", "--quiet", &format!("docker-archive:{tar}"), &format!("oci-archive:{oci}:app:3")]);
    for input in [&layout, &oci] {
        let other = Kiln::new();
        let loaded = other.run(["load", "-i", input]).ok();
        let name =
            loaded.stdout.lines().next().and_then(|line| line.split_once(": ")).expect("a name or an id").1.to_owned();
        assert_eq!(listing(&other.root_of(&name)), listing(&kiln.root("app:1")));
    }
}

#[test]
fn a_directory_gets_the_root() {
    let kiln = built();
    let out = kiln.path("out");
    let context = kiln.path("context-app:1").display().to_string();
    kiln.run(["build", "--progress=plain", "-o", &out.display().to_string(), &context]).ok();
    holds_the_build(&out);
}

/// Debian's `docker-registry` on loopback, for as long as this lives.
struct Registry {
    server: Child,
    address: String,
}

impl Registry {
    fn start(kiln: &Kiln) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback has ports").port();
        let address = format!("127.0.0.1:{port}");
        let config = kiln.path("registry.yml");
        let storage = kiln.path("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            storage.display()
        );
        std::fs::write(&config, text).expect("the directory is ours");
        let server = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed by `make test`");
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(begun.elapsed().as_secs() < 20, "the registry does not answer");
            std::thread::yield_now();
        }
        Self { server, address }
    }

    fn push(&self, kiln: &Kiln, image: &str, name: &str) {
        let tar = kiln.path("push.tar").display().to_string();
        kiln.run(["save", "-o", &tar, image]).ok();
        let to = format!("docker://{}/{name}", self.address);
        peer("skopeo", &["copy", "--quiet", "--dest-tls-verify=false", &format!("docker-archive:{tar}"), &to]);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_base_comes_from_a_registry() {
    let kiln = built();
    let registry = Registry::start(&kiln);
    registry.push(&kiln, "app:1", "team/app:1");
    let name = format!("{}/team/app:1", registry.address);

    let other = Kiln::new();
    let dockerfile = format!("FROM {name}\nRUN cat /d/hard > /copy\n");
    other.build("child", &[("Dockerfile", &dockerfile)]).ok();
    assert_eq!(other.root("child")["/copy"].contents, b"f\n");
    other.run(["cache", "fsck"]).ok();

    let third = Kiln::new();
    third.run(["pull", &name]).ok();
    assert_eq!(third.config(&name)["Id"], kiln.config("app:1")["Id"]);
    assert_eq!(third.run(["run", "--rm", &name]).ok().stdout, "f\n");
    third.run(["pull", &format!("{}/team/none", registry.address)]).fails(1, &["team/none"]);
}

#[test]
fn a_cached_build_pulls_no_layer() {
    let kiln = built();
    let registry = Registry::start(&kiln);
    registry.push(&kiln, "app:1", "app:1");
    let name = format!("{}/app:1", registry.address);
    let other = Kiln::new();
    // Nothing of the base has to be there for what only changes the config.
    other.build("labels", &[("Dockerfile", &format!("FROM {name}\nLABEL a=b\nCMD [\"x\"]\n"))]).ok();
    assert_eq!(std::fs::read_dir(other.store().join("layers")).expect("the store has layers").count(), 0);
}

#[test]
fn names_and_ids() {
    let kiln = built();
    let id = kiln.config("app:1")["Id"].as_str().expect("an image has an id").to_owned();
    let hex = id.strip_prefix("sha256:").expect("an id is a sha256").to_owned();
    kiln.run(["tag", "app:1", "other/name"]).ok();
    for name in ["other/name", "other/name:latest", &id, &hex, &hex[..12], &hex[..6]] {
        assert_eq!(kiln.config(name)["Id"], id.as_str(), "{name}");
    }
    let images = kiln.run(["images"]).ok().stdout;
    assert!(images.lines().next().is_some_and(|line| line.starts_with("REPOSITORY")), "{images}");
    assert!(
        images
            .lines()
            .any(|line| line.starts_with("other/name") && line.contains("latest") && line.contains(&hex[..12])),
        "{images}"
    );
    assert_eq!(kiln.run(["images", "-q", "app"]).ok().stdout.trim(), &hex[..12]);
    let removed = kiln.run(["rmi", "app:1"]).ok().stdout;
    assert_eq!(removed.trim(), "Untagged: app:1");
    kiln.run(["inspect", "app:1"]).fails(1, &["app:1"]);
    let removed = kiln.run(["rmi", "other/name"]).ok().stdout;
    assert!(
        removed.contains("Untagged: other/name:latest") && removed.contains(&format!("Deleted: {id}")),
        "{removed}"
    );
    kiln.run(["rmi", "nothing"]).fails(1, &["No such image: nothing"]);
    kiln.run(["cache", "fsck"]).ok();
}
