//! What runs again and what does not, told by what a step prints when it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::harness::{Kiln, Ran};

const DOCKERFILE: &str = "FROM busybox\nWORKDIR /app\nCOPY package.json .\nRUN echo ran-install-$((1+1)) && cp package.json installed\n\
                          COPY . .\nRUN echo ran-build-$((1+1)) && cat src/* > built\n";

fn build(kiln: &Kiln, context: &Path, args: &[&str]) -> Ran {
    let context = context.to_string_lossy();
    let mut all = vec!["build", "--progress=plain", "-t", "app"];
    all.extend(args);
    all.push(&context);
    kiln.run(all).ok()
}

/// Which of the steps ran.
fn ran(build: &Ran) -> Vec<&'static str> {
    ["ran-install-2", "ran-build-2", "ran-base-2"].into_iter().filter(|step| build.stderr.contains(step)).collect()
}

fn context(kiln: &Kiln) -> std::path::PathBuf {
    kiln.context(
        "app",
        &[("Dockerfile", DOCKERFILE), ("package.json", "{}"), ("src/a", "a"), ("src/b", "b"), ("README", "")],
    )
}

#[test]
fn only_what_follows_an_edit_runs() {
    let kiln = Kiln::with_busybox();
    let context = context(&kiln);
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-install-2", "ran-build-2"]);
    assert_eq!(ran(&build(&kiln, &context, &[])), [""; 0]);
    fs::write(context.join("src/a"), "edited").expect("the directory is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-build-2"]);
    fs::write(context.join("package.json"), "{ }").expect("the directory is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-install-2", "ran-build-2"]);
    fs::write(context.join("package.json"), "{}").expect("the directory is ours");
    fs::write(context.join("src/a"), "a").expect("the directory is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), [""; 0]);
}

#[test]
fn a_cached_build_gives_the_same_image() {
    let kiln = Kiln::with_busybox();
    let context = context(&kiln);
    build(&kiln, &context, &[]);
    let id = kiln.config("app")["Id"].clone();
    build(&kiln, &context, &[]);
    assert_eq!(kiln.config("app")["Id"], id);
}

/// BuildKit takes a file of the same size and time for the same file.
#[test]
fn a_file_of_the_same_size_and_time_with_other_contents_is_seen() {
    let kiln = Kiln::with_busybox();
    let context = context(&kiln);
    let file = context.join("src/a");
    build(&kiln, &context, &[]);
    let time = fs::metadata(&file).expect("the file is there").modified().expect("files have times");
    for letter in ["x", "y", "z"] {
        fs::write(&file, letter).expect("the file is ours");
        fs::File::options()
            .write(true)
            .open(&file)
            .expect("the file is ours")
            .set_modified(time)
            .expect("the file is ours");
        assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-build-2"]);
        assert_eq!(kiln.root("app")["/app/built"].contents, format!("{letter}b").into_bytes());
    }
}

#[test]
fn times_do_not_matter_and_modes_do() {
    let kiln = Kiln::with_busybox();
    let context = context(&kiln);
    build(&kiln, &context, &[]);
    let file = fs::File::options().write(true).open(context.join("src/a")).expect("the file is ours");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("the file is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), [""; 0]);
    fs::set_permissions(context.join("src/a"), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-build-2"]);
}

#[test]
fn an_argument_matters_where_it_is_in_scope() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM busybox\nRUN echo ran-base-$((1+1))\nARG V=1\nRUN echo ran-build-$((1+1)) $V\n";
    let context = kiln.context("args", &[("Dockerfile", dockerfile)]);
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-build-2", "ran-base-2"]);
    assert_eq!(ran(&build(&kiln, &context, &["--build-arg", "V=2"])), ["ran-build-2"]);
    assert_eq!(ran(&build(&kiln, &context, &["--build-arg", "V=1"])), [""; 0]);
}

/// A step that runs again and comes to the same contents lets what follows hit.
#[test]
fn early_cut_off() {
    let kiln = Kiln::with_busybox();
    let text = |comment: &str| {
        format!(
            "FROM busybox AS base\nRUN echo ran-base-$((1+1)) {comment}; echo same > /same\nFROM busybox\n\
                 COPY --from=base /same /same\nRUN echo ran-build-$((1+1))\n"
        )
    };
    let context = kiln.context("cut", &[("Dockerfile", &text("one"))]);
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-build-2", "ran-base-2"]);
    fs::write(context.join("Dockerfile"), text("two")).expect("the directory is ours");
    assert_eq!(ran(&build(&kiln, &context, &[])), ["ran-base-2"]);
}

#[test]
fn a_new_base_does_not_copy_again() {
    let kiln = Kiln::with_busybox();
    let text = |base: &str| format!("FROM busybox\nRUN echo {base} > /base\nCOPY f /f\n");
    let context = kiln.context("rebase", &[("Dockerfile", &text("one")), ("f", "f")]);
    build(&kiln, &context, &[]);
    fs::write(context.join("Dockerfile"), text("two")).expect("the directory is ours");
    let again = build(&kiln, &context, &[]);
    let copy = again.stderr.lines().find(|line| line.ends_with("COPY f /f")).expect("the step is shown").to_owned();
    let number = copy.split(' ').next().expect("steps are numbered");
    assert!(again.stderr.lines().any(|line| line == format!("{number} CACHED")), "{again}");
}

#[test]
fn no_cache_runs_everything() {
    let kiln = Kiln::with_busybox();
    let context = context(&kiln);
    build(&kiln, &context, &[]);
    assert_eq!(ran(&build(&kiln, &context, &["--no-cache"])), ["ran-install-2", "ran-build-2"]);
}

/// Whatever of a build's own layers cannot be read is made again, however far up it is noticed.
#[test]
fn a_damaged_layer_is_made_again() {
    let kiln = Kiln::with_busybox();
    let layers = || {
        let dir = fs::read_dir(kiln.store().join("layers")).expect("the store has layers");
        dir.map(|layer| layer.expect("the directory can be read").path()).collect::<std::collections::BTreeSet<_>>()
    };
    let base = layers();
    let context = context(&kiln);
    build(&kiln, &context, &[]);
    for layer in layers().difference(&base) {
        fs::write(layer.join("tree"), "damaged").expect("we are root");
    }
    fs::write(context.join("src/a"), "new").expect("the directory is ours");
    build(&kiln, &context, &[]);
    assert_eq!(kiln.root("app")["/app/built"].contents, b"newb");
    // What was never needed again is still damaged.
    kiln.run(["cache", "fsck"]).fails(1, &["--repair"]);
    kiln.run(["cache", "fsck", "--repair"]).ok();
    kiln.run(["cache", "fsck"]).ok();
}

#[test]
fn a_database_that_cannot_be_read_is_told_and_replaced() {
    let kiln = Kiln::with_busybox();
    fs::write(kiln.store().join("kiln.db"), vec![b'x'; 64 << 10]).expect("the store is ours");
    for part in ["kiln.db-wal", "kiln.db-shm"] {
        // They are there or not.
        let _ = fs::remove_file(kiln.store().join(part));
    }
    let images = kiln.run(["images"]).ok();
    assert!(images.stderr.starts_with("WARNING: ") && images.stderr.contains("kiln.db"), "{images}");
    assert_eq!(kiln.run(["images"]).ok().stderr, "");
    assert!(fs::read_dir(kiln.store().join("aside")).expect("it is part of the store").count() > 0);
}
