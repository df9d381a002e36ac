//! Archives read and written, ours and other programs'.

use std::io::Cursor;
use std::process::Command;

use expect_test::expect;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::digest::Digest;
use crate::manifest::sample::Sample;
use crate::manifest::{Family, Index, Manifest};
use crate::reference::Reference;

fn saved(sample: &Sample, family: Family, names: &[&str]) -> Saved {
    let layers = std::slice::from_ref(&sample.layer_descriptor);
    let manifest = Manifest::for_image(family, &sample.config, layers).to_json();
    let image = SavedImage { manifest, config: sample.config.clone() };
    Saved { content: SavedContent::Image(image), names: names.iter().map(|name| name.parse().unwrap()).collect() }
}

fn tar_of(form: Form, sample: &Sample, names: &[&str]) -> Vec<u8> {
    let family = match form {
        Form::Oci => Family::Oci,
        Form::Docker => Family::Docker,
    };
    let mut out = Vec::new();
    let mut open = |_: &Descriptor| Ok(Box::new(Cursor::new(&sample.layer)) as Box<dyn Read>);
    write_tar(form, &[saved(sample, family, names)], &mut open, &mut out).unwrap();
    out
}

/// A file in a directory of its own, which goes with it.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("image.tar");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn images_in(bytes: &[u8]) -> Result<Vec<ArchiveImage>, ArchiveError> {
    let (_dir, path) = file(bytes);
    Archive::open(&path)?.images(None)
}

fn read_layer(archive: &Archive, image: &ArchiveImage) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.layer(&image.layers[0]).unwrap().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn tar_with(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        match name.split_once(" -> ") {
            Some((name, target)) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            }
            None => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, *bytes).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

#[test]
fn what_is_written_is_read_back_in_either_form() {
    let sample = Sample::new("linux/amd64", 10_000);
    for form in [Form::Oci, Form::Docker] {
        let bytes = tar_of(form, &sample, &["app:v1", "ghcr.io/a/b"]);
        assert_eq!(bytes, tar_of(form, &sample, &["app:v1", "ghcr.io/a/b"]), "the same image gives the same bytes");
        let (_dir, path) = file(&bytes);
        let archive = Archive::open(&path).unwrap();
        let images = archive.images(None).unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].config_bytes, sample.config);
        assert_eq!(images[0].names, ["docker.io/library/app:v1", "ghcr.io/a/b:latest"]);
        assert_eq!(read_layer(&archive, &images[0]).unwrap(), sample.layer);
        assert_eq!(images[0].layers[0].diff_id.0, Digest::of(&sample.tar));
    }
}

