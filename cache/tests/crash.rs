//! What the store is worth when its users are killed or race each other. Starts itself again as the users.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache::{CacheKey, Depth, Record, Store};
use oci::tree::{Entry, Kind, Meta, TreeBuilder};
use oci::{ContentDigest, LayerId};

const KILLS: u64 = 60;
const RACERS: usize = 2;
const THREADS: usize = 4;
const LAPS: usize = 60;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("commit") => commit_for_ever(Path::new(&args[2]), &args[3]),
        Some("race") => race(Path::new(&args[2])),
        // The test runner's own arguments.
        _ => {
            killed_at_any_moment();
            raced_by_processes_and_threads();
            println!("crash: ok");
        }
    }
}

/// Killed at random moments, users leave a store that opens and is sound, with all that they said was recorded.
fn killed_at_any_moment() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::new();
    let mut recorded = 0;
    for round in 0..KILLS {
        // A new store now and then, so that its making is met as well and checks stay quick.
        let root = dir.path().join((round / 6).to_string());
        let names: Vec<String> = (0..2).map(|n| format!("{round}.{n}")).collect();
        let mut children: Vec<Child> =
            names.iter().map(|name| start(&["commit", &root.to_string_lossy(), name])).collect();
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        for child in &mut children {
            child.kill().expect("killed");
            child.wait().expect("waited for");
        }
        let store = Store::open(&root).expect("opened after a kill");
        let problems = store.fsck(Depth::Contents).expect("checked");
        assert!(problems.is_empty(), "round {round}, seed {}: {problems:?}", random.seed);
        for (child, name) in children.iter_mut().zip(&names) {
            let mut said = String::new();
            child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("read");
            for n in said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                recorded += 1;
                let hit = store.record(&key(&format!("{name}.{n}"))).expect("looked up");
                assert!(hit.is_some(), "round {round}: what was recorded is gone");
            }
        }
    }
    assert!(recorded > KILLS, "children were killed before they did anything");
}

/// One key, some processes with some threads each: one holder at a time.
fn raced_by_processes_and_threads() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("store");
    let root = root.to_string_lossy();
    let children: Vec<Child> = (0..RACERS).map(|_| start(&["race", &root])).collect();
    for mut child in children {
        assert!(child.wait().expect("waited for").success(), "two held one key");
    }
    let laps = fs::read_to_string(dir.path().join("store.laps")).expect("read");
    assert_eq!(laps, (RACERS * THREADS * LAPS).to_string());
    assert_eq!(fs::read_dir(dir.path().join("store/locks")).expect("listed").count(), 0);
}

/// Commits layers, blobs, images and records, and says which.
fn commit_for_ever(root: &Path, name: &str) {
    let store = Store::open(root).expect("a store");
    let mut stdout = std::io::stdout();
    for n in 0_u64.. {
        // Some layers are everybody's, so that two commit one at once.
        let text = if n % 3 == 0 { n.to_string() } else { format!("{name}.{n}") };
        let layer = commit(&store, text.as_bytes());
        if n % 5 == 0 {
            drop(store.ingest().expect("an ingest"));
        }
        if n % 4 == 0 {
            let config = format!(r#"{{"os":"linux","n":"{text}"}}"#);
            let id = store.put_image(config.as_bytes(), &[layer], None).expect("stored");
            store.tag(&format!("image:{}", n % 7).parse().expect("a name"), &id).expect("tagged");
        }
        let record = Record {
            layers: vec![layer],
            manifest: text.into_bytes(),
            step: ContentDigest::of(b"step"),
            name: "RUN".to_owned(),
            created: UNIX_EPOCH,
            took: None,
        };
        store.put_record(&key(&format!("{name}.{n}")), &record).expect("recorded");
        writeln!(stdout, "{n}").expect("said");
    }
}

fn commit(store: &Store, bytes: &[u8]) -> LayerId {
    let ingest = store.ingest().expect("an ingest");
    let path = ingest.fs().join("f");
    fs::write(&path, bytes).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
    let kind = Kind::File { size: bytes.len() as u64, content: ContentDigest::of(bytes) };
    let owner = fs::metadata(&path).expect("a file");
    let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
    let mut tree = TreeBuilder::new();
    tree.push(Entry { path: (*b"f").into(), kind, meta: Meta { mode: 0o644, uid, gid, ..Meta::default() } })
        .expect("an entry");
    let tree = tree.build().expect("a tree");
    let id = LayerId::Built(tree.digest());
    store.commit_layer(ingest, id, &tree).expect("committed");
    id
}

fn race(root: &Path) {
    let store = Store::open(root).expect("a store");
    let (held, laps) = (root.with_extension("held"), root.with_extension("laps"));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..LAPS {
                    let lock = store.lock_key(&key("one"), &mut || true).expect("asked").expect("locked");
                    fs::File::create_new(&held).expect("nobody else holds it");
                    let lap: usize = fs::read_to_string(&laps).map_or(0, |text| text.parse().expect("a number"));
                    fs::write(&laps, (lap + 1).to_string()).expect("written");
                    fs::remove_file(&held).expect("removed");
                    drop(lock);
                }
            });
        }
    });
}

fn key(name: &str) -> CacheKey {
    CacheKey(ContentDigest::of(name.as_bytes()))
}

fn start(args: &[&str]) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program).args(args).stdout(Stdio::piped()).spawn().expect("started")
}

/// xorshift: other moments in every run, and the seed is told on failure.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn new() -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64) | 1;
        Self { seed, state: seed }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }
}
