//! Programs of other machines: which ones the kernel hands to an emulator. Runs nothing and registers nothing.
//!
//! `binfmt_misc` is a directory with a file for each handler: the first bytes of the programs it takes, under a mask,
//! the interpreter, and flags. With the flag `F` the kernel has opened the interpreter when it was registered; without,
//! it looks for it where the program runs, and does not find it in an image.
//! (`Documentation/admin-guide/binfmt-misc.rst` of the kernel.)

use std::fs;
use std::path::Path;

use oci::Platform;

/// Where the kernel shows its handlers.
pub const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// As many bytes of a program as a handler may look at.
pub const LOOKED_AT: usize = 128;

/// What installs emulators, where it is known.
pub const HINT: &str = "install emulators; on Debian: `apt-get install qemu-user-static binfmt-support`";

/// Class (32 or 64 bit), byte order (1 is little), and machine of an ELF header, and what Go calls that.
const MACHINES: [(u8, u8, u16, &str); 14] = [
    (1, 1, 3, "386"),
    (2, 1, 62, "amd64"),
    (1, 1, 40, "arm"),
    (2, 1, 183, "arm64"),
    (2, 1, 258, "loong64"),
    (1, 2, 8, "mips"),
    (1, 1, 8, "mipsle"),
    (2, 2, 8, "mips64"),
    (2, 1, 8, "mips64le"),
    (2, 2, 21, "ppc64"),
    (2, 1, 21, "ppc64le"),
    (2, 1, 243, "riscv64"),
    (1, 2, 22, "s390"),
    (2, 2, 22, "s390x"),
];

/// The handlers of this machine.
#[derive(Debug, Default)]
pub struct Handlers(Vec<Handler>);

/// One that is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    pub name: String,
    /// Its interpreter is open already (`F`).
    pub is_open: bool,
    offset: usize,
    magic: Vec<u8>,
    /// As long as the magic.
    mask: Vec<u8>,
}

impl Handlers {
    /// `None` where the directory does not show them.
    pub fn read(dir: &Path) -> Option<Self> {
        let mut handlers = Vec::new();
        for entry in fs::read_dir(dir).ok()?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // `register` cannot be read, and what cannot be understood is no handler of ours.
            if let Some(handler) = fs::read_to_string(entry.path()).ok().and_then(|text| Handler::parse(name, &text)) {
                handlers.push(handler);
            }
        }
        handlers.sort_by(|a, b| a.name.cmp(&b.name));
        // The directory holds two files at least, if it is what it should be.
        dir.join("status").exists().then_some(Self(handlers))
    }

    /// The handler of the program that begins so.
    pub fn of_program(&self, start: &[u8]) -> Option<&Handler> {
        self.0.iter().find(|handler| handler.takes(start))
    }

    /// The platforms whose programs are handed to an emulator, and to which.
    pub fn platforms(&self) -> Vec<(Platform, &Handler)> {
        let of = |(class, order, machine, name): &(u8, u8, u16, &str)| {
            let handler = self.of_program(&header(*class, *order, *machine))?;
            Some((format!("linux/{name}").parse().ok()?, handler))
        };
        MACHINES.iter().filter_map(of).collect()
    }
}

impl Handler {
    fn parse(name: String, text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "enabled" {
            return None;
        }
        let (mut flags, mut offset, mut magic, mut mask) = ("", 0, Vec::new(), None);
        for line in lines {
            match line.split_once(' ')? {
                ("flags:", value) => flags = value,
                ("offset", value) => offset = value.parse().ok()?,
                ("magic", value) => magic = bytes(value)?,
                ("mask", value) => mask = Some(bytes(value)?),
                _ => {}
            }
        }
        let mask = mask.unwrap_or_else(|| vec![0xff; magic.len()]);
        (!magic.is_empty() && mask.len() == magic.len()).then(|| Self {
            name,
            is_open: flags.contains('F'),
            offset,
            magic,
            mask,
        })
    }

