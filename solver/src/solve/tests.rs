//! The solver with in-memory ports on a real store: what runs, what hits, what is cut off, and what a failure stops.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use graph::op::{Network, Security};
use graph::{ExecOp, Manifest, Meta, Op, Slot, SourceOp, Vertex};
use oci::tree::{Entry, Kind, Meta as EntryMeta, TreeBuilder};
use oci::{ContentDigest, LayerId};
use tempfile::TempDir;

use super::*;
use crate::look::{Eyes, Look, look};
use crate::port::{Sight, Stream};

/// A world where a step writes one file: `args[0]` names what to do.
///
/// `write X` makes a layer with X. `length` makes a layer with the number of its root's layers. `fail` fails. `slow X`
/// waits until it is canceled. `look X` sees nothing of its inputs but the world's variable X, and writes it.
#[derive(Default)]
struct World {
    ran: Mutex<Vec<String>>,
    variables: BTreeMap<String, String>,
    tasks: AtomicU32,
    cached: Mutex<u32>,
}

impl World {
    fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().expect("no test panics while it holds the lock"))
    }
}

/// The executor needs the store that it commits to.
struct Site<'a> {
    world: &'a World,
    store: &'a Store,
}

fn words(job: Job<'_>) -> Vec<String> {
    match &job.vertex.op {
        Op::Exec(exec) => exec.args.clone(),
        Op::Source(_) | Op::File(_) | Op::Merge | Op::Diff => Vec::new(),
    }
}

fn commit(store: &Store, text: &str) -> LayerId {
    let ingest = store.ingest().expect("the store is sound");
    std::fs::write(ingest.fs().join("file"), text).expect("the ingest directory is ours");
    let kind = Kind::File { size: text.len() as u64, content: ContentDigest::of(text.as_bytes()) };
    let meta = EntryMeta { mode: 0o644, ..EntryMeta::default() };
    let mut builder = TreeBuilder::new();
    builder.push(Entry { path: (*b"file").into(), kind, meta }).expect("a good path");
    let tree = builder.build().expect("one file is a tree");
    let id = LayerId::Built(tree.digest());
    store.commit_layer(ingest, id, &tree).expect("the store is sound");
    id
}

impl Executor for Site<'_> {
    fn sight(&self, job: Job<'_>) -> Result<Option<Sight>, Failure> {
        let words = words(job);
        let [what, name] = words.as_slice() else { return Ok(None) };
        if what != "look" {
            return Ok(None);
        }
        let mut fields = Manifest::default();
        fields.push("variable", self.world.variables.get(name).cloned().unwrap_or_default());
        Ok(Some(Sight { fields, layer: None }))
    }

    fn execute(&self, job: Job<'_>, cancel: &Cancel) -> Result<Vec<LayerId>, Failure> {
        let words = words(job);
        self.world.ran.lock().expect("no test panics while it holds the lock").push(words.join(" "));
        let text = match words[0].as_str() {
            "write" => words[1].clone(),
            "length" => match &job.inputs[0] {
                Value::Snapshot(layers) => layers.len().to_string(),
                Value::Local(_) => return Err(Failure::other("no root")),
            },
            "look" => self.world.variables.get(&words[1]).cloned().unwrap_or_default(),
            "slow" => {
                while !cancel.is_canceled() {
                    std::thread::yield_now();
                }
                return Err(Failure::Canceled);
            }
            _ => return Err(Failure::Exit { command: words.join(" "), code: 1 }),
        };
        Ok(vec![commit(self.store, &text)])
    }
}

impl Resolver for World {
    fn resolve(&self, source: &SourceOp, _task: TaskId) -> Result<Value, Failure> {
        match source {
            SourceOp::Local { name } => Ok(Value::Local(name.clone())),
            SourceOp::Image { .. } | SourceOp::Git(_) | SourceOp::Http { .. } => Ok(Value::Snapshot(Vec::new())),
        }
    }
}

impl Progress for World {
    fn begin(&self, _name: &str) -> TaskId {
        TaskId(self.tasks.fetch_add(1, Ordering::Relaxed))
    }

    fn update(&self, _task: TaskId, update: Update<'_>) {
        match update {
            Update::Cached => *self.cached.lock().expect("no test panics while it holds the lock") += 1,
            Update::Output { stream: Stream::Stdout | Stream::Stderr, .. }
            | Update::Started
            | Update::Bytes { .. }
            | Update::Warning { .. }
            | Update::Done
            | Update::Failed { .. }
            | Update::Canceled => {}
        }
    }
}

