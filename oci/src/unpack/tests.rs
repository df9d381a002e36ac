//! Archives unpacked, sound and hostile.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::PathBuf;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::tarball::write::Writer;
use crate::tree::testing::show;

fn member(path: &str, kind: MemberKind) -> Member {
    Member { path: path.into(), kind, meta: Meta { mode: 0o755, ..Meta::default() } }
}

/// Makes a tar of lines: `path`, then `dir`, `file BYTES`, `link TARGET`, `hard TARGET`, `fifo`, `char`, `null`.
fn tar(lines: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for line in lines.lines().map(str::trim) {
        let mut words = line.splitn(3, ' ');
        let (path, what) = (words.next().expect("a path"), words.next().expect("a kind"));
        let rest = words.next().unwrap_or_default();
        let target = rest.as_bytes().to_vec();
        let kind = match what {
            "dir" => MemberKind::Dir,
            "file" => MemberKind::File { size: rest.len() as u64, extents: None },
            "link" => MemberKind::Symlink { target },
            "hard" => MemberKind::HardLink { target },
            "fifo" => MemberKind::Fifo,
            "char" => MemberKind::CharDevice { major: 1, minor: 3 },
            "null" => MemberKind::CharDevice { major: 0, minor: 0 },
            _ => panic!("no such kind: {line}"),
        };
        writer.begin(&member(path, kind)).expect("begun");
        if what == "file" {
            writer.data(rest.as_bytes()).expect("written");
        }
    }
    writer.finish().expect("finished");
    bytes
}

/// A directory to unpack into, beside things that must not be touched.
struct Place {
    around: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let around = tempfile::tempdir().expect("a directory");
        fs::create_dir(around.path().join("root")).expect("made");
        fs::create_dir(around.path().join("canary")).expect("made");
        fs::write(around.path().join("canary/f"), b"untouched").expect("written");
        Self { around }
    }

    fn root(&self) -> PathBuf {
        self.around.path().join("root")
    }

    fn canary(&self) -> String {
        self.around.path().join("canary").to_str().expect("text").to_owned()
    }

    fn unpack(&self, bytes: &[u8], options: &Options) -> Result<Unpacked, UnpackError> {
        let unpacked = unpack(bytes, &self.root(), options);
        self.check_canary();
        unpacked
    }

    fn check_canary(&self) {
        let names = |dir: &str| fs::read_dir(self.around.path().join(dir)).expect("read").count();
        assert_eq!((names(""), names("canary")), (2, 1));
        let canary = self.around.path().join("canary/f");
        assert_eq!(fs::read(&canary).expect("read"), b"untouched");
        let meta = fs::metadata(&canary).expect("there");
        assert_eq!((meta.nlink(), meta.mode() & 0o7777), (1, 0o644));
    }
}

fn check(lines: &str, expected: Expect) {
    let place = Place::new();
    let lines = lines.replace("CANARY", &place.canary());
    let text = match place.unpack(&tar(&lines), &Options::layer()) {
        Ok(unpacked) => show(&unpacked.tree),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text.replace(&place.canary(), "CANARY"));
}

