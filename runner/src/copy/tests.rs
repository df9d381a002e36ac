//! Tables: a source, a base and an op; and the tree of the layer that the op makes.
//!
//! A tree is written one entry a line: `dir/ 755`, `file 644 1:2 =bytes`, `link -> target`, `name => other` (a further
//! name), `gone !` (a whiteout).

use std::sync::Arc;

use expect_test::{Expect, expect};
use graph::Slot;
use graph::op::{Copy, FileAction, FileOp, Mode, Owner, UserRef};
use oci::tree::{Entry, Kind, Meta, Mtime, Tree, TreeBuilder};
use oci::view::View;
use oci::{ContentDigest, LayerId};

use super::stack::Stack;
use super::*;

pub fn tree(text: &str) -> Tree {
    let mut tree = TreeBuilder::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        tree.push(entry(line)).unwrap();
    }
    tree.build().unwrap()
}

fn entry(line: &str) -> Entry {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap();
    let mut meta = Meta {
        mode: if name.ends_with('/') { 0o755 } else { 0o644 },
        mtime: Mtime { secs: 7, nanos: 0 },
        ..Meta::default()
    };
    let mut kind = if name.ends_with('/') { Kind::Dir { opaque: false } } else { file("") };
    while let Some(word) = words.next() {
        match word {
            "->" => kind = Kind::Symlink { target: words.next().unwrap().as_bytes().into() },
            "=>" => kind = Kind::HardLink { target: words.next().unwrap().as_bytes().into() },
            "!" => kind = Kind::Whiteout,
            word => match (word.strip_prefix('='), word.split_once(':')) {
                (Some(bytes), _) => kind = file(bytes),
                (None, Some((uid, gid))) => (meta.uid, meta.gid) = (uid.parse().unwrap(), gid.parse().unwrap()),
                (None, None) => meta.mode = u32::from_str_radix(word, 8).unwrap(),
            },
        }
    }
    Entry { path: name.trim_end_matches('/').as_bytes().into(), kind, meta }
}

fn file(bytes: &str) -> Kind {
    Kind::File { size: bytes.len() as u64, content: ContentDigest::of(bytes.as_bytes()) }
}

fn show(plan: &Plan) -> String {
    let line = |entry: &Entry| {
        let mut line = String::from_utf8_lossy(&entry.path).into_owned();
        match &entry.kind {
            Kind::Dir { opaque } => line += if *opaque { "/ opaque" } else { "/" },
            Kind::Symlink { target } => line += &format!(" -> {}", String::from_utf8_lossy(target)),
            Kind::HardLink { target } => line += &format!(" => {}", String::from_utf8_lossy(target)),
            Kind::Whiteout => return line + " !\n",
            Kind::File { .. } => {}
            other => line += &format!(" {other:?}"),
        }
        line += &format!(" {:o} {}:{}", entry.meta.mode, entry.meta.uid, entry.meta.gid);
        match plan.bytes.get(&entry.path) {
            Some(Bytes::Layer { path, .. }) => line += &format!(" from {}", String::from_utf8_lossy(path)),
            Some(Bytes::Inline(bytes)) => line += &format!(" ={}", String::from_utf8_lossy(bytes)),
            Some(Bytes::Local { .. }) | None => {}
        }
        line + "\n"
    };
    plan.tree.entries().iter().map(line).collect()
}

fn stack(text: &str) -> Stack {
    let tree = tree(text);
    let layer = LayerId::Built(tree.digest());
    Stack::new(View::new(vec![Arc::new(tree)]), vec![layer])
}

fn plan_of(source: &str, base: &str, actions: Vec<FileAction>) -> Result<Plan, CopyError> {
    let (source, base) = (stack(source), stack(base));
    let users = |owner: &Owner| match owner.user {
        Some(UserRef::Id(uid)) => Ok(Ids { uid, gid: uid }),
        _ => Ok(Ids { uid: 1000, gid: 1000 }),
    };
    let sources = Sources {
        inputs: &[Some(&base as &dyn Listing), Some(&source)],
        users: &users,
        is_archive: &|_| Ok(false),
        unpacked: &|_| None,
    };
    plan(&FileOp { base: Some(Slot(0)), actions }, Some(&base), &sources)
}

