//! A root filesystem as an archive holds it: each path, and what is there. Knows no corpus.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Each path but `/`, and what is there.
pub type Root = BTreeMap<String, Entry>;

/// What is at a path, written in one line: `file 644 0:0 6 "hello\n"`, `link 777 0:0 -> /bin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Tar's letter.
    pub kind: u8,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    pub link: String,
    pub contents: Vec<u8>,
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            b'0' => "file",
            b'1' => "hard",
            b'2' => "link",
            b'3' => "char",
            b'4' => "block",
            b'5' => "dir",
            b'6' => "fifo",
            _ => "?",
        };
        write!(f, "{kind} {:o} {}:{}", self.mode, self.uid, self.gid)?;
        if self.kind == b'0' {
            write!(f, " {} {:?}", self.size, String::from_utf8_lossy(&self.contents))?;
        }
        if !self.link.is_empty() {
            write!(f, " -> {}", self.link)?;
        }
        for (name, value) in &self.xattrs {
            write!(f, " {name}={:?}", String::from_utf8_lossy(value))?;
        }
        Ok(())
    }
}

/// The entries of a tar of a whole root.
pub fn read_tar(path: &Path) -> io::Result<Root> {
    let mut root = Root::new();
    for entry in tar::Archive::new(File::open(path)?).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = format!("/{}", name.trim_start_matches("./").trim_end_matches('/'));
        if name != "/" {
            root.insert(name, read_entry(&mut entry)?);
        }
    }
    Ok(root)
}

fn read_entry(entry: &mut tar::Entry<'_, File>) -> io::Result<Entry> {
    let mut xattrs = BTreeMap::new();
    for field in entry.pax_extensions()?.into_iter().flatten().flatten() {
        if let Some(name) = field.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
            xattrs.insert(name.to_owned(), field.value_bytes().to_vec());
        }
    }
    let mut contents = Vec::new();
    entry.read_to_end(&mut contents)?;
    let header = entry.header();
    let link = entry.link_name_bytes();
    Ok(Entry {
        kind: header.entry_type().as_byte(),
        mode: header.mode()? & 0o7777,
        uid: header.uid()?,
        gid: header.gid()?,
        size: header.size()?,
        link: link.map(|link| String::from_utf8_lossy(&link).into_owned()).unwrap_or_default(),
        contents,
        xattrs,
    })
}