#[test]
fn names_that_lead_out_stay_inside() {
    check(
        "../../a file x\n/b/../../c file y\n/d//./e file z",
        expect![[r#"
        a file 1
        c file 1
        d dir
        d/e file 1
    "#]],
    );
    check(
        "../canary/f file x",
        expect![[r#"
        canary dir
        canary/f file 1
    "#]],
    );
}

#[test]
fn planted_links_are_resolved_inside() {
    check(
        "out link /else/where\nout/f file bad",
        expect![[r#"
        else dir
        else/where dir
        else/where/f file 3
        out link /else/where
    "#]],
    );
    check(
        "up link ../../..\nup/canary/f file bad",
        expect![[r#"
        canary dir
        canary/f file 3
        up link ../../..
    "#]],
    );
    check(
        "d dir\nd/l link ../e\nd/l/f file x\ne/g file y",
        expect![[r#"
        d dir
        d/l link ../e
        e dir
        e/f file 1
        e/g file 1
    "#]],
    );
    check(
        "out link CANARY\nout dir\nout/f file x",
        expect![[r#"
        out dir
        out/f file 1
    "#]],
    );
    check("a link b\nb link a\na/f file x", expect!["`/a`: more than 255 symbolic links lead on, one to the next"]);
    check("f file x\nf/g file y", expect!["`/f`: `/f`, which the archive has too, is no directory"]);
}

#[test]
fn hard_links_lead_only_to_what_came_before() {
    check(
        "h hard CANARY/f",
        expect!["the hard link `/h` names `/CANARY/f`, which is no file that came before it in the archive"],
    );
    check(
        "h hard ../canary/f",
        expect!["the hard link `/h` names `/../canary/f`, which is no file that came before it in the archive"],
    );
    check(
        "out link CANARY\nh hard out/f",
        expect!["the hard link `/h` names `/out/f`, which is no file that came before it in the archive"],
    );
    check(
        "out link CANARY/f\nh hard out",
        expect![[r#"
        h link CANARY/f
        out link CANARY/f
    "#]],
    );
    check(
        "b file x\na hard b\nc hard /a",
        expect![[r#"
        a file 1
        b hard a
        c hard a
    "#]],
    );
    check(
        "d dir\nh hard d",
        expect!["the hard link `/h` names `/d`, which is no file that came before it in the archive"],
    );
    check(
        "d/f file x\nd hard d/f",
        expect!["the hard link `/d` names `/d/f`, which is no file that came before it in the archive"],
    );
    check("h hard h", expect!["the hard link `/h` names `/h`, which is no file that came before it in the archive"]);
}

#[test]
fn the_last_of_several_counts() {
    check(
        "a file 1\na file 22\na/ dir\na/b file 3\na file 4444",
        expect![[r#"
        a file 4
    "#]],
    );
    check(
        "a file 1\nb hard a\na file 22",
        expect![[r#"
        a file 2
        b file 1
    "#]],
    );
    check(
        "d/a file 1\nd dir\nd link x",
        expect![[r#"
        d link x
    "#]],
    );
}

#[test]
fn whiteouts_speak_of_the_layers_below() {
    check(
        ".wh.a file \nd/.wh.b file \nd/.wh..wh..opq file \n.wh..wh.plnk dir",
        expect![[r#"
        a wh
        d opaque
        d/b wh
    "#]],
    );
    check(
        "a file x\n.wh.a file \nd/f file x\n.wh.d file ",
        expect![[r#"
        a file 1
        d opaque
        d/f file 1
    "#]],
    );
    check(
        ".wh.a file \na/b file x",
        expect![[r#"
        a opaque
        a/b file 1
    "#]],
    );
    check(
        "n null\nd/f file x\nd null",
        expect![[r#"
        d opaque
        d/f file 1
        n wh
    "#]],
    );
    check("d/.wh.. file ", expect!["`/d/.wh..` marks nothing as removed"]);
    check(".wh. file ", expect!["`/.wh.` marks nothing as removed"]);

    let place = Place::new();
    place.unpack(&tar(".wh.a file \nd/.wh..wh..opq file "), &Options::layer()).expect("unpacked");
    let whiteout = fs::symlink_metadata(place.root().join("a")).expect("there");
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    let mut mark = [0; 8];
    let size = rustix::fs::getxattr(place.root().join("d"), "trusted.overlay.opaque", &mut mark[..]).expect("marked");
    assert_eq!(&mark[..size], b"y");
}

#[test]
fn an_archive_that_is_no_layer_has_no_whiteouts() {
    let place = Place::new();
    let unpacked = place.unpack(&tar(".wh.a file x\n.wh..wh..opq file y"), &Options::archive()).expect("unpacked");
    assert_eq!(show(&unpacked.tree), ".wh..wh..opq file 1\n.wh.a file 1\n");
    assert_eq!(fs::read(place.root().join(".wh.a")).expect("read"), b"x");
}

#[test]
fn all_that_is_said_is_kept() {
    let meta = |mode, secs| Meta {
        mode,
        uid: 1000,
        gid: 2000,
        mtime: crate::tree::Mtime { secs, nanos: 0 },
        xattrs: vec![
            (b"user.k"[..].into(), b"v\n"[..].into()),
            (b"trusted.overlay.opaque"[..].into(), b"y"[..].into()),
        ],
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.begin(&Member { path: b"d".to_vec(), kind: MemberKind::Dir, meta: meta(0o1777, 7) }).expect("begun");
    let kind = MemberKind::File { size: 2, extents: None };
    writer.begin(&Member { path: b"d/f".to_vec(), kind, meta: meta(0o6755, 8) }).expect("begun");
    writer.data(b"hi").expect("written");
    writer.begin(&member("d/null", MemberKind::CharDevice { major: 1, minor: 3 })).expect("begun");
    writer.finish().expect("finished");
    let place = Place::new();
    let unpacked = place.unpack(&bytes, &Options::layer()).expect("unpacked");
    assert_eq!(unpacked.notes, []);
    for (path, mode, secs) in [("d", 0o1777, 7), ("d/f", 0o6755, 8)] {
        let there = fs::symlink_metadata(place.root().join(path)).expect("there");
        assert_eq!(
            (there.mode() & 0o7777, there.uid(), there.gid(), there.mtime()),
            (mode, 1000, 2000, secs),
            "{path}"
        );
        let mut value = [0; 8];
        let size = rustix::fs::getxattr(place.root().join(path), "user.k", &mut value[..]).expect("an attribute");
        assert_eq!(&value[..size], b"v\n");
        assert!(rustix::fs::getxattr(place.root().join(path), "trusted.overlay.opaque", &mut value[..]).is_err());
        assert_eq!(unpacked.tree.get(path.as_bytes()).map(|entry| entry.meta.xattrs.len()), Some(1));
    }
    let null = fs::symlink_metadata(place.root().join("d/null")).expect("there");
    assert_eq!((null.rdev(), null.mode() & 0o777), (rustix::fs::makedev(1, 3), 0o755));
}

#[test]
fn limits_are_told() {
    let place = Place::new();
    let limited = |entries, bytes| Options { limits: Limits { entries, bytes }, ..Options::layer() };
    let error = place.unpack(&tar("a file 12345\nb file 67890"), &limited(9, 9)).expect_err("too large");
    expect!["the files of the archive have more than 9 bytes together"].assert_eq(&error.to_string());
    let error = Place::new().unpack(&tar("a/b/c/d file x"), &limited(3, 9)).expect_err("too many");
    expect!["the archive has more than 3 entries"].assert_eq(&error.to_string());
    let huge =
        Member { meta: Meta::default(), path: b"a".to_vec(), kind: MemberKind::File { size: 1 << 50, extents: None } };
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).begin(&huge).expect("begun");
    let error = Place::new().unpack(&bytes, &Options::layer()).expect_err("too large");
    expect!["the files of the archive have more than 17592186044416 bytes together"].assert_eq(&error.to_string());
    let cut = tar("a file hello");
    let error = Place::new().unpack(&cut[..514], &Options::layer()).expect_err("cut off");
    expect!["the archive ends in the middle of a member, at byte 512"].assert_eq(&error.to_string());
}

/// Whoever swaps a directory for a link while it is unpacked gets an error, and nothing outside is written.
#[test]
fn a_directory_swapped_for_a_link_is_not_followed() {
    struct Swap<'a> {
        parts: Vec<Vec<u8>>,
        between: &'a mut dyn FnMut(),
    }
    impl Read for Swap<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.parts.len() == 1 {
                (self.between)();
            }
            let Some(part) = self.parts.pop() else { return Ok(0) };
            buffer[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }
    let place = Place::new();
    let whole = tar("d/x file 1\nother file 2\nd/f file bad");
    // The header of the last member comes in a read of its own.
    let (first, last) = whole.split_at(512 * 4);
    let mut swap = || {
        let _ = fs::remove_dir_all(place.root().join("d"));
        let _ = symlink(place.canary(), place.root().join("d"));
    };
    let tar = Swap { parts: vec![last.to_vec(), first.to_vec()], between: &mut swap };
    let error = unpack(tar, &place.root(), &Options::layer()).expect_err("refused");
    assert!(error.to_string().starts_with("cannot make `/d/f`"), "{error}");
    place.check_canary();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_ever_written_outside(lines in prop::collection::vec(any_line(), 1..12), literal in any::<bool>()) {
        let place = Place::new();
        let bytes = tar(&lines.join("\n").replace("CANARY", &place.canary()));
        let options = if literal { Options::archive() } else { Options::layer() };
        if let Ok(unpacked) = place.unpack(&bytes, &options) {
            // The tree is what is on the disk.
            for entry in unpacked.tree.entries() {
                let path = place.root().join(std::str::from_utf8(&entry.path).expect("text"));
                let there = fs::symlink_metadata(path).expect("on the disk");
                prop_assert_eq!(there.is_dir(), entry.is_dir());
                prop_assert_eq!(there.is_symlink(), matches!(entry.kind, Kind::Symlink { .. }));
                if let Kind::File { size, .. } = unpacked.tree.file_of(entry).kind {
                    prop_assert_eq!(there.len(), size);
                }
            }
            prop_assert_eq!(Tree::from_bytes(&unpacked.tree.to_bytes()), Ok(unpacked.tree));
        }
    }

    #[test]
    fn any_bytes_are_unpacked_without_panic(at in prop::collection::vec((0..4096_usize, any::<u8>()), 0..8)) {
        let place = Place::new();
        let mut bytes = tar("a/b file hello\nl link CANARY\nl/f file x\nc hard a/b");
        at.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        let _ = place.unpack(&bytes, &Options::layer());
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "a",
        "b",
        "a/b",
        "b/a",
        "a/b/c",
        "../a",
        "/a",
        "a/../../b",
        "a/f",
        "b/f",
        "..",
        ".wh.a",
        "a/.wh.b",
        "a/.wh..wh..opq",
        "canary/f",
        "../canary/f",
    ]);
    let what = prop::sample::select(vec![
        "dir",
        "file hello",
        "file ",
        "link CANARY",
        "link CANARY/f",
        "link ..",
        "link ../canary",
        "link /a",
        "link b",
        "hard a",
        "hard b",
        "hard a/b",
        "hard CANARY/f",
        "hard ../canary/f",
        "hard a/f",
        "fifo",
        "null",
    ]);
    (path, what).prop_map(|(path, what)| format!("{path} {what}"))
}