/// COPY as Dockerfiles have it.
fn copy(src: &str, dest: &str) -> Copy {
    Copy::new(Slot(1), src, dest)
}

fn check(source: &str, base: &str, copy: Copy, expected: &Expect) {
    check_all(source, base, vec![FileAction::Copy(Box::new(copy))], expected);
}

fn check_all(source: &str, base: &str, actions: Vec<FileAction>, expected: &Expect) {
    match plan_of(source, base, actions) {
        Ok(plan) => expected.assert_eq(&show(&plan)),
        Err(error) => expected.assert_eq(&format!("{error}\n")),
    }
}

const APP: &str = "app/ 700 5:6
    app/main 755 5:6 =x
    app/lib/ 711
    app/lib/a.so =a
    app/lib/b.so => app/lib/a.so
    app/link -> main
    notes.md =n
    readme.md =r";

#[test]
fn a_file_goes_to_a_name_into_a_directory_or_makes_one() {
    check(
        APP,
        "",
        copy("/notes.md", "/x"),
        &expect![[r#"
        x 644 0:0 from notes.md
    "#]],
    );
    check(
        APP,
        "etc/ 750 3:4",
        copy("/notes.md", "/etc"),
        &expect![[r#"
        etc/ 750 3:4
        etc/notes.md 644 0:0 from notes.md
    "#]],
    );
    check(
        APP,
        "",
        copy("/notes.md", "/a/b/"),
        &expect![[r#"
        a/ 755 0:0
        a/b/ 755 0:0
        a/b/notes.md 644 0:0 from notes.md
    "#]],
    );
    check(
        APP,
        "",
        copy("/notes.md", "/a/b"),
        &expect![[r#"
        a/ 755 0:0
        a/b 644 0:0 from notes.md
    "#]],
    );
}

#[test]
fn a_directory_s_contents_are_copied_and_owners_kept() {
    check(
        APP,
        "",
        copy("/app", "/srv"),
        &expect![[r#"
        srv/ 755 0:0
        srv/lib/ 711 0:0
        srv/lib/a.so 644 0:0 from app/lib/a.so
        srv/lib/b.so => srv/lib/a.so 644 0:0
        srv/link -> main 777 0:0
        srv/main 755 5:6 from app/main
    "#]],
    );
    let whole = Copy { dir_contents_only: false, ..copy("/app", "/srv") };
    check(
        APP,
        "",
        whole.clone(),
        &expect![[r#"
        srv/ 700 5:6
        srv/lib/ 711 0:0
        srv/lib/a.so 644 0:0 from app/lib/a.so
        srv/lib/b.so => srv/lib/a.so 644 0:0
        srv/link -> main 777 0:0
        srv/main 755 5:6 from app/main
    "#]],
    );
    let one = Copy { include_patterns: vec!["main".to_owned()], ..whole };
    check(
        APP,
        "srv/ 711",
        one,
        &expect![[r#"
        srv/ 711 0:0
        srv/app/ 700 5:6
        srv/app/main 755 5:6 from app/main
    "#]],
    );
}

#[test]
fn directories_below_the_destination_take_the_source_s_attributes() {
    check(
        "d/sub/ 700 1:1\n d/sub/f",
        "x/ 711 9:9\n x/sub/ 755 9:9\n x/sub/old =o",
        copy("/d", "/x"),
        &expect![[r#"
        x/ 711 9:9
        x/sub/ 700 1:1
        x/sub/f 644 0:0 from d/sub/f
    "#]],
    );
}

#[test]
fn the_destination_s_links_are_followed_inside_the_root() {
    let base = "usr/\n usr/bin/ 711\n bin -> usr/bin\n up -> ../../../usr\n abs -> /usr/bin";
    for dest in ["/bin/", "/up/bin/", "/abs/", "/abs/../bin/"] {
        check(
            APP,
            base,
            copy("/notes.md", dest),
            &expect![[r#"
            usr/ 755 0:0
            usr/bin/ 711 0:0
            usr/bin/notes.md 644 0:0 from notes.md
        "#]],
        );
    }
    check(
        APP,
        "a -> b\n b -> a",
        copy("/notes.md", "/a/"),
        &expect![[r#"
        `/a` leads through too many symbolic links
    "#]],
    );
}

#[test]
fn a_source_s_link_is_followed_at_the_top_only() {
    check(
        "d/f =1\n l -> d/f",
        "",
        copy("/l", "/x"),
        &expect![[r#"
        x 644 0:0 from d/f
    "#]],
    );
    let kept = Copy { follow_symlinks: false, ..copy("/l", "/x") };
    check(
        "d/f =1\n l -> d/f",
        "",
        kept,
        &expect![[r#"
        x -> d/f 777 0:0
    "#]],
    );
    check(
        "d/f =1\n out -> ../../../d/f",
        "",
        copy("/out", "/x"),
        &expect![[r#"
        x 644 0:0 from d/f
    "#]],
    );
}

#[test]
fn wildcards_match_in_order_and_nothing_is_an_error() {
    check(
        APP,
        "",
        copy("/*.md", "/d/"),
        &expect![[r#"
        d/ 755 0:0
        d/notes.md 644 0:0 from notes.md
        d/readme.md 644 0:0 from readme.md
    "#]],
    );
    check(
        APP,
        "",
        copy("/a?p/l*/*.so", "/d/"),
        &expect![[r#"
        d/ 755 0:0
        d/a.so 644 0:0 from app/lib/a.so
        d/b.so 644 0:0 from app/lib/b.so
    "#]],
    );
    check(
        APP,
        "",
        copy("/*.nope", "/d/"),
        &expect![[r#"
        `/*.nope` not found
    "#]],
    );
    check(APP, "", Copy { allow_empty_wildcard: true, ..copy("/*.nope", "/d/") }, &expect![""]);
    check(
        APP,
        "",
        copy("/nope", "/d/"),
        &expect![[r#"
        `/nope` not found
    "#]],
    );
}

#[test]
fn patterns_choose() {
    let excluded = Copy { exclude_patterns: vec!["lib".to_owned(), "!lib/b.so".to_owned()], ..copy("/app", "/x") };
    check(
        APP,
        "",
        excluded,
        &expect![[r#"
        x/ 755 0:0
        x/lib/ 711 0:0
        x/lib/b.so 644 0:0 from app/lib/b.so
        x/link -> main 777 0:0
        x/main 755 5:6 from app/main
    "#]],
    );
    let parents = Copy { include_patterns: vec!["app/lib/*.so".to_owned()], ..copy("/", "/x/") };
    check(
        APP,
        "",
        parents,
        &expect![[r#"
        x/ 755 0:0
        x/app/ 700 5:6
        x/app/lib/ 711 0:0
        x/app/lib/a.so 644 0:0 from app/lib/a.so
        x/app/lib/b.so => x/app/lib/a.so 644 0:0
    "#]],
    );
}

#[test]
fn what_is_required_must_be_there() {
    let required = |src: &str, pattern: &str, path: &str| Copy {
        include_patterns: vec![pattern.to_owned()],
        required_paths: vec![path.to_owned()],
        ..copy(src, "/x/")
    };
    for (src, pattern, path) in [("/", "app/main", "/app/main"), ("/app", "lib", "/app/lib")] {
        let found = plan_of(APP, "", vec![FileAction::Copy(Box::new(required(src, pattern, path)))]);
        assert!(found.is_ok(), "{path}");
    }
    check(
        APP,
        "",
        required("/app", "nope", "/app/nope"),
        &expect![[r#"
        `/app/nope` not found
    "#]],
    );
}

#[test]
fn owner_and_mode_are_set_on_all_that_is_made() {
    let chown = Owner { user: Some(UserRef::Id(5)), group: None };
    let all = Copy { owner: Some(chown), mode: Some(Mode::Octal(0o2750)), ..copy("/app", "/a/b/") };
    check(
        APP,
        "a/",
        all,
        &expect![[r#"
        a/ 755 0:0
        a/b/ 750 5:5
        a/b/lib/ 2750 5:5
        a/b/lib/a.so 2750 5:5 from app/lib/a.so
        a/b/lib/b.so => a/b/lib/a.so 2750 5:5
        a/b/link -> main 777 5:5
        a/b/main 2750 5:5 from app/main
    "#]],
    );
    let symbolic = Copy { mode: Some(Mode::Symbolic("u=rwX,go=".to_owned())), ..copy("/app", "/b/") };
    check(
        APP,
        "",
        symbolic,
        &expect![[r#"
        b/ 755 0:0
        b/lib/ 700 0:0
        b/lib/a.so 600 0:0 from app/lib/a.so
        b/lib/b.so => b/lib/a.so 600 0:0
        b/link -> main 777 0:0
        b/main 700 5:6 from app/main
    "#]],
    );
}

#[test]
fn files_and_directories_do_not_replace_each_other_unless_told() {
    check(
        "d/x =1",
        "t/x/keep",
        copy("/d", "/t"),
        &expect![[r#"
        cannot replace the directory `/t/x` with a file
    "#]],
    );
    check(
        "d/x/y =1",
        "t/x",
        copy("/d", "/t"),
        &expect![[r#"
        cannot copy to non-directory `/t/x`
    "#]],
    );
    check(
        "d/x/y =1",
        "t",
        copy("/d", "/t/"),
        &expect![[r#"
        `/t` is not a directory
    "#]],
    );
    check(
        "d/x/y =1",
        "t/x",
        Copy { replace_existing: true, ..copy("/d", "/t") },
        &expect![[r#"
        t/ 755 0:0
        t/x/ 755 0:0
        t/x/y 644 0:0 from d/x/y
    "#]],
    );
    check(
        "d/x =1",
        "t/x/keep",
        Copy { replace_existing: true, ..copy("/d", "/t") },
        &expect![[r#"
        t/ 755 0:0
        t/x 644 0:0 from d/x
    "#]],
    );
}

#[test]
fn making_what_exists_makes_an_empty_layer() {
    let mkdir = |path: &str| FileAction::Mkdir {
        path: path.to_owned(),
        mode: 0o755,
        make_parents: true,
        owner: None,
        mtime: None,
    };
    check_all("", "app/ 700 1:1", vec![mkdir("/app")], &expect![""]);
    check_all(
        "",
        "app/ 700 1:1",
        vec![mkdir("/app/a/b")],
        &expect![[r#"
        app/ 700 1:1
        app/a/ 755 0:0
        app/a/b/ 755 0:0
    "#]],
    );
    check_all(
        "",
        "app",
        vec![mkdir("/app/a")],
        &expect![[r#"
        `/app` is not a directory
    "#]],
    );
}

#[test]
fn removing_leaves_whiteouts_of_what_the_base_has() {
    let rm = |path: &str| FileAction::Rm { path: path.to_owned(), allow_not_found: false, allow_wildcard: true };
    let mkdir = |path: &str| FileAction::Mkdir {
        path: path.to_owned(),
        mode: 0o755,
        make_parents: true,
        owner: None,
        mtime: None,
    };
    check_all(
        "",
        "a/b =1\n a/c =2",
        vec![rm("/a/*")],
        &expect![[r#"
        a/ 755 0:0
        a/b !
        a/c !
    "#]],
    );
    check_all(
        "",
        "a/b =1",
        vec![rm("/a"), mkdir("/a")],
        &expect![[r#"
        a/ opaque 755 0:0
    "#]],
    );
    check_all(
        "",
        "",
        vec![mkdir("/n/m"), rm("/n/m")],
        &expect![[r#"
        n/ 755 0:0
    "#]],
    );
    let gone = FileAction::Rm { path: "/gone".to_owned(), allow_not_found: false, allow_wildcard: false };
    check_all(
        "",
        "a/b =1",
        vec![gone],
        &expect![[r#"
        `/gone` does not exist in the destination
    "#]],
    );
    check_all(
        "",
        "",
        vec![rm("/")],
        &expect![[r#"
        the root cannot be removed
    "#]],
    );
}

#[test]
fn files_and_links_are_made() {
    let mkfile = |path: &str| FileAction::Mkfile {
        path: path.to_owned(),
        mode: 0o600,
        contents: b"hi".to_vec(),
        owner: None,
        mtime: None,
    };
    check_all(
        "",
        "d/f 755 1:1",
        vec![mkfile("/d/f"), mkfile("/d/g")],
        &expect![[r#"
        d/ 755 0:0
        d/f 755 1:1 =hi
        d/g 600 0:0 =hi
    "#]],
    );
    let link = FileAction::Symlink { target: "f".to_owned(), link: "/d/l".to_owned(), owner: None, mtime: None };
    check_all(
        "",
        "d/f",
        vec![link.clone()],
        &expect![[r#"
        d/ 755 0:0
        d/l -> f 777 0:0
    "#]],
    );
    check_all(
        "",
        "d/l",
        vec![link],
        &expect![[r#"
        `/d/l` exists already
    "#]],
    );
}

#[test]
fn a_layer_does_not_depend_on_what_else_the_base_holds() {
    let plan = |base: &str| {
        plan_of(APP, base, vec![FileAction::Copy(Box::new(copy("/app", "/srv/x")))]).unwrap().tree.digest()
    };
    assert_eq!(plan("srv/"), plan("srv/\n etc/passwd =p\n srv/y/z"));
    assert_ne!(plan("srv/"), plan("srv/ 700"));
}

#[test]
fn below_a_directory_with_the_set_group_id_bit_new_ones_are_as_mkdir_makes_them() {
    check(
        "f =x",
        "g/ 2775 3:44",
        copy("/f", "/g/n/f"),
        &expect![[r#"
        g/ 2775 3:44
        g/n/ 2755 0:44
        g/n/f 644 0:0 from f
    "#]],
    );
    let owner = Some(Owner { user: Some(UserRef::Id(5)), group: None });
    let workdir = FileAction::Mkdir { path: "/g/a/b".to_owned(), mode: 0o755, make_parents: true, owner, mtime: None };
    check_all(
        "",
        "g/ 2775 3:44",
        vec![workdir],
        &expect![[r#"
        g/ 2775 3:44
        g/a/ 2755 5:5
        g/a/b/ 2755 5:5
    "#]],
    );
}

#[test]
fn blank_patterns_have_no_parents_to_keep() {
    let root = Copy { include_patterns: vec![String::new()], required_paths: vec!["/".to_owned()], ..copy("/", "/x/") };
    let found = plan_of(APP, "", vec![FileAction::Copy(Box::new(root))]);
    assert!(matches!(found, Err(CopyError::NoParents { .. })));
}

#[test]
fn with_patterns_the_links_of_the_root_must_lead_somewhere() {
    let tree = "br -> nowhere\n d/\n d/in -> nowhere\n d/x\n ok -> d";
    let copied = |src: &str, exclude: &[&str]| {
        let exclude_patterns = exclude.iter().map(ToString::to_string).collect();
        let action = FileAction::Copy(Box::new(Copy { exclude_patterns, ..copy(src, "/o/") }));
        plan_of(tree, "", vec![action]).map(|plan| plan.tree.len())
    };
    assert!(matches!(copied("/", &["x"]), Err(CopyError::LinkToNothing { path }) if path == "/br"));
    assert_eq!(copied("/", &["br"]).ok(), Some(5));
    assert_eq!(copied("/", &[]).ok(), Some(6));
    assert_eq!(copied("/d", &["y"]).ok(), Some(3));
}
