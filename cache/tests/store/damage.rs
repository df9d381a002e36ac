//! Whatever is damaged is a miss or a clear error, and never a panic or wrong data.

use std::fs;
use std::path::PathBuf;

use cache::{Depth, Error, Problem, Store};
use oci::{LayerId, Reference};

use crate::support::{Dir, count, flip, key, layer, record};

/// A store with a layer, its record and an image, closed.
fn used() -> (Dir, LayerId) {
    let dir = Dir::new();
    let store = dir.open();
    let id = layer(&store, "f", b"bytes");
    store.put_record(&key("k"), &record(&[id])).expect("recorded");
    let image = store.put_image(br#"{"os":"linux"}"#, &[id], None).expect("stored");
    store.tag(&"node".parse::<Reference>().expect("a name"), &image).expect("tagged");
    store.tidy().expect("tidied");
    drop(store);
    (dir, id)
}

fn database(dir: &Dir) -> PathBuf {
    dir.root().join("kiln.db")
}

#[test]
fn a_damaged_tree_makes_its_layer_a_miss() {
    let (dir, id) = used();
    flip(&dir.root().join("layers").join(id.dir_name()).join("tree"));
    let store = dir.open();
    assert!(matches!(&store.fsck(Depth::Metadata).expect("checked")[..], [Problem::Layer { .. }]));
    let Err(Error::Damaged { aside, .. }) = store.tree(&id) else { panic!("damage went unseen") };
    assert!(aside.join("fs/f").exists());
    assert!(!store.has_layer(&id).expect("asked"));
    assert_eq!(store.record(&key("k")).expect("asked"), None);
    assert_eq!(layer(&store, "f", b"bytes"), id);
    assert!(store.record(&key("k")).expect("asked").is_some());
}

#[test]
fn fsck_sees_every_change_of_a_layer() {
    use std::os::unix::fs::PermissionsExt;
    type Harm = fn(&std::path::Path);
    let harms: [(Harm, Depth); 6] = [
        (|fs| fs::write(fs.join("f"), b"bytez").expect("written"), Depth::Contents),
        (|fs| fs::write(fs.join("f"), b"longer").expect("written"), Depth::Metadata),
        (|fs| fs::write(fs.join("g"), b"").expect("written"), Depth::Metadata),
        (|fs| fs::remove_file(fs.join("f")).expect("removed"), Depth::Metadata),
        (|fs| fs::set_permissions(fs.join("f"), fs::Permissions::from_mode(0o4755)).expect("set"), Depth::Metadata),
        (
            |fs| fs::remove_file(fs.join("f")).and_then(|()| fs::create_dir(fs.join("f"))).expect("made"),
            Depth::Metadata,
        ),
    ];
    for (harm, depth) in harms {
        let (dir, id) = used();
        let store = dir.open();
        harm(&store.layer_fs(&id).expect("here"));
        let problems = store.fsck(depth).expect("checked");
        assert!(matches!(&problems[..], [Problem::Layer { .. }]), "{problems:?}");
        // Repaired, the store is sound, and misses what it has lost.
        for _ in 0..2 {
            store.fsck(depth).expect("checked").iter().for_each(|problem| store.repair(problem).expect("repaired"));
        }
        assert_eq!(store.fsck(depth).expect("checked"), []);
        assert_eq!(store.record(&key("k")).expect("asked"), None);
    }
}

#[test]
fn a_database_of_garbage_is_replaced() {
    let (dir, id) = used();
    fs::write(database(&dir), b"this was a database once".repeat(400)).expect("written");
    let store = dir.open();
    assert!(!store.has_layer(&id).expect("asked"));
    assert_eq!(store.record(&key("k")).expect("asked"), None);
    assert!(count(&dir.root().join("aside")) > 0);
    // The layer's directory is there already, and nobody vouches for it.
    assert_eq!(layer(&store, "f", b"bytes"), id);
    assert_eq!(store.tree(&id).expect("a tree").len(), 1);
}

#[test]
fn a_database_that_is_gone_is_made_anew() {
    let (dir, id) = used();
    for name in ["kiln.db", "kiln.db-wal", "kiln.db-shm"] {
        let _ = fs::remove_file(dir.root().join(name));
    }
    let store = dir.open();
    assert_eq!(layer(&store, "f", b"bytes"), id);
}

/// One page after the other: whatever it held, nothing panics, what is answered is right, and the store goes on.
#[test]
fn a_database_with_a_page_of_garbage_goes_on() {
    let (dir, id) = used();
    let sound = fs::read(database(&dir)).expect("read");
    for page in 0..sound.len() / 4096 {
        for garbage in [0x00, 0x55, 0xff] {
            let mut bytes = sound.clone();
            bytes[page * 4096 + 8..][..4000].fill(garbage);
            for name in ["kiln.db-wal", "kiln.db-shm"] {
                let _ = fs::remove_file(dir.root().join(name));
            }
            fs::write(database(&dir), bytes).expect("written");
            match Store::open(&dir.root()) {
                Ok(store) => go_on(&store, id),
                Err(error) => assert!(matches!(error, Error::Database { .. } | Error::Version { .. }), "{error:?}"),
            }
        }
    }
}

fn go_on(store: &Store, id: LayerId) {
    if let Ok(Some(found)) = store.record(&key("k")) {
        assert_eq!(found.layers, [id]);
    }
    if let Ok(tree) = store.tree(&id) {
        assert_eq!(tree.len(), 1);
    }
    let _ = store.fsck(Depth::Contents);
    let _ = store.images();
    let _ = store.find_image("node");
    let _ = store.put_record(&key("new"), &record(&[]));
    let _ = store.put_blob(b"blob");
    let _ = store.tidy();
}

#[test]
fn an_unreadable_row_is_a_miss() {
    let (dir, id) = used();
    let database = rusqlite::Connection::open(database(&dir)).expect("opened");
    for change in ["layers = x'0102'", "layers = x'09' || zeroblob(32)", "step = x'01'", "name = x'ff'"] {
        let store = dir.open();
        store.put_record(&key("k"), &record(&[id])).expect("recorded");
        assert!(store.record(&key("k")).expect("asked").is_some());
        database.execute(&format!("UPDATE records SET {change}"), []).expect("changed");
        assert_eq!(store.record(&key("k")).expect("asked"), None, "{change}");
        assert_eq!(store.nearest_records(&record(&[]).step).expect("asked"), [], "{change}");
    }
}

#[test]
fn an_unreadable_image_hides_no_other() {
    for change in ["layers = x'0102'", "layers = 'text'", "manifest = x'01'", "created = 'text'", "size = 1.5"] {
        let (dir, id) = used();
        let store = dir.open();
        let sound = store.put_image(br#"{"os":"linux","author":"another"}"#, &[id], None).expect("stored");
        let lost = store.find_image("node").expect("asked").expect("an image").id;
        let database = rusqlite::Connection::open(database(&dir)).expect("opened");
        let sql = format!("UPDATE images SET {change} WHERE id = ?1");
        database.execute(&sql, [lost.0.as_bytes()]).expect("changed");
        let listed: Vec<_> = store.images().expect("listed").into_iter().map(|(_, image)| image.id).collect();
        assert_eq!(listed, [sound], "{change}");
        assert_eq!(store.find_image("node").expect("asked"), None, "{change}");
        let problems = store.fsck(Depth::Metadata).expect("checked");
        assert!(matches!(&problems[..], [Problem::Image { id, .. }] if *id == lost), "{change}: {problems:?}");
    }
}
