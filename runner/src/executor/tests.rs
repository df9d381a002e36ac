//! The executor on real directories, with a real store and real sandboxes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use graph::op::{Copy, FileAction, FileOp, Mount, MountKind};
use graph::{ExecOp, Graph, Meta, Slot, Vertex};
use oci::registry::RegistryConfig;
use oci::{Registry, Tree};
use solver::port::{Executor as _, Stream};
use tempfile::TempDir;

use super::*;
use crate::context::{Context, NothingIgnored};
use crate::remote::{Access, Surroundings};

/// What was said of tasks.
#[derive(Default)]
struct Heard(Mutex<Vec<u8>>);

impl Progress for Heard {
    fn begin(&self, _name: &str) -> TaskId {
        TaskId(0)
    }

    fn update(&self, _task: TaskId, update: Update<'_>) {
        match update {
            Update::Output { stream: Stream::Stdout, bytes } => lock(&self.0).extend_from_slice(bytes),
            Update::Warning { message } => lock(&self.0).extend_from_slice(format!("warning: {message}\n").as_bytes()),
            _ => {}
        }
    }
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    heard: Arc<Heard>,
    executor: LocalExecutor,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("context/src/deep")).unwrap();
        fs::write(dir.path().join("context/src/a"), "one").unwrap();
        fs::write(dir.path().join("context/src/deep/b"), "two").unwrap();
        fs::hard_link(dir.path().join("context/src/a"), dir.path().join("context/src/c")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("context/src/l")).unwrap();
        let store = Arc::new(Store::open(&dir.path().join("store")).unwrap());
        let heard = Arc::new(Heard::default());
        let executor = executor(&dir, &store, &heard, Access::default());
        Self { dir, store, heard, executor }
    }

    fn context(&self) -> std::path::PathBuf {
        self.dir.path().join("context")
    }

    fn again(&mut self) {
        self.executor = executor(&self.dir, &self.store, &self.heard, Access::default());
    }

    fn run(&self, op: Op, inputs: &[Value]) -> Result<Vec<LayerId>, Failure> {
        let mut graph = Graph::new();
        let id = graph.add(Vertex { op, meta: Meta::default() }, &[]);
        let job = Job { id, vertex: graph.vertex(id), inputs, task: TaskId(0) };
        let sight = self.executor.sight(job)?;
        let layers = self.executor.execute(job, &Cancel::new())?;
        if let Some(layer) = sight.and_then(|sight| sight.layer) {
            assert_eq!(layers, [layer], "what was seen is what was made");
        }
        Ok(layers)
    }

    fn copy(&self, src: &str, dest: &str) -> Result<LayerId, Failure> {
        self.run(copy(src, dest), &[local()]).map(|layers| layers[0])
    }

    fn fs(&self, layer: &LayerId) -> std::path::PathBuf {
        self.store.layer_fs(layer).unwrap()
    }

    fn tree(&self, layer: &LayerId) -> Arc<Tree> {
        self.store.tree(layer).unwrap()
    }
}

fn executor(dir: &TempDir, store: &Arc<Store>, heard: &Arc<Heard>, access: Access) -> LocalExecutor {
    let context =
        Context::open(&dir.path().join("context"), Arc::new(NothingIgnored), cache::contexts::StatFile::empty())
            .unwrap();
    let heard = Arc::clone(heard);
    let images = Images::new(Arc::clone(store), Registry::new(RegistryConfig::default()), heard.clone());
    let ports = (Arc::clone(store), heard.clone() as Arc<dyn Progress>);
    let web = oci::Web::new(oci::Network::default());
    let given = Given {
        scratch: dir.path().join("scratch"),
        hosts: b"127.0.0.1 localhost\n".to_vec(),
        resolv_conf: Vec::new(),
        remotes: Arc::new(Remotes::new(ports, web, access, Surroundings::default(), Cancel::new())),
    };
    let contexts = [("context".to_owned(), context)].into();
    LocalExecutor::new(Arc::clone(store), Arc::new(images), heard, contexts, given)
}

fn local() -> Value {
    Value::Local("context".to_owned())
}

fn copy_of(from: u16, src: &str, dest: &str) -> Copy {
    Copy::new(Slot(from), src, dest)
}

fn copy(src: &str, dest: &str) -> Op {
    file_op(None, copy_of(0, src, dest))
}

