//! Tar streams read and written.

use std::io::Read;

use expect_test::expect;
use proptest::prelude::*;

use super::read::Reader;
use super::write::Writer;
use super::*;
use crate::tree::Mtime;

fn member(path: &str, kind: MemberKind) -> Member {
    Member { path: path.into(), kind, meta: Meta { mode: 0o640, uid: 1, gid: 2, ..Meta::default() } }
}

fn file(path: &str, size: u64) -> Member {
    member(path, MemberKind::File { size, extents: None })
}

fn write(members: &[(Member, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (member, data) in members {
        writer.begin(member).expect("begun");
        writer.data(data).expect("written");
    }
    let size = writer.finish().expect("finished");
    assert_eq!(size, bytes.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, read::TarError> {
    let mut reader = Reader::new(bytes);
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        let mut data = Vec::new();
        loop {
            match reader.data(1000)? {
                [] => break,
                part => data.extend_from_slice(part),
            }
        }
        members.push((member, data));
    }
    Ok(members)
}

fn samples() -> Vec<(Member, &'static [u8])> {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(99));
    let longer = "x".repeat(101) + "/y";
    let mut odd = file("odd", 3);
    odd.meta = Meta {
        mode: 0o4755,
        uid: 3_000_000,
        gid: u32::MAX,
        mtime: Mtime { secs: -5, nanos: 0 },
        xattrs: vec![(b"security.capability"[..].into(), b"a\n1 b=\0\n"[..].into())],
    };
    vec![
        (member("dir/", MemberKind::Dir), b""),
        (file("dir/a", 5), b"hello"),
        (file(&long, 0), b""),
        (file(&longer, 512), &[7; 512]),
        (file("übung", 1), b"x"),
        (odd, b"odd"),
        (member("link", MemberKind::Symlink { target: longer.clone().into() }), b""),
        (member("hard", MemberKind::HardLink { target: b"dir/a".to_vec() }), b""),
        (member("null", MemberKind::CharDevice { major: 1, minor: 3 }), b""),
        (member("fifo", MemberKind::Fifo), b""),
    ]
}

#[test]
fn what_is_written_is_read_back() {
    let members: Vec<_> = samples().into_iter().map(|(member, data)| (member, data.to_vec())).collect();
    assert_eq!(read(&write(&samples())).expect("our own tar"), members);
}

#[test]
fn another_reader_reads_the_same() {
    let bytes = write(&samples());
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut seen = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("data");
        seen.push((entry.path_bytes().to_vec(), data));
    }
    let expected: Vec<_> = samples().into_iter().map(|(member, data)| (member.path, data.to_vec())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn others_long_names_and_sparse_files_are_read() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o600);
    let long = "n".repeat(300);
    builder.append_data(&mut header.clone(), &long, &b"hi"[..]).expect("appended");
    builder.append_link(&mut header, "l", "t".repeat(200)).expect("appended");
    let bytes = builder.into_inner().expect("a tar");
    let members = read(&bytes).expect("a good tar");
    assert_eq!((members[0].0.path.len(), &members[0].1[..]), (300, &b"hi"[..]));

    let map = b"2\n0\n4\n1000\n2\n";
    let mut data = map.to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"headta");
    let records: Vec<u8> = [("major", "1"), ("minor", "0"), ("realsize", "1002"), ("name", "sparse")]
        .iter()
        .flat_map(|(key, value)| write::record(format!("GNU.sparse.{key}").as_bytes(), value.as_bytes()))
        .collect();
    let mut bytes =
        write(&[(file("pax", records.len() as u64), &records[..]), (file("stored", data.len() as u64), &data)]);
    bytes[156] = b'x';
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let members = read(&bytes).expect("a good tar");
    let extents = vec![Extent { offset: 0, size: 4 }, Extent { offset: 1000, size: 2 }];
    assert_eq!(members[0].0.kind, MemberKind::File { size: 1002, extents: Some(extents) });
    assert_eq!((&members[0].0.path[..], &members[0].1[..]), (&b"sparse"[..], &b"headta"[..]));
}

#[test]
fn the_last_member_may_lack_its_padding() {
    let bytes = write(&[(file("a", 2), b"ok")]);
    for end in [514, 600, 1024] {
        let members = read(&bytes[..end]).expect("all of the data is there");
        assert_eq!(members[0].1, b"ok");
    }
    assert!(read(&bytes[..513]).is_err());
}

#[test]
fn damage_is_told() {
    let bytes = write(&samples());
    let error = |bytes: &[u8]| read(bytes).expect_err("damaged").to_string();
    expect!["the archive ends in the middle of a member, at byte 1024"]
        .assert_eq(&error(&bytes[..1026]).replace("1026", "1024"));
    let mut bad = bytes.clone();
    bad[0] ^= 1;
    expect!["the archive is damaged at byte 0: the checksum of a header is wrong"].assert_eq(&error(&bad));
    expect!["the archive is damaged at byte 0: the checksum is no number"].assert_eq(&error(&[b'x'; 2048]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_damage_is_read_without_panic(at in prop::collection::vec((0..6000_usize, any::<u8>()), 0..6), length in 0..8000_usize) {
        let mut bytes = write(&samples());
        for (at, byte) in at {
            bytes[at] = byte;
        }
        // Sums are put right again, so that the damage is seen by what comes after.
        for at in (0..bytes.len()).step_by(512) {
            if bytes[at + 257..at + 262] == *b"ustar" {
                bytes[at + 148..at + 156].fill(b' ');
                let sum: u32 = bytes[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
                bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        bytes.truncate(length);
        let _ = read(&bytes);
    }
}
