//! Writes tar streams that are the same for the same members. Knows no disk.
//!
//! Headers are ustar with numeric ids and no names of owners. What ustar cannot say goes into a PAX header before it,
//! by the rules of Go's writer, so that the tars look as Docker's do: a path or target that is longer than its field or
//! not ASCII, a number that does not fit, extended attributes. **Times are whole seconds**, as in the layers of
//! containerd and Docker: the fraction is dropped. One before 1970, which octal cannot say, is a PAX record.

use std::io::{self, Write};

use super::{BLOCK, Member, MemberKind, padding, xattr_key};

/// The largest number in a field of 8 and of 12 bytes: octal digits and a NUL.
const MAX_8: u64 = 0o777_7777;
const MAX_12: u64 = 0o777_7777_7777;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Writes members one after the other.
pub struct Writer<W> {
    out: W,
    size: u64,
    pad: usize,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Self {
        Self { out, size: 0, pad: 0 }
    }

    /// Begins a member. A file's data is what [`Writer::data`] is given until the next call.
    pub fn begin(&mut self, member: &Member) -> io::Result<()> {
        self.pad_data()?;
        let records = pax_records(member);
        if !records.is_empty() {
            let mut pax = header(&pax_name(&member.path), 0o644, b'x');
            put_octal(&mut pax[124..136], records.len() as u64);
            self.put(&sealed(pax))?;
            self.put(&records)?;
            self.put(&ZEROS[..padding(records.len() as u64)])?;
        }
        self.put(&sealed(member_header(member)))?;
        if let MemberKind::File { size, .. } = member.kind {
            self.pad = padding(size);
        }
        Ok(())
    }

    /// As many bytes in all as the member said it has.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)
    }

    /// Ends the archive. Returns how many bytes it has.
    pub fn finish(mut self) -> io::Result<u64> {
        self.pad_data()?;
        self.put(&ZEROS)?;
        self.put(&ZEROS)?;
        self.out.flush()?;
        Ok(self.size)
    }

    fn pad_data(&mut self) -> io::Result<()> {
        let pad = std::mem::take(&mut self.pad);
        self.put(&ZEROS[..pad])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn member_header(member: &Member) -> [u8; BLOCK] {
    let (kind, size, target, device): (_, _, &[u8], _) = match &member.kind {
        MemberKind::File { size, .. } => (b'0', *size, &[], None),
        MemberKind::HardLink { target } => (b'1', 0, target, None),
        MemberKind::Symlink { target } => (b'2', 0, target, None),
        MemberKind::CharDevice { major, minor } => (b'3', 0, &[], Some((*major, *minor))),
        MemberKind::BlockDevice { major, minor } => (b'4', 0, &[], Some((*major, *minor))),
        MemberKind::Dir => (b'5', 0, &[], None),
        MemberKind::Fifo => (b'6', 0, &[], None),
    };
    let mut header = header(&member.path, member.meta.mode, kind);
    put_octal(&mut header[108..116], clip(member.meta.uid.into(), MAX_8));
    put_octal(&mut header[116..124], clip(member.meta.gid.into(), MAX_8));
    put_octal(&mut header[124..136], clip(size, MAX_12));
    put_octal(&mut header[136..148], clip(u64::try_from(member.meta.mtime.secs).unwrap_or(0), MAX_12));
    put_text(&mut header[157..257], target);
    let (major, minor) = device.unwrap_or_default();
    put_octal(&mut header[329..337], clip(major.into(), MAX_8));
    put_octal(&mut header[337..345], clip(minor.into(), MAX_8));
    header
}

/// A header with what every one has.
fn header(path: &[u8], mode: u32, kind: u8) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    match split(path) {
        Some((prefix, name)) => {
            put_text(&mut header[345..500], prefix);
            put_text(&mut header[..100], name);
        }
        None => put_text(&mut header[..100], path),
    }
    put_octal(&mut header[100..108], mode.into());
    for field in [108..116, 116..124, 124..136, 136..148, 329..337, 337..345] {
        put_octal(&mut header[field], 0);
    }
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header
}

fn sealed(mut header: [u8; BLOCK]) -> [u8; BLOCK] {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut header[148..155], sum);
    header
}

/// A number that ustar cannot say is said by PAX, and zero here.
fn clip(number: u64, max: u64) -> u64 {
    if number > max { 0 } else { number }
}

fn put_octal(field: &mut [u8], mut number: u64) {
    let (nul, digits) = field.split_last_mut().expect("a field has room");
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
    *nul = 0;
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let size = text.len().min(field.len());
    field[..size].copy_from_slice(&text[..size]);
}

/// A long path as prefix and name, where ustar can say it so.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 || !path.is_ascii() {
        return None;
    }
    // A directory's `/` at the end stays with its name.
    let end = path.len().min(156).min(path.len() - 1);
    let slash = path[..end].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (!prefix.is_empty() && name.len() <= 100).then_some((prefix, name))
}

/// The name of a PAX header: where readers that do not know PAX put it.
fn pax_name(path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let slash = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let mut name: Vec<u8> = [&path[..slash], b"PaxHeaders.0/", &path[slash..]].concat();
    name.retain(u8::is_ascii);
    name.truncate(100);
    while name.ends_with(b"/") {
        name.pop();
    }
    name
}

/// The records of what ustar cannot say, by key.
fn pax_records(member: &Member) -> Vec<u8> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut say = |key: &[u8], value: Vec<u8>| records.push((key.to_vec(), value));
    let meta = &member.meta;
    match &member.kind {
        MemberKind::File { size, .. } if *size > MAX_12 => say(b"size", size.to_string().into()),
        MemberKind::HardLink { target } | MemberKind::Symlink { target }
            if target.len() > 100 || !target.is_ascii() =>
        {
            say(b"linkpath", target.clone());
        }
        _ => {}
    }
    if !member.path.is_ascii() || member.path.len() > 100 && split(&member.path).is_none() {
        say(b"path", member.path.clone());
    }
    for (key, id) in [(b"uid", meta.uid), (b"gid", meta.gid)] {
        if u64::from(id) > MAX_8 {
            say(key, id.to_string().into());
        }
    }
    if u64::try_from(meta.mtime.secs).is_ok_and(|secs| secs <= MAX_12) {
        // It fits.
    } else {
        say(b"mtime", meta.mtime.secs.to_string().into());
    }
    for xattr in &meta.xattrs {
        say(&xattr_key(xattr), xattr.1.to_vec());
    }
    records.sort();
    records.iter().flat_map(|(key, value)| record(key, value)).collect()
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}
