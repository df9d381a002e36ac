//! Stacks of layers seen as one filesystem.

use std::collections::BTreeMap;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::tree::testing::{any_tree, show, tree};

fn view(layers: &[&str]) -> View {
    View::new(layers.iter().map(|lines| Arc::new(tree(lines))).collect())
}

#[test]
fn upper_layers_hide_lower_ones() {
    let view = view(&[
        "bin/sh file sh\netc/a file 1\netc/b file 2\nopt/x/y file 3\nusr/f file 4\nusr/g hard usr/f",
        "etc/a wh\nopt opaque\nopt/z file 55\nusr/f wh",
        "bin link usr/bin\netc/a dir\netc/c file 666",
    ]);
    let merged = view.merged();
    expect![[r#"
        bin link usr/bin
        etc dir
        etc/a dir
        etc/b file 1
        etc/c file 3
        opt dir
        opt/z file 2
        usr dir
        usr/g file 1
    "#]]
    .assert_eq(&show(&merged.tree));
    assert_eq!(merged.layer_of, [2, 2, 2, 0, 2, 1, 1, 1, 0]);
    assert!(view.lookup(b"bin/sh").is_none());
    assert_eq!(view.lookup(b"usr/g").map(|found| (found.layer, &found.node.path[..])), Some((0, &b"usr/f"[..])));
    let names: Vec<_> = view.list(b"etc").iter().map(|found| found.entry.display()).collect();
    assert_eq!(names, ["/etc/a", "/etc/b", "/etc/c"]);
}

#[test]
fn of_two_names_that_are_seen_the_first_is_the_file() {
    let view = view(&["a file x\nb hard a\nc hard a", "a wh"]);
    expect![[r#"
        b file 1
        c hard b
    "#]]
    .assert_eq(&show(&view.merged().tree));
}

#[test]
fn links_are_followed_inside_the_root() {
    let view = view(&[
        "usr/bin/sh file x\nbin link usr/bin\nabs link /usr/../usr/bin\nout link ../../../etc\nloop link loop\netc/motd file m",
        "chain link abs/sh\ndangling link usr/nothing/here",
    ]);
    let show = |path: &str, last| match view.resolve(path.as_bytes(), last) {
        Ok(Resolved { path, place: Place::Entry(found), trail }) => {
            format!("{} in {} by {} steps", path::display(&path), found.layer, trail.len())
        }
        Ok(Resolved { path, place, .. }) => format!(
            "{} {}",
            path::display(&path),
            match place {
                Place::Root => "root".to_owned(),
                Place::Missing { known } => format!("missing after {known}"),
                Place::Entry(_) => unreachable!("matched above"),
            }
        ),
        Err(error) => error.to_string(),
    };
    expect!["/usr/bin/sh in 0 by 4 steps"].assert_eq(&show("bin/sh", Last::Follow));
    expect!["/usr/bin/sh in 0 by 6 steps"].assert_eq(&show("/chain", Last::Follow));
    expect!["/chain in 1 by 1 steps"].assert_eq(&show("chain", Last::Keep));
    expect!["/etc/motd in 0 by 3 steps"].assert_eq(&show("out/motd", Last::Keep));
    expect!["/ root"].assert_eq(&show("../..", Last::Follow));
    expect!["/usr/nothing/here missing after 3"].assert_eq(&show("dangling", Last::Follow));
    expect!["/usr/nothing/here/x missing after 3"].assert_eq(&show("dangling/x", Last::Follow));
    expect!["/usr/bin in 0 by 3 steps"].assert_eq(&show("dangling/../../bin", Last::Follow));
    expect!["`/loop`: more than 255 symbolic links lead on, one to the next"].assert_eq(&show("loop", Last::Follow));
    expect!["`/etc/motd/..`: `/etc/motd` is not a directory"].assert_eq(&show("etc/motd/..", Last::Follow));
}

/// What an unpacker would have on its disk after one layer after the other.
fn naive(layers: &[Tree]) -> BTreeMap<Vec<u8>, (usize, Entry)> {
    let mut disk: BTreeMap<Vec<u8>, (usize, Entry)> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        for entry in layer.entries() {
            let is_dir_there = disk.get(&entry.path[..]).is_some_and(|(_, there)| there.is_dir());
            if !is_dir_there || entry.kind != (Kind::Dir { opaque: false }) {
                disk.retain(|path, _| !path::is_below(path, &entry.path));
            }
            disk.remove(&entry.path[..]);
            if entry.kind != Kind::Whiteout {
                disk.insert(entry.path.to_vec(), (index, entry.clone()));
            }
        }
    }
    disk
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_view_is_its_layers_applied_one_by_one(layers in prop::collection::vec(any_tree(12), 0..5)) {
        let disk = naive(&layers);
        let view = View::new(layers.iter().cloned().map(Arc::new).collect());
        let merged = view.merged();
        prop_assert_eq!(merged.tree.len(), disk.len());
        for (entry, layer) in merged.tree.entries().iter().zip(&merged.layer_of) {
            let (there, expected) = &disk[&entry.path[..]];
            prop_assert_eq!(layer, there);
            prop_assert_eq!(&entry.meta, &expected.meta);
            let found = view.lookup(&entry.path).expect("it is in the merged tree");
            prop_assert_eq!(found.layer, *layer);
            prop_assert_eq!(found.entry, expected);
            // Whatever name became the file, the bytes are the same.
            let node = merged.tree.file_of(entry);
            prop_assert_eq!(is_dir_or(&node.kind), is_dir_or(&found.node.kind));
            let listed = view.list(path::parent(&entry.path));
            prop_assert!(listed.iter().any(|child| child.entry == found.entry && child.layer == *layer));
        }
        for layer in &layers {
            for entry in layer.entries() {
                prop_assert_eq!(view.lookup(&entry.path).is_some(), disk.contains_key(&entry.path[..]));
                let expected = disk.keys().filter(|path| path::parent(path) == &entry.path[..]).count();
                prop_assert_eq!(view.list(&entry.path).len(), expected);
            }
        }
    }

    #[test]
    fn any_path_is_resolved_without_panic(layers in prop::collection::vec(any_tree(12), 0..3), path in "[ab./]{0,12}") {
        let view = View::new(layers.into_iter().map(Arc::new).collect());
        if let Ok(resolved) = view.resolve(path.as_bytes(), Last::Follow) {
            prop_assert!(resolved.path.is_empty() || path::check(&resolved.path).is_ok());
        }
    }
}

/// A kind without what differs between an opaque directory and the one that is seen.
fn is_dir_or(kind: &Kind) -> Option<&Kind> {
    (!matches!(kind, Kind::Dir { .. })).then_some(kind)
}
