//! Manifests and indexes, sound and hostile.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest() -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{OCI_CONFIG}","digest":"{D}","size":2}},"layers":[{{"mediaType":"{OCI_LAYER_GZIP}","digest":"{D}","size":3}}]}}"#
    )
}

fn index(platforms: &[&str]) -> String {
    let entries: Vec<String> = platforms
        .iter()
        .enumerate()
        .map(|(i, platform)| {
            let platform = match platform.split('/').collect::<Vec<_>>()[..] {
                [os, arch] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}"}}"#),
                [os, arch, v] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}","variant":"{v}"}}"#),
                _ => String::new(),
            };
            format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{D}","size":{i}{platform}}}"#)
        })
        .collect();
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
}

fn chosen(platforms: &[&str], wanted: &str) -> Result<u64, ManifestError> {
    let json = index(platforms);
    match Document::parse(json.as_bytes(), Some(OCI_INDEX)).unwrap() {
        Document::Index(index) => index.choose(Digest::of(b""), &wanted.parse().unwrap()).map(|entry| entry.size),
        Document::Manifest(_) => panic!("an index"),
    }
}

fn refused(json: &str, sent_as: Option<&str>, expected: &Expect) {
    let error = Document::parse(json.as_bytes(), sent_as).unwrap_err().to_string();
    expected.assert_eq(&error.replace(&Digest::of(json.as_bytes()).to_string(), "DIGEST"));
}

#[test]
fn a_manifest_is_known_by_what_it_says_how_it_was_sent_or_its_fields() {
    let said = manifest();
    let silent = said.replace(&format!(r#""mediaType":"{OCI_MANIFEST}","#), "");
    for (json, sent_as) in [(&said, None), (&said, Some("text/plain")), (&silent, Some(OCI_MANIFEST)), (&silent, None)]
    {
        assert!(matches!(Document::parse(json.as_bytes(), sent_as), Ok(Document::Manifest(_))), "{json} {sent_as:?}");
    }
    let typed = format!("{DOCKER_LIST}; charset=utf-8");
    assert!(matches!(Document::parse(index(&[]).as_bytes(), Some(&typed)), Ok(Document::Index(_))));
}

#[test]
fn what_is_written_is_read_back() {
    let Document::Manifest(read) = Document::parse(manifest().as_bytes(), None).unwrap() else { panic!() };
    assert_eq!(String::from_utf8(read.to_json()).unwrap(), manifest());
    assert_eq!(Manifest::new(Family::Oci, read.config.clone(), read.layers.clone()), read);
    read.check_image(Digest::of(b""), 1).unwrap();
    assert!(matches!(read.check_image(Digest::of(b""), 2), Err(ManifestError::LayersDiffer { .. })));
}

#[test]
fn the_best_platform_is_chosen() {
    let many = ["linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/386", "linux/amd64", "unknown/unknown"];
    assert_eq!(chosen(&many, "linux/amd64").unwrap(), 4);
    assert_eq!(chosen(&many, "linux/arm64").unwrap(), 2);
    assert_eq!(chosen(&many, "linux/arm/v7").unwrap(), 1);
    assert_eq!(chosen(&many[..4], "linux/amd64").unwrap(), 3);
    assert_eq!(chosen(&["unknown/unknown", ""], "linux/amd64").unwrap(), 1);
    expect![[r#"
        there is no image for `linux/s390x` in the index `sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`
        hint: there is `linux/386`, `linux/amd64`, `linux/arm/v6`, `linux/arm/v7`, `linux/arm64`"#]]
    .assert_eq(&chosen(&many, "linux/s390x").unwrap_err().to_string());
    expect![[r#"
        there is no image for `linux/amd64` in the index `sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`
        hint: the index holds no image at all"#]]
    .assert_eq(&chosen(&["unknown/unknown"], "linux/amd64").unwrap_err().to_string());
}

#[test]
fn what_is_no_manifest_is_told_why() {
    refused("<html>", None, &expect!["the manifest `DIGEST` is not one: expected value at line 1 column 1"]);
    refused("{}", None, &expect!["the manifest `DIGEST` is of the unknown type ``"]);
    refused("{}", Some("text/html"), &expect!["the manifest `DIGEST` is of the unknown type `text/html`"]);
    refused(
        r#"{"schemaVersion":1,"fsLayers":[]}"#,
        None,
        &expect![[r#"
        the manifest `DIGEST` has Docker's schema 1, which was given up in 2019 and is not supported
        hint: push the image again with a current Docker, or copy it with `skopeo copy`"#]],
    );
    refused(
        &manifest().replace(r#""layers""#, r#""manifests":[],"layers""#),
        None,
        &expect!["the manifest `DIGEST` can be read as an image and as an index, and is neither"],
    );
    refused(
        &manifest(),
        Some(OCI_INDEX),
        &expect!["the manifest `DIGEST` can be read as an image and as an index, and is neither"],
    );
    refused(
        &manifest().replace(OCI_MANIFEST, OCI_INDEX),
        None,
        &expect!["the manifest `DIGEST` can be read as an image and as an index, and is neither"],
    );
    refused(
        &manifest().replace(r#""size":3"#, r#""size":-3"#),
        None,
        &expect!["the manifest `DIGEST` is not one: invalid value: integer `-3`, expected u64 at line 1 column 395"],
    );
    refused(
        &manifest().replace("sha256:e3b0", "sha256:E3b0"),
        None,
        &expect![
            "the manifest `DIGEST` is not one: `sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits at line 1 column 223"
        ],
    );
    refused(&" ".repeat(5 << 20), None, &expect!["the manifest `DIGEST` has 5242880 bytes, and 4194304 is the limit"]);
    let layer = format!(r#"{{"mediaType":"{OCI_LAYER}","digest":"{D}","size":1}}"#);
    let layers = vec![layer; 501].join(",");
    let many = manifest().replace(r#""layers":["#, &format!(r#""layers":[{layers},"#));
    refused(&many, None, &expect!["the image `DIGEST` has 502 layers, and 500 is the limit"]);
}

#[test]
fn what_is_no_image_is_told_why() {
    let check = |json: String, expected: Expect| {
        let Document::Manifest(read) = Document::parse(json.as_bytes(), None).unwrap() else { panic!() };
        expected.assert_eq(&read.check_image(Digest::of(b""), 1).unwrap_err().to_string());
    };
    check(
        manifest().replace(OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json"),
        expect![
            "`sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` is not an image: its config is a `application/vnd.cncf.helm.config.v1+json`"
        ],
    );
    check(
        manifest().replace("tar+gzip", "tar+gzip+encrypted"),
        expect![
            "the layer `sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` of `sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` is of the unsupported type `application/vnd.oci.image.layer.v1.tar+gzip+encrypted`"
        ],
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(at in 0..manifest().len(), byte: u8, junk: Vec<u8>) {
        let mut json = manifest().into_bytes();
        json[at] = byte;
        let _ = Document::parse(&json, None);
        let _ = Document::parse(&junk, Some(OCI_INDEX));
    }
}