/// A graph of steps; each names its inputs, the first of which is its root.
#[derive(Default)]
struct Build {
    graph: Graph,
    ids: Vec<VertexId>,
}

impl Build {
    fn step(&mut self, command: &str, inputs: &[usize]) -> usize {
        self.exec(command, inputs.first().map(|_| Slot(0)), inputs)
    }

    /// A step that looks at a local directory: at the world's variable, that is.
    fn look(&mut self, variable: &str, root: Option<usize>) -> usize {
        let local = self.add(Op::Source(SourceOp::Local { name: "context".to_owned() }), "context", &[]);
        let inputs: Vec<usize> = root.into_iter().chain([local]).collect();
        self.exec(&format!("look {variable}"), root.map(|_| Slot(0)), &inputs)
    }

    fn exec(&mut self, command: &str, root: Option<Slot>, inputs: &[usize]) -> usize {
        let exec = ExecOp {
            root,
            args: command.split(' ').map(str::to_owned).collect(),
            env: graph::Environment::default(),
            cwd: "/".to_owned(),
            user: String::new(),
            hostname: None,
            network: Network::Default,
            security: Security::Sandbox,
            mounts: Vec::new(),
            devices: Vec::new(),
            limits: vec![],
            proxy_env: Vec::new(),
        };
        self.add(Op::Exec(exec), command, inputs)
    }

    fn add(&mut self, op: Op, name: &str, inputs: &[usize]) -> usize {
        let inputs: Vec<VertexId> = inputs.iter().map(|input| self.ids[*input]).collect();
        let meta = Meta { name: name.to_owned(), ..Meta::default() };
        self.ids.push(self.graph.add(Vertex { op, meta }, &inputs));
        self.ids.len() - 1
    }

    fn solve(&self, target: usize, world: &World, store: &Store) -> Result<Solved, SolveError> {
        self.solve_with(target, world, store, Options::default())
    }

    /// What a solve would find, in few words: in the order of adding.
    fn looks(&self, target: usize, world: &World, store: &Store) -> Vec<&'static str> {
        let site = Site { world, store };
        let source = |source: &SourceOp| match source {
            SourceOp::Local { name } => Some(Value::Local(name.clone())),
            SourceOp::Image { .. } | SourceOp::Git { .. } | SourceOp::Http { .. } => None,
        };
        let eyes = Eyes { executor: &site, source: &source, progress: world };
        let looks = look(&self.graph, &[self.ids[target]], store, eyes).expect("the store is sound");
        let word = |look: &Look| match look {
            Look::Here => "here",
            Look::Absent => "absent",
            Look::Hit { took: Some(_), .. } => "hit",
            Look::Hit { took: None, .. } => "hit, never timed",
            Look::Miss { last: None } => "miss",
            Look::Miss { last: Some(_) } => "miss, ran before",
            Look::Open { .. } => "open",
            Look::Fails { .. } => "fails",
        };
        looks.values().map(word).collect()
    }

    fn solve_with(&self, target: usize, world: &World, store: &Store, options: Options) -> Result<Solved, SolveError> {
        let site = Site { world, store };
        let ports = Ports { executor: &site, resolver: world, progress: world };
        solve(&self.graph, &[self.ids[target]], store, ports, &Cancel::new(), options)
    }
}

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let store = Store::open(dir.path()).expect("a new store can be opened");
    (dir, store)
}

#[test]
fn what_ran_once_hits_afterwards() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let first = build.step("write a", &[]);
    let second = build.step("length", &[first]);
    let solved = build.solve(second, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["write a", "length"]);
    let again = build.solve(second, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), [""; 0]);
    assert_eq!(again.values, solved.values);
    assert!(again.steps.values().all(|step| step.found == Found::Hit));
}

#[test]
fn a_step_that_comes_to_the_same_contents_cuts_off_what_follows() {
    let (_dir, store) = store();
    let mut world = World::default();
    let mut build = Build::default();
    let source = build.look("x", None);
    let middle = build.step("write same", &[source]);
    let last = build.step("length", &[middle]);
    build.solve(last, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["look x", "write same", "length"]);

    // Another command with the same result: its own users hit.
    let mut build = Build::default();
    let source = build.look("y", None);
    let middle = build.step("write same", &[source]);
    let last = build.step("length", &[middle]);
    build.solve(last, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["look y"]);

    world.variables.insert("y".to_owned(), "changed".to_owned());
    build.solve(last, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["look y", "write same", "length"]);
}

