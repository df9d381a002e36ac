//! Records and the locks of keys.

use std::sync::atomic::{AtomicUsize, Ordering};

use cache::{LayerBlob, Origin};
use oci::{ContentDigest, DiffId, Digest, LayerId};

use crate::support::{Dir, count, key, layer, record};

#[test]
fn a_record_hits_when_its_layers_are_here() {
    let dir = Dir::new();
    let store = dir.open();
    let present = layer(&store, "f", b"x");
    let absent = LayerId::Built(ContentDigest::of(b"absent"));
    assert_eq!(store.record(&key("none")).expect("asked"), None);
    store.put_record(&key("hit"), &record(&[present])).expect("recorded");
    store.put_record(&key("empty"), &record(&[])).expect("recorded");
    store.put_record(&key("miss"), &record(&[present, absent])).expect("recorded");
    assert_eq!(store.record(&key("hit")).expect("asked"), Some(record(&[present])));
    assert_eq!(store.record(&key("empty")).expect("asked"), Some(record(&[])));
    assert_eq!(store.record(&key("miss")).expect("asked"), None);
}

/// A build whose steps all hit needs no base layer at all.
#[test]
fn a_layer_that_can_be_had_again_is_as_good_as_here() {
    let dir = Dir::new();
    let store = dir.open();
    let diff_id = DiffId(Digest::of(b"tar"));
    store.put_record(&key("remote"), &record(&[LayerId::Pulled(diff_id)])).expect("recorded");
    assert_eq!(store.record(&key("remote")).expect("asked"), None);
    let blob = |digest: &[u8], repositories: &[&str]| LayerBlob {
        diff_id,
        digest: Digest::of(digest),
        size: 7,
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        origins: repositories
            .iter()
            .map(|name| Origin { registry: "registry.example".to_owned(), repository: (*name).to_owned() })
            .collect(),
    };
    store.add_layer_blob(&blob(b"made here, gone", &[])).expect("noted");
    assert_eq!(store.record(&key("remote")).expect("asked"), None);
    store.add_layer_blob(&blob(b"pulled", &["b"])).expect("noted");
    store.add_layer_blob(&blob(b"pulled", &["a"])).expect("noted");
    assert!(store.record(&key("remote")).expect("asked").is_some());
    let blobs = store.layer_blobs(&diff_id).expect("asked");
    assert_eq!(blobs.len(), 2);
    assert!(blobs.contains(&blob(b"pulled", &["a", "b"])));
}

#[test]
fn the_records_of_a_step_come_newest_first() {
    let dir = Dir::new();
    let store = dir.open();
    let step = record(&[]).step;
    assert!(!store.knows_step(&step).expect("asked"));
    for n in 0..40_u64 {
        let created = record(&[]).created + std::time::Duration::from_secs(n);
        store.put_record(&key(&n.to_string()), &cache::Record { created, ..record(&[]) }).expect("recorded");
    }
    assert!(store.knows_step(&step).expect("asked"));
    let nearest = store.nearest_records(&step).expect("asked");
    assert_eq!(nearest.len(), 16);
    assert_eq!(nearest[0].0, key("39"));
    assert!(nearest.is_sorted_by(|a, b| a.1.created > b.1.created));
}

#[test]
fn one_thread_at_a_time_has_a_key() {
    let dir = Dir::new();
    let store = dir.open();
    let (holders, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let lock = store.lock_key(&key("k"), &mut || true).expect("asked").expect("locked");
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    runs.fetch_add(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(runs.into_inner(), 400);
    assert_eq!(count(&dir.root().join("locks")), 0, "lock files do not pile up");
}

#[test]
fn whoever_waits_can_give_up() {
    let dir = Dir::new();
    let (store, other) = (dir.open(), dir.open());
    let held = store.lock_key(&key("k"), &mut || true).expect("asked").expect("locked");
    let mut asked = 0;
    let given_up = other.lock_key(&key("k"), &mut || {
        asked += 1;
        asked < 3
    });
    assert!(given_up.expect("asked").is_none());
    assert_eq!(asked, 3);
    assert!(other.lock_key(&key("other"), &mut || false).expect("asked").is_some());
    drop(held);
    assert!(other.lock_key(&key("k"), &mut || false).expect("asked").is_some());
}

/// Whoever opens the database first reads all of its log.
#[test]
fn the_databases_log_is_written_back_before_it_is_long() {
    let dir = Dir::new();
    let log = || std::fs::metadata(dir.root().join("kiln.db-wal")).expect("a log").len();
    let store = dir.open();
    for n in 0..300 {
        store.put_record(&key(&n.to_string()), &record(&[])).expect("recorded");
    }
    assert!(log() > 1 << 20);
    drop(store);
    assert_eq!(log(), 0);
}

/// Before there were durations, the tables were of version 1.
#[test]
fn the_tables_of_an_older_program_are_brought_up_to_date() {
    let dir = Dir::new();
    drop(dir.open());
    let old = rusqlite::Connection::open(dir.root().join("kiln.db")).expect("the database is there");
    old.execute_batch("ALTER TABLE records DROP COLUMN took; PRAGMA user_version=1").expect("made older");
    let sql =
        "INSERT INTO records (key, step, layers, manifest, name, created, used) VALUES (?1, ?1, x'', x'', 'RUN', 0, 0)";
    old.execute(sql, [key("old").0.as_bytes()]).expect("recorded");
    drop(old);
    let store = dir.open();
    let found = store.record(&key("old")).expect("asked").expect("it is still there");
    assert_eq!((found.name.as_str(), found.took), ("RUN", None));
    store.put_record(&key("new"), &record(&[])).expect("recorded");
    assert_eq!(dir.open().record(&key("new")).expect("asked"), Some(record(&[])));
}
