//! What the store costs on the way of a build: medians of many rounds, in microseconds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use cache::contexts::{Stamp, StatFile, StatFileWriter, StatKey};
use cache::{CacheKey, Record, Store};
use oci::{ContentDigest, LayerId, Tree};

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("store");
    fill(&root, 1_000);
    step(&root);
    open(&root);
    images(&root);
    contexts(dir.path());
}

/// A store that has been used.
fn fill(root: &Path, count: u64) {
    let store = Store::open(root).expect("a store");
    for n in 0..count {
        let ingest = store.ingest().expect("an ingest");
        let tree = Tree::default();
        let layer = layer(n);
        store.commit_layer(ingest, layer, &tree).expect("committed");
        store.put_record(&key(n), &record(layer)).expect("recorded");
        let config = format!(r#"{{"created":"2024-05-01T12:30:00Z","os":"linux","n":{n}}}"#);
        let id = store.put_image(config.as_bytes(), &[layer], None).expect("stored");
        store.tag(&format!("image-{n}").parse().expect("a name"), &id).expect("tagged");
    }
    store.tidy().expect("tidied");
}

fn step(root: &Path) {
    let store = Store::open(root).expect("a store");
    let (mut ingests, mut commits, mut records, mut lookups, mut blobs) = (vec![], vec![], vec![], vec![], vec![]);
    for n in 1_000_000..1_001_000_u64 {
        let ingest = timed(&mut ingests, || store.ingest().expect("an ingest"));
        fs::write(ingest.fs().join("f"), n.to_string()).expect("written");
        timed(&mut commits, || store.commit_layer(ingest, layer(n), &Tree::default()).expect("committed"));
        timed(&mut records, || store.put_record(&key(n), &record(layer(n))).expect("recorded"));
        timed(&mut lookups, || store.record(&key(n)).expect("looked up").expect("a hit"));
        timed(&mut blobs, || store.put_blob(&n.to_le_bytes()).expect("stored"));
    }
    for (what, times) in [
        ("ingest", ingests),
        ("commit_layer", commits),
        ("put_record", records),
        ("record (hit, one layer)", lookups),
        ("put_blob", blobs),
    ] {
        tell(what, times);
    }
}

fn open(root: &Path) {
    let (mut opens, mut closes) = (vec![], vec![]);
    for n in 0..300 {
        let store = timed(&mut opens, || {
            let store = Store::open(root).expect("a store");
            store.record(&key(n)).expect("looked up").expect("a hit");
            store
        });
        timed(&mut closes, || drop(store));
    }
    tell("open + one look-up", opens);
    tell("close", closes);
}

fn images(root: &Path) {
    let store = Store::open(root).expect("a store");
    let mut lists = vec![];
    for _ in 0..50 {
        timed(&mut lists, || assert_eq!(store.images().expect("listed").len(), 1_000));
    }
    tell("images, 1,000 of them", lists);
}

fn contexts(dir: &Path) {
    let paths: Vec<String> = (0..100_000).map(|n| format!("src/dir{:03}/file{:03}.rs", n / 500, n % 500)).collect();
    let path = dir.join("records");
    let (mut saves, mut opens, mut cursors, mut lookups) = (vec![], vec![], vec![], vec![]);
    for _ in 0..20 {
        timed(&mut saves, || {
            let mut writer = StatFileWriter::new(SystemTime::now());
            for (path, n) in paths.iter().zip(0..) {
                writer.add(path.as_bytes(), &stat(n), ContentDigest::from_bytes([7; 32]));
            }
            writer.save(&path).expect("saved");
        });
        let file = timed(&mut opens, || StatFile::open(&path));
        timed(&mut cursors, || {
            let mut cursor = file.cursor();
            assert!(paths.iter().zip(0..).all(|(path, n)| cursor.lookup(path.as_bytes(), &stat(n)).is_some()));
        });
        timed(&mut lookups, || {
            assert!(paths.iter().zip(0..).all(|(path, n)| file.lookup(path.as_bytes(), &stat(n)).is_some()));
        });
    }
    tell("100,000 stat records: save", saves);
    tell("100,000 stat records: open", opens);
    tell("100,000 stat records: in order", cursors);
    tell("100,000 stat records: one by one", lookups);
}

fn layer(n: u64) -> LayerId {
    LayerId::Built(ContentDigest::of(&n.to_le_bytes()))
}

fn key(n: u64) -> CacheKey {
    CacheKey(ContentDigest::of(&[&n.to_le_bytes()[..], b"key"].concat()))
}

fn record(layer: LayerId) -> Record {
    Record {
        layers: vec![layer],
        manifest: vec![b'm'; 600],
        step: ContentDigest::of(b"step"),
        name: "[2/5] RUN echo $X > /f".to_owned(),
        created: SystemTime::now(),
        took: None,
    }
}

fn stat(n: u64) -> StatKey {
    let stamp = Stamp { secs: 1_700_000_000, nanos: 5 };
    StatKey { device: 1, inode: n, size: n, mtime: stamp, ctime: stamp }
}

fn timed<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = work();
    times.push(start.elapsed());
    value
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    println!("{what:32} {:9.1} (p10 {:.1}, p99 {:.1})", at(50), at(10), at(99));
}