fn file_op(base: Option<u16>, copy: Copy) -> Op {
    Op::File(FileOp { base: base.map(Slot), actions: vec![FileAction::Copy(Box::new(copy))] })
}

fn same_inode(a: &Path, b: &Path) -> bool {
    fs::metadata(a).unwrap().ino() == fs::metadata(b).unwrap().ino()
}

#[test]
fn a_layer_is_what_its_plan_says() {
    let world = World::new();
    let layer = world.copy("/src", "/app/").unwrap();
    let captured = crate::capture::capture(&world.fs(&layer)).unwrap();
    assert_eq!(captured, *world.tree(&layer), "with the times");
    assert_eq!(fs::read(world.fs(&layer).join("app/deep/b")).unwrap(), b"two");
    assert!(same_inode(&world.fs(&layer).join("app/a"), &world.fs(&layer).join("app/c")));
}

#[test]
fn unchanged_files_are_shared_with_the_layer_they_come_from() {
    let world = World::new();
    let first = world.copy("/src", "/app/").unwrap();
    let onward = file_op(None, copy_of(0, "/app/deep", "/x/"));
    let second = world.run(onward, &[Value::Snapshot(vec![first])]).unwrap()[0];
    assert!(same_inode(&world.fs(&first).join("app/deep/b"), &world.fs(&second).join("x/b")));
}

#[test]
fn a_change_is_seen_and_the_rest_is_shared_with_the_last_layer() {
    let mut world = World::new();
    let first = world.copy("/src", "/app/").unwrap();
    record(&world, first);
    fs::write(world.context().join("src/deep/new"), "three").unwrap();
    world.again();
    let second = world.copy("/src", "/app/").unwrap();
    assert_ne!(first, second);
    assert!(same_inode(&world.fs(&first).join("app/deep/b"), &world.fs(&second).join("app/deep/b")));
    assert_eq!(fs::read(world.fs(&second).join("app/deep/new")).unwrap(), b"three");
}

/// As the solver does.
fn record(world: &World, layer: LayerId) {
    let step = graph::fields(&copy("/src", "/app/")).digest();
    let key = cache::CacheKey(ContentDigest::of(b"some key"));
    let record = cache::Record {
        layers: vec![layer],
        manifest: Vec::new(),
        step,
        name: "COPY".to_owned(),
        created: std::time::SystemTime::now(),
        took: None,
    };
    world.store.put_record(&key, &record).unwrap();
}

#[test]
fn what_changes_between_seeing_and_copying_is_never_recorded() {
    let world = World::new();
    let mut graph = Graph::new();
    let id = graph.add(Vertex { op: copy("/src", "/app/"), meta: Meta::default() }, &[]);
    let job = Job { id, vertex: graph.vertex(id), inputs: &[local()], task: TaskId(0) };
    world.executor.sight(job).unwrap();
    fs::write(world.context().join("src/deep/b"), "2wo").unwrap();
    let error = world.executor.execute(job, &Cancel::new()).unwrap_err();
    assert_eq!(error.to_string(), "files of the build context changed while they were copied");
}

#[test]
fn a_copy_onto_layers_that_are_elsewhere_is_seen_all_the_same() {
    let world = World::new();
    let elsewhere = LayerId::Pulled(oci::DiffId(oci::Digest::of(b"not here")));
    let inputs = [Value::Snapshot(vec![elsewhere]), local()];
    let mut graph = Graph::new();
    let id = graph.add(Vertex { op: file_op(Some(0), copy_of(1, "/src", "/x")), meta: Meta::default() }, &[]);
    let seen = |world: &World| {
        let job = Job { id, vertex: graph.vertex(id), inputs: &inputs, task: TaskId(0) };
        world.executor.sight(job).unwrap().unwrap()
    };
    let first = seen(&world);
    assert_eq!(first.layer, None);
    let mut world = world;
    world.again();
    assert_eq!(seen(&world), first);
    fs::write(world.context().join("src/new"), "").unwrap();
    world.again();
    assert_ne!(seen(&world), first);
}

