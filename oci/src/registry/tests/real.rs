//! Debian's `docker-registry`, filled by `skopeo`. Both are installed by the suite's set-up; without them these
//! tests fail, for a skipped test proves nothing.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::*;

struct RealRegistry {
    address: String,
    process: Child,
    dir: tempfile::TempDir,
}

impl RealRegistry {
    fn start(auth: &str) -> Self {
        for _ in 0..10 {
            // Somebody else may take the port before the registry does.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let (dir, address) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{port}"));
            let root = dir.path().display();
            std::fs::write(dir.path().join("htpasswd"), HTPASSWD).unwrap();
            let config = format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: {root}/data}}}}\nhttp: {{addr: '{address}'}}\n{}",
                auth.replace("DIR", &root.to_string())
            );
            let file = dir.path().join("config.yml");
            std::fs::write(&file, config).unwrap();
            let mut process = Command::new("docker-registry")
                .arg("serve")
                .arg(&file)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("docker-registry is installed");
            let start = Instant::now();
            while process.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(10) {
                if std::net::TcpStream::connect(&address).is_ok() {
                    return Self { address, process, dir };
                }
                std::thread::yield_now();
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("docker-registry did not start");
    }

    fn name(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address).parse().unwrap()
    }

    /// Puts images into the registry under `name`, all of them as one index if there are several.
    fn fill(&self, name: &str, images: &[&Sample], extra: &[&str]) {
        let layout = self.dir.path().join(format!("layout-{}", name.replace(['/', ':'], "-")));
        Sample::write_layout(&layout, images);
        let done = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--all", "--quiet", "--dest-tls-verify=false"])
            .args(extra)
            .arg(format!("oci:{}", layout.display()))
            .arg(format!("docker://{}/{name}", self.address))
            .output()
            .expect("skopeo is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// bcrypt of `me:secret`.
const HTPASSWD: &str = "me:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

#[test]
fn an_image_is_pulled_as_it_was_pushed() {
    let (real, image) = (RealRegistry::start(""), Sample::new("linux/amd64", 3 << 20));
    real.fill("a/b:v1", &[&image], &[]);
    let (registry, name) = (Registry::new(RegistryConfig::default()), real.name("a/b:v1"));
    let resolved = registry.resolve(&name, None).unwrap();
    assert_eq!((resolved.digest, resolved.target), (Digest::of(&image.manifest), Digest::of(&image.manifest)));
    assert_eq!(resolved.manifest_bytes, image.manifest);
    assert_eq!(resolved.media_type, OCI_MANIFEST);
    assert_eq!(resolved.config_bytes, image.config);
    assert_eq!(resolved.layers, std::slice::from_ref(&image.layer_descriptor));
    assert_eq!(read(&registry, &name, &resolved.layers[0]).unwrap(), image.layer);
    assert_eq!(registry.digest(&name).unwrap(), resolved.digest);
    let pinned = registry.resolve(&name.with_digest(resolved.digest), None).unwrap();
    assert_eq!(pinned.manifest_bytes, image.manifest);

    let mut tail = Vec::new();
    std::io::Read::read_to_end(&mut registry.blob(&name, &resolved.layers[0], 12_345).unwrap(), &mut tail).unwrap();
    assert_eq!(tail, image.layer[12_345..]);

    let missing = registry.resolve(&real.name("a/b:v2"), None).unwrap_err();
    assert!(matches!(missing, RegistryError::NotFound { .. }), "{missing}");
}

#[test]
fn dockers_own_media_types_are_read() {
    let (real, image) = (RealRegistry::start(""), Sample::new("linux/amd64", 1000));
    real.fill("app", &[&image], &["--format", "v2s2"]);
    let registry = Registry::new(RegistryConfig::default());
    assert_eq!(registry.resolve(&real.name("app"), None).unwrap().media_type, DOCKER_MANIFEST);
    assert_eq!(pull(&registry, &real.name("app")).unwrap(), image.layer);
}

#[test]
fn of_several_platforms_the_wanted_one_is_pulled() {
    let real = RealRegistry::start("");
    let images = ["linux/amd64", "linux/arm64", "linux/arm/v7"].map(|platform| Sample::new(platform, 5000));
    real.fill("multi", &[&images[0], &images[1], &images[2]], &[]);
    let (registry, name) = (Registry::new(RegistryConfig::default()), real.name("multi"));
    for (platform, image) in [("linux/arm64/v8", &images[1]), ("linux/arm", &images[2]), ("amd64", &images[0])] {
        let resolved = registry.resolve(&name, Some(&platform.parse().unwrap())).unwrap();
        assert_eq!(resolved.config_bytes, image.config, "{platform}");
        assert_ne!(resolved.target, resolved.digest);
    }
    let error = registry.resolve(&name, Some(&"linux/s390x".parse().unwrap())).unwrap_err().to_string();
    assert!(error.contains("hint: there is `linux/amd64`, `linux/arm/v7`, `linux/arm64`"), "{error}");
}

#[test]
fn a_registry_with_passwords_gets_one() {
    let real = RealRegistry::start("auth: {htpasswd: {realm: r, path: DIR/htpasswd}}\n");
    let image = Sample::new("linux/amd64", 1000);
    real.fill("app", &[&image], &["--dest-creds", "me:secret"]);
    assert_eq!(pull(&Registry::new(with_password("me", "secret")), &real.name("app")).unwrap(), image.layer);
    for config in [impatient(), with_password("me", "wrong")] {
        let error = pull(&Registry::new(config), &real.name("app")).unwrap_err().to_string();
        assert!(error.contains("hint: ") && error.contains("docker login"), "{error}");
    }
}

#[test]
fn many_threads_share_one_registry() {
    let (real, image) = (RealRegistry::start(""), Sample::new("linux/amd64", 2 << 20));
    real.fill("app", &[&image], &[]);
    let (registry, name) = (Registry::new(RegistryConfig::default()), real.name("app"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(pull(&registry, &name).unwrap(), image.layer));
        }
    });
}