#[test]
fn the_members_come_in_one_order_without_time_or_owner() {
    let sample = Sample::new("linux/amd64", 10);
    let mut tar = tar::Archive::new(Cursor::new(tar_of(Form::Docker, &sample, &["app"])));
    let lines: Vec<String> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
            format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display())
        })
        .collect();
    assert!(lines[2..5].is_sorted(), "blobs by their digests");
    let digits = |line: &str| line.split_at(line.find("sha256/").map_or(line.len(), |at| at + 7)).0.to_owned();
    let lines: Vec<String> = lines.iter().map(|line| digits(line)).collect();
    expect![[r#"
        755 blobs/
        755 blobs/sha256/
        644 blobs/sha256/
        644 blobs/sha256/
        644 blobs/sha256/
        644 index.json
        644 manifest.json
        644 oci-layout"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_layout_directory_is_written_and_read() {
    let (sample, dir) = (Sample::new("linux/amd64", 10_000), tempdir().unwrap());
    let mut open = |_: &Descriptor| Ok(Box::new(Cursor::new(&sample.layer)) as Box<dyn Read>);
    write_dir(Form::Oci, &[saved(&sample, Family::Oci, &["app"])], &mut open, &dir.path().join("new")).unwrap();
    let archive = Archive::open(&dir.path().join("new")).unwrap();
    let images = archive.images(None).unwrap();
    assert_eq!(images[0].tag.as_deref(), Some("latest"));
    assert_eq!(read_layer(&archive, &images[0]).unwrap(), sample.layer);
}

#[test]
fn a_blob_that_is_not_what_it_should_be_is_not_written() {
    let sample = Sample::new("linux/amd64", 10_000);
    for wrong in [&sample.layer[1..], &[sample.layer.as_slice(), b"x"].concat(), &vec![0; sample.layer.len()]] {
        let mut open = |_: &Descriptor| Ok(Box::new(wrong) as Box<dyn Read>);
        let images = [saved(&sample, Family::Oci, &["app"])];
        let error = write_tar(Form::Oci, &images, &mut open, &mut io::sink()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write the image `app:latest`: the blob `sha256:"), "{error}");
    }
}

#[test]
fn the_old_docker_form_is_read() {
    let sample = Sample::new("linux/amd64", 10_000);
    let config = format!("{}.json", Digest::of(&sample.config).hex());
    let layer = format!("{}/layer.tar", "0".repeat(64));
    let shared = format!("{}/layer.tar -> ../{layer}", "1".repeat(64));
    let entries: Vec<String> = ["0", "1"]
        .iter()
        .map(|n| {
            let id = n.repeat(64);
            format!(r#"{{"Config":"{config}","RepoTags":["app:{n}"],"Layers":["{id}/layer.tar"]}}"#)
        })
        .collect();
    let manifest = format!("[{}]", entries.join(","));
    let bytes = tar_with(&[
        (&config, &sample.config),
        (&layer, &sample.tar),
        (&shared, b""),
        ("./manifest.json", manifest.as_bytes()),
        ("repositories", b"{}"),
    ]);
    let (_dir, path) = file(&bytes);
    let archive = Archive::open(&path).unwrap();
    let images = archive.images(None).unwrap();
    assert_eq!([&images[0].names, &images[1].names], [&["app:0"], &["app:1"]]);
    for image in &images {
        assert_eq!(read_layer(&archive, image).unwrap(), sample.tar);
    }
}

#[test]
fn long_names_are_read_in_both_ways_of_writing_them() {
    let long = format!("{}/manifest.json", "d/".repeat(120));
    let gnu = tar_with(&[(&long, b"[]")]);
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes()), ("size", b"2".as_slice())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(2);
    header.set_cksum();
    pax.append(&header, b"[]".as_slice()).unwrap();
    for bytes in [gnu, pax.into_inner().unwrap()] {
        let (_dir, path) = file(&bytes);
        let file = File::open(&path).unwrap();
        let members = members::Members::scan(&file, &path).unwrap();
        assert_eq!(members.find(&long).map(|(_, size)| size), Some(2));
    }
}

#[test]
fn of_several_platforms_one_is_chosen() {
    let samples = ["linux/amd64", "linux/arm64", "linux/arm/v7"].map(|platform| Sample::new(platform, 100));
    let all = [&samples[0], &samples[1], &samples[2]];
    let (nested, beside) = (tempdir().unwrap(), tempdir().unwrap());
    Sample::write_layout(nested.path(), &all);
    Sample::write_layout(beside.path(), &all);
    let entries = samples.iter().map(Sample::entry).collect();
    std::fs::write(beside.path().join("index.json"), Index::new(Family::Oci, entries).to_json()).unwrap();
    for dir in [nested, beside] {
        let archive = Archive::open(dir.path()).unwrap();
        let images = archive.images(Some(&"linux/arm64".parse().unwrap())).unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].config_bytes, samples[1].config);
        let error = archive.images(Some(&"linux/s390x".parse().unwrap())).unwrap_err().to_string();
        assert!(error.contains("hint: there is `linux/amd64`, `linux/arm/v7`, `linux/arm64`"), "{error}");
    }
}

#[test]
fn what_is_no_image_is_told_why() {
    let told = |bytes: &[u8]| {
        let (_dir, path) = file(bytes);
        let error = Archive::open(&path).and_then(|archive| archive.images(None)).unwrap_err();
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    let sample = Sample::new("linux/amd64", 1000);
    let whole = tar_of(Form::Oci, &sample, &["app"]);
    let docker = |manifest: &str| tar_with(&[("c", &sample.config), ("manifest.json", manifest.as_bytes())]);
    let cases = [
        told(b""),
        told(b"hello"),
        told(&[b'x'; 1024]),
        told(&sample.layer),
        told(&tar_with(&[("etc/passwd", b"x")])),
        told(&whole[..whole.len() - 3000]),
        told(&docker("{")),
        told(&docker(r#"[{"Config":"no","Layers":[]}]"#)),
        told(&docker(r#"[{"Config":"c","Layers":[]}]"#)),
        told(&docker(r#"[{"Config":"c","Layers":["../../etc/passwd"]}]"#)),
        told(&tar_with(&[("index.json", br#"{"schemaVersion":2,"manifests":[]}"#)])),
    ];
    expect![[r#"
        `FILE` is not an image: it is no tar and no directory with an `index.json` or a `manifest.json` in it
        `FILE` is not an image: it is no tar and no directory with an `index.json` or a `manifest.json` in it
        `FILE` is not an image: it is no tar and no directory with an `index.json` or a `manifest.json` in it
        `FILE` is compressed
        hint: decompress it first, as with `gunzip` or `zstd -d`
        `FILE` is not an image: it is no tar and no directory with an `index.json` or a `manifest.json` in it
        `FILE` is damaged at byte 5120: it ends within a header
        `manifest.json` in `FILE` is not valid: invalid type: map, expected a sequence at line 1 column 0
        `FILE` lacks `no`, which it needs
        cannot use `FILE`: the image `sha256:3b6ee6b2177b4af71c8f1749f00ac573f42bbd0fa31de0013b1c9869dc59b12b` has 0 layers, but its config knows of 1
        `FILE` lacks `../../etc/passwd`, which it needs
        `FILE` holds no image"#]]
    .assert_eq(&cases.join("\n"));
}

#[test]
fn a_changed_blob_is_noticed() {
    let (sample, dir) = (Sample::new("linux/amd64", 1000), tempdir().unwrap());
    let blob = |bytes: &[u8]| dir.path().join("blobs/sha256").join(Digest::of(bytes).hex());
    for changed in [&sample.config, &sample.manifest] {
        Sample::write_layout(dir.path(), &[&sample]);
        let mut other = changed.clone();
        other[10] ^= 1;
        std::fs::write(blob(changed), other).unwrap();
        let error = Archive::open(dir.path()).unwrap().images(None).unwrap_err();
        assert!(matches!(error, ArchiveError::Unverified { .. }), "{error}");
    }
    Sample::write_layout(dir.path(), &[&sample]);
    std::fs::write(blob(&sample.layer), vec![0; sample.layer.len()]).unwrap();
    let archive = Archive::open(dir.path()).unwrap();
    let image = &archive.images(None).unwrap()[0];
    assert!(read_layer(&archive, image).unwrap_err().to_string().contains("other contents"));
}

#[test]
fn nothing_outside_a_layout_is_read() {
    let (sample, dir) = (Sample::new("linux/amd64", 1000), tempdir().unwrap());
    let outside = dir.path().join("outside");
    std::fs::write(&outside, &sample.config).unwrap();
    let layout = dir.path().join("layout");
    Sample::write_layout(&layout, &[&sample]);
    let config = layout.join("blobs/sha256").join(Digest::of(&sample.config).hex());
    for target in [outside.clone(), "../../../outside".into(), "/proc/self/root/etc/passwd".into()] {
        std::fs::remove_file(&config).unwrap();
        std::os::unix::fs::symlink(target, &config).unwrap();
        let error = Archive::open(&layout).unwrap().images(None).unwrap_err();
        assert!(matches!(error, ArchiveError::Missing { .. }), "{error}");
    }
    std::fs::remove_file(&config).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &config, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(Archive::open(&layout).unwrap().images(None).is_err(), "a pipe is not waited for");
}

#[test]
fn links_in_circles_lead_nowhere() {
    let bytes = tar_with(&[("manifest.json -> b", b""), ("b -> manifest.json", b"")]);
    assert!(matches!(images_in(&bytes), Err(ArchiveError::NotAnImage { .. })));
}

#[test]
fn one_config_named_ten_thousand_times_does_not_fill_the_memory() {
    let entries = vec![r#"{"Config":"c","Layers":null}"#; 10_000].join(",");
    let mut config = crate::ImageConfig::default().to_json();
    config.resize(4 << 20, b' ');
    let bytes = tar_with(&[("c", &config), ("manifest.json", format!("[{entries}]").as_bytes())]);
    assert!(matches!(images_in(&bytes), Err(ArchiveError::TooMany { .. })));
}

/// Runs one of the other programs that read images.
fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn skopeo_umoci_and_buildah_read_what_is_written() {
    let sample = Sample::new("linux/amd64", 50_000);
    let noise = &sample.tar[512..512 + 50_000];
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("oci.tar"), tar_of(Form::Oci, &sample, &["app:v1"])).unwrap();
    std::fs::write(at("docker.tar"), tar_of(Form::Docker, &sample, &["app:v1"])).unwrap();

    let docker = format!("docker-archive:{}", at("docker.tar"));
    assert!(run("skopeo", &["inspect", &format!("oci-archive:{}", at("oci.tar"))]).contains("\"linux\""));
    assert!(run("skopeo", &["inspect", &docker]).contains(&Digest::of(&sample.tar).to_string()));
    let tags = run("skopeo", &["list-tags", &docker]);
    assert!(tags.contains("\"app:v1\""), "{tags}");

    let layout = format!("{}:v1", at("layout"));
    std::fs::create_dir(at("layout")).unwrap();
    run("tar", &["-xf", &at("oci.tar"), "-C", &at("layout")]);
    run("umoci", &["unpack", "--image", &layout, &at("bundle")]);
    assert_eq!(std::fs::read(at("bundle/rootfs/noise")).unwrap(), noise);

    // buildah keeps its store in the directory, which it would otherwise share with the whole machine.
    for (archive, name) in [("oci-archive", "oci.tar"), ("docker-archive", "docker.tar")] {
        let (root, runroot) = (at("storage"), at("run"));
        let store = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"];
        let policy = at("policy.json");
        std::fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
        let image = format!("{archive}:{}", at(name));
        let pull = [&store[..], &["pull", "--quiet", "--signature-policy", &policy, &image]].concat();
        assert_eq!(run("buildah", &pull).trim(), Digest::of(&sample.config).hex());
    }
}

#[test]
fn what_skopeo_writes_is_read() {
    let sample = Sample::new("linux/amd64", 50_000);
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    Sample::write_layout(&dir.path().join("layout"), &[&sample]);
    let from = format!("oci:{}", at("layout"));
    for (form, name) in [("docker-archive", ":app:v1"), ("oci-archive", ":v1"), ("oci", ":v1")] {
        let to = at(form);
        run("skopeo", &["--insecure-policy", "copy", "--quiet", &from, &format!("{form}:{to}{name}")]);
        let archive = Archive::open(Path::new(&to)).unwrap();
        let images = archive.images(None).unwrap();
        let layer = read_layer(&archive, &images[0]).unwrap();
        if form == "docker-archive" {
            assert_eq!(images[0].names, ["docker.io/library/app:v1"]);
            assert_eq!(layer, sample.tar);
        } else {
            assert_eq!(images[0].tag.as_deref(), Some("v1"));
            assert_eq!(layer, sample.layer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_archive_is_read_without_a_panic(
        changes in proptest::collection::vec((0usize..8192, any::<u8>()), 1..4),
        cut in 0usize..8192,
        docker: bool,
    ) {
        let form = if docker { Form::Docker } else { Form::Oci };
        let mut bytes = tar_of(form, &Sample::new("linux/amd64", 100), &["app"]);
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()) / 8);
        let _ = images_in(&bytes);
    }
}

#[test]
fn several_images_share_their_blobs() {
    let sample = Sample::new("linux/amd64", 1000);
    let images = [saved(&sample, Family::Oci, &["a"]), saved(&sample, Family::Docker, &["b", "c"])];
    let (mut out, mut opened) = (Vec::new(), 0);
    let mut open = |_: &Descriptor| {
        opened += 1;
        Ok(Box::new(Cursor::new(&sample.layer)) as Box<dyn Read>)
    };
    let manifests = write_tar(Form::Docker, &images, &mut open, &mut out).unwrap();
    assert_eq!((manifests.len(), opened), (2, 1));
    let names = |image: &ArchiveImage| image.names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Reference>>();
    let read = images_in(&out).unwrap();
    let expected = ["a:latest", "b:latest", "c:latest"].map(|name| name.parse().unwrap());
    let mut found: Vec<Reference> = read.iter().flat_map(names).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, expected);
}

/// The archive of an index of `platforms` that is called `app`, and the index.
fn index_of(form: Form, platforms: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let samples: Vec<Sample> = platforms.iter().map(|platform| Sample::new(platform, 100)).collect();
    let json = Index::new(Family::Oci, samples.iter().map(Sample::entry).collect()).to_json();
    let images =
        samples.iter().map(|sample| SavedImage { manifest: sample.manifest.clone(), config: sample.config.clone() });
    let content = SavedContent::Index { json: json.clone(), images: images.collect() };
    let mut out = Vec::new();
    let mut open = |_: &Descriptor| Ok(Box::new(Cursor::new(&samples[0].layer)) as Box<dyn Read>);
    let names = vec!["app".parse().unwrap()];
    let written = write_tar(form, &[Saved { content, names }], &mut open, &mut out).unwrap();
    assert_eq!(written[0].digest, Digest::of(&json));
    (out, json)
}

#[test]
fn an_index_is_written_and_read_back_whole() {
    for form in [Form::Oci, Form::Docker] {
        let (bytes, json) = index_of(form, &["linux/arm64", "linux/amd64"]);
        let images = images_in(&bytes).unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].names, ["docker.io/library/app:latest"]);
        assert_eq!(images[0].config.platform(), Platform::host());
        let index = images[0].index.as_ref().unwrap();
        assert_eq!(index.bytes, json);
        let platforms: Vec<String> = index.images.iter().map(|image| image.config.platform().to_string()).collect();
        assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
    }
}

#[test]
fn an_index_without_this_machines_platform_is_read_all_the_same() {
    let (bytes, _) = index_of(Form::Docker, &["linux/s390x", "linux/riscv64"]);
    let images = images_in(&bytes).unwrap();
    assert_eq!(images[0].config.architecture, "s390x");
    assert_eq!(images[0].index.as_ref().unwrap().images.len(), 2);
}

#[test]
fn of_a_layout_one_image_is_asked_for() {
    let (dir, samples) = (tempdir().unwrap(), ["linux/amd64", "linux/arm64"].map(|name| Sample::new(name, 100)));
    Sample::write_layout(dir.path(), &[&samples[0], &samples[1]]);
    let archive = Archive::open(dir.path()).unwrap();
    let ask = |wanted: Wanted, platform: &str| {
        archive.image(&wanted, &platform.parse().unwrap()).map(|image| image.config.architecture)
    };
    let latest = || Wanted::Tag("latest".to_owned());
    assert_eq!(ask(latest(), "linux/amd64").unwrap(), "amd64", "the only one is meant, whatever its name");
    assert_eq!(ask(latest(), "linux/arm64").unwrap(), "arm64");
    let manifest = samples[1].entry().digest;
    assert_eq!(ask(Wanted::Digest(manifest), "linux/arm64").unwrap(), "arm64");
    let error = ask(Wanted::Digest(Digest::of(b"")), "linux/arm64").unwrap_err().to_string();
    assert!(error.contains("holds no image that is called `sha256:e3b0c"), "{error}");
}