#[test]
fn what_is_only_touched_is_copied_from_a_new_scan() {
    let world = World::new();
    let mut graph = Graph::new();
    let id = graph.add(Vertex { op: copy("/src", "/app/"), meta: Meta::default() }, &[]);
    let job = Job { id, vertex: graph.vertex(id), inputs: &[local()], task: TaskId(0) };
    let seen = world.executor.sight(job).unwrap().unwrap();
    fs::write(world.context().join("src/deep/b"), "two").unwrap();
    assert_eq!(world.executor.execute(job, &Cancel::new()).unwrap(), [seen.layer.unwrap()]);
}

#[test]
fn fifos_do_not_block_and_links_do_not_lead_out() {
    let world = World::new();
    let src = world.context().join("src");
    rustix::fs::mknodat(rustix::fs::CWD, src.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    std::os::unix::fs::symlink("/etc/passwd", src.join("out")).unwrap();
    std::os::unix::fs::symlink("../../../../etc", src.join("up")).unwrap();
    let layer = world.copy("/src", "/").unwrap();
    assert_eq!(world.tree(&layer).get(b"fifo").unwrap().kind, oci::tree::Kind::Fifo);
    assert_eq!(fs::read_link(world.fs(&layer).join("out")).unwrap(), Path::new("/etc/passwd"));
    for path in ["/src/out", "/src/up/passwd"] {
        let error = world.copy(path, "/x").unwrap_err().to_string();
        assert_eq!(error, format!("`{path}` not found"));
    }
}

#[test]
fn an_archive_is_unpacked_over_what_is_there() {
    let world = World::new();
    let tar = world.context().join("x.tar");
    let status = std::process::Command::new("tar")
        .arg("-C")
        .arg(world.context())
        .arg("-cf")
        .arg(&tar)
        .args(["src/deep/b", "src/a"])
        .status();
    assert!(status.unwrap().success());
    let base = world.copy("/src", "/app/src").unwrap();
    let add = Copy { unpack_archives: true, ..copy_of(1, "/x.tar", "/app") };
    let layer = world.run(file_op(Some(0), add), &[Value::Snapshot(vec![base]), local()]).unwrap()[0];
    let tree = world.tree(&layer);
    let paths: Vec<_> = tree.entries().iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect();
    assert_eq!(paths, ["app", "app/src", "app/src/a", "app/src/deep", "app/src/deep/b"]);
    assert_eq!(fs::read(world.fs(&layer).join("app/src/deep/b")).unwrap(), b"two");
}

/// A root that holds one static program: this one.
fn root(world: &World) -> Value {
    let program = std::env::current_exe().unwrap();
    fs::create_dir_all(world.context().join("bin")).unwrap();
    fs::copy(program, world.context().join("bin/tests")).unwrap();
    Value::Snapshot(vec![world.copy("/bin", "/bin/").unwrap()])
}

fn exec(args: &[&str]) -> ExecOp {
    ExecOp {
        root: Some(Slot(0)),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        env: ["PATH=/bin"].into_iter().collect(),
        cwd: "/".to_owned(),
        user: String::new(),
        hostname: None,
        network: graph::op::Network::None,
        security: graph::op::Security::Sandbox,
        mounts: Vec::new(),
        devices: Vec::new(),
        limits: vec![],
        proxy_env: Vec::new(),
    }
}

#[test]
fn a_process_s_changes_are_its_layer() {
    let world = World::new();
    let root = root(&world);
    let mut op = exec(&["tests", "--list", "--logfile", "/made"]);
    op.mounts.push(Mount {
        target: "/ctx".to_owned(),
        kind: MountKind::Bind { from: Some(Slot(1)), source: "/src".to_owned() },
        readonly: true,
    });
    let layers = world.run(Op::Exec(op), &[root.clone(), local()]).unwrap();
    let heard = String::from_utf8(lock(&world.heard.0).clone()).unwrap();
    assert!(heard.contains("a_process_s_changes_are_its_layer"), "{heard}");
    assert_eq!(layers.len(), 1);
    let tree = world.tree(&layers[0]);
    assert!(tree.get(b"ctx").is_none_or(|entry| entry.is_dir()), "{tree:?}");
    let failed = world.run(Op::Exec(exec(&["tests", "--no-such-flag"])), &[root]).unwrap_err();
    assert!(
        matches!(&failed, Failure::Exit { command, code } if command == "\"tests --no-such-flag\"" && *code != 0),
        "{failed}"
    );
}