#[test]
fn a_step_hits_although_an_input_it_does_not_see_has_changed() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let (one, other) = (build.step("write 1", &[]), build.step("write 2", &[]));
    let on_one = build.look("x", Some(one));
    let on_other = build.look("x", Some(other));
    build.solve(on_one, &world, &store).expect("nothing fails");
    build.solve(on_other, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["write 1", "look x", "write 2"]);
}

#[test]
fn a_local_directory_is_an_input_only_of_what_says_what_it_sees() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let local = build.add(Op::Source(SourceOp::Local { name: "context".to_owned() }), "context", &[]);
    let blind = build.step("write a", &[local]);
    let error = build.solve(blind, &world, &store).expect_err("the root is a local directory");
    assert_eq!(error.to_string(), "the local directory `context` cannot be a root filesystem");
}

#[test]
fn no_cache_runs_what_is_recorded() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let step = build.step("write a", &[]);
    build.solve(step, &world, &store).expect("nothing fails");
    build.graph.vertex_mut(build.ids[step]).meta.no_cache = true;
    let solved = build.solve(step, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["write a", "write a"]);
    assert_eq!(solved.steps[&build.ids[step]].found, Found::Ran);
}

#[test]
fn the_same_step_twice_in_one_graph_runs_once() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let twins: Vec<usize> = (0..8).map(|_| build.step("write twin", &[])).collect();
    let merge = build.add(Op::Merge, "merge", &twins);
    let solved = build.solve(merge, &world, &store).expect("nothing fails");
    assert_eq!(world.ran(), ["write twin"]);
    assert_eq!(solved.values, [Value::Snapshot(vec![commit(&store, "twin"); 8])]);
}

#[test]
fn a_failure_cancels_the_rest_or_lets_it_finish() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let failing = build.step("fail", &[]);
    let slow = build.step("slow", &[]);
    let merge = build.add(Op::Merge, "merge", &[failing, slow]);
    let error = build.solve(merge, &world, &store).expect_err("a step fails");
    assert!(matches!(error.first(), (id, Failure::Exit { code: 1, .. }) if *id == build.ids[failing]), "{error:?}");

    let mut build = Build::default();
    let failing = build.step("fail", &[]);
    let other = build.step("write other", &[]);
    let merge = build.add(Op::Merge, "merge", &[failing, other]);
    world.ran();
    let options = Options { parallelism: 1, on_failure: OnFailure::FinishRest };
    build.solve_with(merge, &world, &store, options).expect_err("a step fails");
    assert_eq!(world.ran(), ["fail", "write other"]);
}

#[test]
fn two_solves_of_one_step_at_once_run_it_once() {
    let (_dir, store) = store();
    let world = World::default();
    let mut build = Build::default();
    let first = build.step("write a", &[]);
    let last = build.step("length", &[first]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| build.solve(last, &world, &store).expect("nothing fails"));
        }
    });
    let mut ran = world.ran();
    ran.sort();
    assert_eq!(ran, ["length", "write a"]);
}

#[test]
fn looking_tells_what_a_solve_would_find_and_runs_nothing() {
    let (_dir, store) = store();
    let mut world = World::default();
    let mut build = Build::default();
    let seen = build.look("x", None);
    let middle = build.step("write a", &[seen]);
    let last = build.step("length", &[middle]);
    assert_eq!(build.looks(last, &world, &store), ["here", "miss", "miss", "miss"]);
    assert_eq!(world.ran(), [""; 0]);

    build.solve(last, &world, &store).expect("nothing fails");
    world.ran();
    assert_eq!(build.looks(last, &world, &store), ["here", "hit", "hit", "hit"]);

    // What comes after the miss has run before, and may hit.
    world.variables.insert("x".to_owned(), "changed".to_owned());
    assert_eq!(build.looks(last, &world, &store), ["here", "miss, ran before", "open", "open"]);
    build.graph.vertex_mut(build.ids[last]).meta.no_cache = true;
    assert_eq!(build.looks(last, &world, &store), ["here", "miss, ran before", "open", "miss, ran before"]);
    assert_eq!(world.ran(), [""; 0]);
}

#[test]
fn looking_asks_nobody_for_a_source() {
    let (_dir, store) = store();
    let mut build = Build::default();
    let url = SourceOp::Http { url: "http://x/f".to_owned(), checksum: None, filename: None, mode: None, owner: None };
    let source = build.add(Op::Source(url), "f", &[]);
    let step = build.step("length", &[source]);
    assert_eq!(build.looks(step, &World::default(), &store), ["absent", "miss"]);
}
