//! `kiln graph`: what it tells before a build, after it and after an edit, and that it leaves the store as it was.

use std::collections::BTreeMap;
use std::path::Path;

use super::harness::Kiln;
use super::sources::server::Server;

const DOCKERFILE: &str = "FROM busybox AS build\nCOPY in.txt /\nRUN sleep 0.3; cp in.txt out.txt\n\
                          FROM busybox\nCOPY --from=build out.txt /\nRUN cat out.txt\n";

/// By the instruction: the state of each step, as `--format json` has it, and how long it took.
fn steps(kiln: &Kiln, context: &Path, args: &[&str]) -> BTreeMap<String, (String, Option<f64>)> {
    let context = context.to_string_lossy();
    let out = kiln.run([&["graph", "--format", "json", &context], args].concat()).ok().stdout;
    let drawing: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let nodes = drawing["nodes"].as_array().expect("nodes");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    nodes.iter().map(|node| (text(&node["instruction"]), (text(&node["state"]), node["seconds"].as_f64()))).collect()
}

fn states(kiln: &Kiln, context: &Path, args: &[&str]) -> Vec<String> {
    let order = ["COPY in.txt /", "RUN sleep 0.3; cp in.txt out.txt", "COPY --from=build out.txt /", "RUN cat out.txt"];
    let steps = steps(kiln, context, args);
    order.iter().map(|instruction| steps[*instruction].0.clone()).collect()
}

#[test]
fn before_a_build_after_it_and_after_an_edit() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("app", &[("Dockerfile", DOCKERFILE), ("in.txt", "1\n")]);
    assert_eq!(states(&kiln, &context, &[]), ["run", "run", "run", "run"]);
    kiln.run(["build", "-q", &context.to_string_lossy()]).ok();
    assert_eq!(states(&kiln, &context, &[]), ["cached", "cached", "cached", "cached"]);
    let took = steps(&kiln, &context, &[])["RUN sleep 0.3; cp in.txt out.txt"].1.expect("it was timed");
    assert!((0.3..60.0).contains(&took), "{took}");
    assert_eq!(states(&kiln, &context, &["--no-cache"]), ["run", "run", "run", "run"]);

    std::fs::write(context.join("in.txt"), "2\n").expect("the file is ours");
    assert_eq!(states(&kiln, &context, &[]), ["run", "unknown", "unknown", "unknown"]);
    let took = steps(&kiln, &context, &[])["RUN sleep 0.3; cp in.txt out.txt"].1;
    assert!(took.is_some_and(|took| took >= 0.3), "of the run before: {took:?}");
    std::fs::remove_file(context.join("in.txt")).expect("the file is ours");
    assert_eq!(states(&kiln, &context, &[])[0], "fail");
}

#[test]
fn text_tells_the_slowest_path() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("app", &[("Dockerfile", DOCKERFILE), ("in.txt", "1\n")]);
    let context = context.to_string_lossy();
    kiln.run(["build", "-q", &context]).ok();
    let text = kiln.run(["graph", &context]).ok().stdout;
    let marked = text.lines().find(|line| line.contains("RUN sleep 0.3")).expect("the step is there");
    assert!(
        marked.starts_with("* [build 3/3] RUN sleep 0.3; cp in.txt out.txt") && marked.contains("cached"),
        "{text}"
    );
    assert!(text.contains("slowest path: ") && text.contains("4 steps: 4 cached\n"), "{text}");
}

/// Whatever form is asked for by the name of the file.
#[test]
fn a_file_gets_the_form_that_its_name_says() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("app", &[("Dockerfile", DOCKERFILE), ("in.txt", "1\n")]);
    for (name, start) in [
        ("g.html", "<!DOCTYPE html>"),
        ("g.svg", "<svg "),
        ("g.dot", "digraph "),
        ("g.json", "{"),
        ("g.txt", "sources"),
    ] {
        let file = kiln.path(name);
        kiln.run(["graph", "-o", &file.to_string_lossy(), &context.to_string_lossy()]).ok();
        let written = std::fs::read_to_string(&file).expect("it was written");
        assert!(written.starts_with(start), "{name}: {written:.80}");
    }
}

/// No registry is asked: there is none at this address.
#[test]
fn an_image_that_is_not_here_is_shown_so() {
    let kiln = Kiln::new();
    let dockerfile = "FROM localhost:1/none\nRUN true\n";
    let context = kiln.context("app", &[("Dockerfile", dockerfile)]);
    let steps = steps(&kiln, &context, &[]);
    assert_eq!(steps["FROM localhost:1/none"].0, "absent");
    assert_eq!(steps["RUN true"].0, "unknown");
    kiln.run(["graph", "--pull", &context.to_string_lossy()]).fails(1, &["localhost:1/none"]);
}

/// A layout, a file of a server and a commit, without asking anybody.
#[test]
fn what_is_elsewhere_is_shown_as_far_as_the_store_remembers_it() {
    let kiln = Kiln::with_busybox();
    let layout = kiln.path("layout.tar");
    kiln.run(["save", "--format", "oci", "-o", &layout.to_string_lossy(), "busybox"]).ok();
    let files = kiln.context("served", &[("f", "f\n")]);
    let server = Server::files(files);
    let dockerfile = format!("FROM base\nADD {} /\nRUN cat /f\n", server.url("/f"));
    let context = kiln.context("app", &[("Dockerfile", &dockerfile)]);
    let base = format!("base=oci-layout://{}", layout.display());
    let add = format!("ADD {} /", server.url("/f"));
    let states = || {
        let steps = steps(&kiln, &context, &["--build-context", &base]);
        [&*add, "RUN cat /f"].map(|instruction| steps[instruction].0.clone())
    };
    assert_eq!(states(), ["run", "run"]);
    assert_eq!(server.lines(), Vec::<String>::new());
    kiln.run(["build", "-q", "--build-context", &base, &context.to_string_lossy()]).ok();
    let calls = server.calls().len();
    assert_eq!(states(), ["cached", "cached"]);
    assert_eq!(server.calls().len(), calls);
}

#[test]
fn warnings_are_told_as_in_a_build() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("app", &[("Dockerfile", "FROM busybox as base\nRUN true\n")]);
    let ran = kiln.run(["graph", &context.to_string_lossy()]).ok();
    assert!(ran.stderr.contains(" 1 warning found (use kiln --debug to expand):\n - FromAsCasing: "), "{ran}");
}

#[test]
fn nothing_is_left_in_the_store() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("app", &[("Dockerfile", DOCKERFILE), ("in.txt", "1\n")]);
    let listing = || {
        ["layers", "blobs/sha256", "contexts", "mounts"].map(|dir| {
            let entries = std::fs::read_dir(kiln.store().join(dir)).expect("a directory of the store");
            entries.map(|entry| entry.expect("it can be read").file_name()).collect::<std::collections::BTreeSet<_>>()
        })
    };
    let before = listing();
    states(&kiln, &context, &[]);
    assert_eq!(listing(), before);
}

#[test]
fn a_mistake_is_told_as_a_build_tells_it() {
    let kiln = Kiln::new();
    let context = kiln.context("app", &[("Dockerfile", "FROM scratch\nCOYP a /\n")]);
    let context = context.to_string_lossy();
    let (graph, build) = (kiln.run(["graph", &context]), kiln.run(["build", "-q", &context]));
    assert_eq!((graph.status, &graph.stderr), (build.status, &build.stderr));
    graph.fails(1, &["COYP"]);
}
