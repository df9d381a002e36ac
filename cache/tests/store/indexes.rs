//! Indexes: found by name, removed with what only they lead to.

use cache::{Image, Store};
use oci::manifest::{Descriptor, Family, Index, Manifest};
use oci::{ImageId, LayerId, Reference};

use crate::support::{Dir, layer};

fn name(text: &str) -> Reference {
    text.parse().expect("a name")
}

/// An image for `architecture`, and the entry of an index that names it.
fn image(store: &Store, architecture: &str) -> (ImageId, Descriptor) {
    let config = format!(r#"{{"created":"2024-05-01T12:30:00Z","architecture":"{architecture}","os":"linux"}}"#);
    let layers: [LayerId; 1] = [layer(store, "f", b"four")];
    let manifest = Manifest::for_image(Family::Oci, config.as_bytes(), &[]).to_json();
    let digest = store.put_blob(&manifest).expect("stored");
    let id = store.put_image(config.as_bytes(), &layers, Some(digest)).expect("stored");
    let platform = Some(format!("linux/{architecture}").parse().expect("a platform"));
    (id, Descriptor { platform, ..Descriptor::of(oci::manifest::OCI_MANIFEST, &manifest) })
}

fn index(store: &Store, entries: &[&Descriptor]) -> ImageId {
    let entries = entries.iter().map(|entry| (*entry).clone()).collect();
    store.put_index(&Index::new(Family::Oci, entries).to_json()).expect("stored")
}

#[test]
fn a_name_leads_to_an_index_and_that_to_its_images() {
    let dir = Dir::new();
    let store = dir.open();
    let (amd64, arm64) = (image(&store, "amd64"), image(&store, "arm64"));
    let absent = Descriptor::of(oci::manifest::OCI_MANIFEST, b"not here");
    let id = index(&store, &[&amd64.1, &absent, &arm64.1]);
    store.tag(&name("app"), &id).expect("tagged");
    let found = store.find_image("app").expect("asked").expect("it is here");
    assert_eq!((found.id, found.is_index(), found.size), (id, true, 8));
    let images: Vec<_> = store.index_images(&id).expect("read").into_iter().map(|(_, image)| image).collect();
    assert_eq!(images.iter().map(|image| image.id).collect::<Vec<_>>(), [amd64.0, arm64.0]);
    assert!(!images.iter().any(Image::is_index));
    let by_digest = store.find_image(&format!("app@{}", id.0)).expect("asked");
    assert_eq!(by_digest.map(|image| image.id), Some(id));
    assert_eq!(store.nameless_members().expect("read").len(), 2);
}

#[test]
fn what_only_an_index_led_to_goes_with_it() {
    let dir = Dir::new();
    let store = dir.open();
    let [amd64, arm64, riscv64] = ["amd64", "arm64", "riscv64"].map(|architecture| image(&store, architecture));
    store.tag(&name("own"), &amd64.0).expect("tagged");
    let first = index(&store, &[&amd64.1, &arm64.1, &riscv64.1]);
    let second = index(&store, &[&riscv64.1]);
    assert!(store.remove_index(&first).expect("removed"));
    let here = |id: &ImageId| store.image(id).expect("asked").is_some();
    assert_eq!([amd64.0, arm64.0, riscv64.0, first, second].map(|id| here(&id)), [true, false, true, false, true]);
}
