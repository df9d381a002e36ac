//! Images and their names.

use cache::{Depth, Error, Resolution, Store};
use oci::{Digest, ImageId, Platform, Reference};

use crate::support::{Dir, layer};

fn name(text: &str) -> Reference {
    text.parse().expect("a name")
}

fn image(store: &Store, created: &str) -> ImageId {
    let config = format!(r#"{{"created":"{created}","architecture":"amd64","os":"linux"}}"#);
    store.put_image(config.as_bytes(), &[layer(store, "f", b"four")], None).expect("stored")
}

#[test]
fn an_image_is_found_as_people_write_it() {
    let dir = Dir::new();
    let store = dir.open();
    let id = image(&store, "2024-05-01T12:30:00Z");
    store.tag(&name("node"), &id).expect("tagged");
    let hex = id.0.hex();
    for text in [
        "node",
        "node:latest",
        "docker.io/library/node",
        &hex,
        &hex[..7],
        &format!("sha256:{hex}"),
        &format!("sha256:{}", &hex[..3]),
    ] {
        let found = store.find_image(text).expect("asked").unwrap_or_else(|| panic!("{text} was not found"));
        assert_eq!((found.id, found.size), (id, 4), "{text}");
    }
    for text in ["node:20", "", "%", "zz", "sha256:", &"0".repeat(64)] {
        assert_eq!(store.find_image(text).expect("asked"), None, "{text}");
    }
    assert_eq!(store.image_config(&id).expect("read").os, "linux");
}

#[test]
fn a_prefix_of_two_ids_is_refused() {
    let dir = Dir::new();
    let store = dir.open();
    let ids: Vec<_> = (0..17).map(|n| image(&store, &format!("2024-05-01T12:30:{n:02}Z")).0.hex()).collect();
    let twice = ids.iter().enumerate().find(|(n, id)| ids[..*n].iter().any(|other| other[..1] == id[..1]));
    let (_, id) = twice.expect("17 ids, 16 digits");
    assert!(matches!(store.find_image(&id[..1]), Err(Error::Ambiguous { .. })));
}

#[test]
fn a_name_has_one_image_and_an_image_many_names() {
    let dir = Dir::new();
    let store = dir.open();
    let (old, new) = (image(&store, "2024-01-01T00:00:00Z"), image(&store, "2024-02-01T00:00:00Z"));
    store.tag(&name("a"), &old).expect("tagged");
    store.tag(&name("b"), &old).expect("tagged");
    store.tag(&name("a"), &new).expect("tagged");
    let listed: Vec<_> = store
        .images()
        .expect("listed")
        .into_iter()
        .map(|(name, image)| (name.map(|name| name.familiar()), image.id))
        .collect();
    assert_eq!(listed, [(Some("a:latest".to_owned()), new), (Some("b:latest".to_owned()), old)]);
    assert!(store.untag(&name("b")).expect("untagged"));
    assert!(!store.untag(&name("b")).expect("untagged"));
    assert_eq!(store.names_of(&old).expect("asked"), []);
    assert_eq!(store.images().expect("listed").len(), 2, "an image without a name stays");
    assert!(store.remove_image(&new).expect("removed"));
    assert!(!store.remove_image(&new).expect("removed"));
    assert_eq!(store.find_image("a").expect("asked"), None);
    assert_eq!(store.fsck(Depth::Contents).expect("checked"), []);
    assert!(matches!(store.tag(&name("c"), &new), Err(Error::Missing { .. })));
}

#[test]
fn a_pulled_image_is_found_by_its_manifest() {
    let dir = Dir::new();
    let store = dir.open();
    let (manifest, platform) = (
        Digest::of(b"manifest"),
        Platform { os: "linux".into(), architecture: "arm".into(), variant: Some("v7".into()), os_version: None },
    );
    let id = store.put_image(br#"{"os":"linux"}"#, &[], Some(manifest)).expect("stored");
    assert_eq!(store.image_named(&name(&format!("node@{manifest}"))).expect("asked").map(|image| image.id), Some(id));
    // Stored again by a build, it is still that manifest's.
    store.put_image(br#"{"os":"linux"}"#, &[], None).expect("stored");
    assert_eq!(store.image(&id).expect("asked").and_then(|image| image.manifest), Some(manifest));

    let resolution = Resolution { manifest, image: Some(id), resolved: std::time::UNIX_EPOCH };
    assert_eq!(store.resolution(&name("node"), &platform).expect("asked"), None);
    store.put_resolution(&name("node"), &platform, &resolution).expect("noted");
    assert_eq!(store.resolution(&name("node"), &platform).expect("asked"), Some(resolution));
    assert_eq!(store.resolution(&name("node"), &Platform { variant: None, ..platform }).expect("asked"), None);
}

#[test]
fn a_config_that_is_none_is_refused() {
    let dir = Dir::new();
    let store = dir.open();
    assert!(matches!(store.put_image(b"{", &[], None), Err(Error::Config { .. })));
    assert_eq!(store.images().expect("listed").len(), 0);
}
