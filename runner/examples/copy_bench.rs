//! Times a COPY of many files, cold and after one edit: `copy_bench <directory> <files> <bytes each>`. The directory
//! should be new, on the file system that is to be measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cache::Store;
use cache::contexts::StatFile;
use graph::op::{Copy, FileAction, FileOp};
use graph::{Graph, Meta, Op, Slot, Vertex};
use oci::Registry;
use oci::registry::RegistryConfig;
use runner::context::{Context, NothingIgnored};
use runner::executor::{Given, LocalExecutor};
use runner::remote::{Access, Remotes, Surroundings};
use runner::source::Images;
use solver::port::{Cancel, Executor, Job, Progress, TaskId, Update, Value};

struct Silent;

impl Progress for Silent {
    fn begin(&self, _name: &str) -> TaskId {
        TaskId(0)
    }

    fn update(&self, _task: TaskId, _update: Update<'_>) {}
}

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().expect("a directory"));
    let files: usize = args.next().map_or(100_000, |count| count.parse().expect("a number"));
    let size: usize = args.next().map_or(10_000, |size| size.parse().expect("a number"));
    let context = dir.join("context");
    if !context.exists() {
        make(&context, files, size);
        rustix::fs::sync();
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    let store = Arc::new(Store::open(&dir.join("store")).expect("a store"));
    round("first", &store, &context);
    round("again", &store, &context);
    fs::write(context.join("d0/f0"), format!("{:?}", Instant::now())).expect("an edit");
    round("one edit", &store, &context);
}

fn make(context: &Path, files: usize, size: usize) {
    let mut bytes = vec![0_u8; size];
    for i in 0..files {
        let sub = context.join(format!("d{}", i / 20));
        if i % 20 == 0 {
            fs::create_dir_all(&sub).expect("a directory");
        }
        bytes[..8].copy_from_slice(&i.to_le_bytes());
        fs::write(sub.join(format!("f{i}")), &bytes).expect("a file");
    }
}

fn round(name: &str, store: &Arc<Store>, dir: &Path) {
    let records = store.context_file(&oci::ContentDigest::of(b"bench"));
    let begun = Instant::now();
    let context = Context::open(dir, Arc::new(NothingIgnored), StatFile::open(&records)).expect("a context");
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let images =
        Arc::new(Images::new(Arc::clone(store), Registry::new(RegistryConfig::default()), Arc::clone(&progress)));
    let contexts = BTreeMap::from([("context".to_owned(), context)]);
    let ports = (Arc::clone(store), Arc::clone(&progress));
    let web = oci::Web::new(oci::Network::default());
    let remotes = Remotes::new(ports, web, Access::default(), Surroundings::default(), Cancel::new());
    let (hosts, resolv_conf) = (Vec::new(), Vec::new());
    let given = Given { scratch: dir.join("scratch"), hosts, resolv_conf, remotes: Arc::new(remotes) };
    let executor = LocalExecutor::new(Arc::clone(store), images, progress, contexts, given);
    let copy = Copy::new(Slot(0), "/", "/src");
    let op = Op::File(FileOp { base: None, actions: vec![FileAction::Copy(Box::new(copy))] });
    let mut graph = Graph::new();
    let id = graph.add(Vertex { op, meta: Meta::default() }, &[]);
    let inputs = [Value::Local("context".to_owned())];
    let job = Job { id, vertex: graph.vertex(id), inputs: &inputs, task: TaskId(0) };
    let scanned = {
        use runner::copy::listing::Listing;
        let context = executor.context("context").expect("it was given");
        context.prefetch(b"").expect("a scan");
        begun.elapsed()
    };
    executor.sight(job).expect("a plan");
    let planned = begun.elapsed();
    let layers = executor.execute(job, &Cancel::new()).expect("a layer");
    let made = begun.elapsed();
    executor.context("context").expect("it was given").save(&records).expect("saved");
    let step = graph::fields(&graph.vertex(id).op).digest();
    let record = cache::Record {
        layers: layers.clone(),
        manifest: Vec::new(),
        step,
        name: String::new(),
        created: std::time::SystemTime::now(),
        took: None,
    };
    store
        .put_record(&cache::CacheKey(oci::ContentDigest::of(layers[0].to_string().as_bytes())), &record)
        .expect("recorded");
    println!(
        "{name}: scanned {scanned:?}, planned {:?}, made {:?}, saved {:?}",
        planned - scanned,
        made - planned,
        begun.elapsed() - made
    );
}