    fn takes(&self, start: &[u8]) -> bool {
        let Some(there) = start.get(self.offset..).and_then(|rest| rest.get(..self.magic.len())) else { return false };
        there.iter().zip(&self.magic).zip(&self.mask).all(|((there, magic), mask)| (there ^ magic) & mask == 0)
    }
}

/// What the program that begins so is for; `None` for what is no program of a known machine.
pub fn platform_of(start: &[u8]) -> Option<Platform> {
    if start.get(..4)? != b"\x7fELF" {
        return None;
    }
    let (class, order, machine) = (*start.get(4)?, *start.get(5)?, [*start.get(18)?, *start.get(19)?]);
    let machine = if order == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
    let known = MACHINES.iter().find(|known| (known.0, known.1, known.2) == (class, order, machine))?;
    format!("linux/{}", known.3).parse().ok()
}

/// The platforms whose programs the processor runs itself.
pub fn native() -> Vec<Platform> {
    let host = Platform::host();
    let all = MACHINES.iter().filter_map(|(.., name)| format!("linux/{name}").parse::<Platform>().ok());
    let mut ranked: Vec<(u32, Platform)> =
        all.filter_map(|platform| Some((platform.rank_for(&host)?, platform))).collect();
    ranked.sort();
    ranked.into_iter().map(|(_, platform)| platform).collect()
}

/// The beginning of an executable.
fn header(class: u8, order: u8, machine: u16) -> [u8; LOOKED_AT] {
    let mut header = [0; LOOKED_AT];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
    let put = |value: u16| if order == 2 { value.to_be_bytes() } else { value.to_le_bytes() };
    header[16..18].copy_from_slice(&put(2));
    header[18..20].copy_from_slice(&put(machine));
    header
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AARCH64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: OPF\noffset 0\n\
                           magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn handlers(files: &[(&str, &str)]) -> Option<Handlers> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Handlers::read(dir.path())
    }

    #[test]
    fn a_handler_takes_what_its_magic_says() {
        let handlers = handlers(&[
            ("status", "enabled\n"),
            ("qemu-aarch64", AARCH64),
            (
                "qemu-s390x",
                &AARCH64.replace("0201", "0202").replace("0200b700", "00020016").replace("enabled", "disabled"),
            ),
            ("wine", "enabled\ninterpreter /usr/bin/wine\nflags: \noffset 0\nmagic 4d5a\n"),
            ("odd", "enabled\nmagic 4d5\n"),
        ])
        .unwrap();
        let platforms: Vec<String> = handlers
            .platforms()
            .into_iter()
            .map(|(platform, handler)| format!("{platform} {} {}", handler.name, handler.is_open))
            .collect();
        assert_eq!(platforms, ["linux/arm64 qemu-aarch64 true"]);
        assert_eq!(handlers.of_program(b"MZ").map(|handler| handler.is_open), Some(false));
        assert_eq!(handlers.of_program(b"M"), None);
    }

    #[test]
    fn where_it_is_not_mounted_nothing_is_known() {
        assert!(handlers(&[]).is_none());
        assert!(Handlers::read(Path::new("/does/not/exist")).is_none());
    }

    #[test]
    fn programs_say_what_they_are_for() {
        let said = |class, order, machine| platform_of(&header(class, order, machine)).map(|p| p.to_string());
        assert_eq!(said(2, 1, 183).as_deref(), Some("linux/arm64"));
        assert_eq!(said(1, 1, 40).as_deref(), Some("linux/arm/v7"));
        assert_eq!(said(2, 2, 22).as_deref(), Some("linux/s390x"));
        assert_eq!(said(2, 2, 183), None);
        for start in [&b""[..], b"#!/bin/sh", b"\x7fELF", b"\x7fELF\x02\x01"] {
            assert_eq!(platform_of(start), None);
        }
        assert_eq!(native().first(), Some(&Platform::host()));
    }
}
