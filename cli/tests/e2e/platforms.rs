//! Images for several platforms: built, named, run, moved about; and programs of other machines.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::harness::{Kiln, read_tar};

const BOTH: &str = "linux/amd64,linux/arm64";
const HOST: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// `busybox` as an image of one platform more: the same files, which nobody runs.
fn with_bases() -> Kiln {
    let kiln = Kiln::new();
    let context = kiln.context(
        "base",
        &[
            ("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\nENV BASE=$TARGETARCH\n"),
            ("amd64", "a"),
            ("arm64", "b"),
        ],
    );
    build(&kiln, &["-t", "base", "--platform", BOTH], &context);
    kiln
}

#[track_caller]
fn build(kiln: &Kiln, args: &[&str], context: &Path) -> String {
    let all = ["build", "-q"].iter().chain(args).map(OsStr::new).chain([context.as_os_str()]);
    kiln.run(all).ok().stdout.trim().to_owned()
}

fn inspect(kiln: &Kiln, args: &[&str]) -> Value {
    let out = kiln.run([&["inspect"], args].concat()).ok().stdout;
    serde_json::from_str::<Value>(&out).expect("inspect prints JSON")[0].clone()
}

#[test]
fn a_name_means_the_image_of_the_platform_that_is_wanted() {
    let kiln = with_bases();
    let found = inspect(&kiln, &["base"]);
    assert_eq!(found["Architecture"], HOST);
    assert_eq!(found["Descriptor"]["digest"], found["Id"]);
    assert_eq!(found["Manifests"].as_array().map(Vec::len), Some(2));
    for (architecture, contents) in [("amd64", "a"), ("arm64", "b")] {
        let platform = format!("linux/{architecture}");
        let found = inspect(&kiln, &["--platform", &platform, "base"]);
        assert_eq!(
            (&found["Architecture"], &found["Config"]["Env"][1]),
            (&architecture.into(), &format!("BASE={architecture}").into())
        );
        let context = kiln.context("on", &[("Dockerfile", "FROM base\nCOPY --from=base /arch /too\n")]);
        let root = kiln.build_root(&context, &["--platform", &platform]);
        assert_eq!((&*root["/arch"].contents, &*root["/too"].contents), (contents.as_bytes(), contents.as_bytes()));
    }
    kiln.run(["inspect", "--platform", "linux/s390x", "base"]).fails(1, &["linux/s390x", "linux/amd64", "linux/arm64"]);
    kiln.run(["history", "--platform", "linux/arm64", "base"]).ok();
    let context = kiln.context("none", &[("Dockerfile", "FROM base\n")]);
    kiln.run([OsStr::new("build"), "--platform".as_ref(), "arm46".as_ref(), context.as_ref()])
        .fails(2, &["invalid platform: `arm46` is not a platform"]);
}

#[test]
fn an_index_is_one_image_in_lists_and_goes_as_one() {
    let kiln = with_bases();
    let id = inspect(&kiln, &["base"])["Id"].as_str().expect("an id").to_owned();
    let list = || kiln.run(["images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"]).ok().stdout;
    assert_eq!(list(), format!("base {id}\n"));
    kiln.run(["tag", "base", "other"]).ok();
    assert_eq!(list(), format!("base {id}\nother {id}\n"));
    kiln.run(["rmi", "base"]).ok();
    assert_eq!(inspect(&kiln, &["other"])["Id"], id.as_str());
    kiln.run(["rmi", "other"]).ok();
    assert_eq!(list(), "");
}

#[test]
fn what_is_written_of_an_index() {
    let kiln = with_bases();
    let context = kiln.context("app", &[("Dockerfile", "FROM base\nLABEL a=b\n")]);
    let (id_file, metadata) = (kiln.path("id"), kiln.path("metadata"));
    let (id_text, metadata_text) = (id_file.to_string_lossy(), metadata.to_string_lossy());
    let args = ["-t", "app", "--platform", BOTH, "--iidfile", &id_text, "--metadata-file", &metadata_text];
    let id = build(&kiln, &args, &context);
    assert_eq!(fs::read_to_string(&id_file).expect("it was written"), id);
    assert_eq!(inspect(&kiln, &["app"])["Id"], id.as_str());
    let metadata: Value = serde_json::from_slice(&fs::read(&metadata).expect("it was written")).expect("JSON");
    assert_eq!(metadata["containerimage.digest"], id.as_str());
    assert_eq!(metadata["containerimage.descriptor"]["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(metadata["containerimage.config.digest"], Value::Null);
    let one = build(&kiln, &["-t", "one", "--build-arg", "BUILDKIT_MULTI_PLATFORM=1"], &context);
    assert_eq!(inspect(&kiln, &["one"])["Manifests"][0]["Descriptor"]["platform"]["architecture"], HOST, "{one}");
}

#[test]
fn an_index_in_an_archive_is_read_by_others_and_by_us() {
    let kiln = with_bases();
    let id = inspect(&kiln, &["base"])["Id"].clone();
    let context = kiln.path("base");
    let built = kiln.path("built.tar");
    build(&kiln, &["-t", "base", "--platform", BOTH, "-o", &format!("type=oci,dest={}", built.display())], &context);
    let (saved, docker) = (kiln.path("saved.tar"), kiln.path("docker.tar"));
    kiln.run(["save", "--format", "oci", "-o", &saved.to_string_lossy(), "base"]).ok();
    kiln.run(["save", "-o", &docker.to_string_lossy(), "base"]).ok();
    assert_eq!(
        fs::read(&built).expect("written"),
        fs::read(&saved).expect("written"),
        "the same index, the same bytes"
    );
    for tar in [&built, &docker] {
        for (architecture, contents) in [("amd64", "a"), ("arm64", "b")] {
            let layout = kiln.path(&format!("layout-{architecture}")).display().to_string();
            let source = format!("oci-archive:{}", tar.display());
            let skopeo = Command::new("skopeo")
                .args(["--override-arch", architecture, "copy", "--quiet", &source, &format!("oci:{layout}:app")])
                .output()
                .expect("`skopeo` is installed by `make test`");
            assert!(skopeo.status.success(), "{}", String::from_utf8_lossy(&skopeo.stderr));
            let other = Kiln::new();
            other.run(["load", "-q", "-i", &layout]).ok();
            let list = other.run(["images", "-q"]).ok().stdout;
            other.run(["tag", list.trim(), "base"]).ok();
            let context = other.context("on", &[("Dockerfile", "FROM base\n")]);
            let root = other.build_root(&context, &["--platform", &format!("linux/{architecture}")]);
            assert_eq!(root["/arch"].contents, contents.as_bytes());
        }
        let other = Kiln::new();
        other.run(["load", "-i", &tar.to_string_lossy()]).ok();
        assert_eq!(inspect(&other, &["base"])["Id"], id);
        let context = other.context("on", &[("Dockerfile", "FROM base\n")]);
        assert_eq!(other.build_root(&context, &["--platform", "linux/arm64"])["/arch"].contents, b"b");
        other.run(["cache", "fsck"]).ok();
    }
    let dest = format!("type=docker,dest={}", docker.display());
    kiln.run(["build", "--platform", BOTH, "-o", &dest, &context.to_string_lossy()])
        .fails(2, &["`type=docker` cannot hold", "`type=oci` can"]);
}

#[test]
fn files_of_several_platforms_have_a_directory_each() {
    let kiln = with_bases();
    let context = kiln.context("on", &[("Dockerfile", "FROM base\nCOPY f /d/\n"), ("f", "f")]);
    let tar = kiln.path("out.tar");
    build(&kiln, &["--platform", BOTH, "-o", &format!("type=tar,dest={}", tar.display())], &context);
    let root = read_tar(&tar);
    let paths: Vec<&str> = root.keys().map(String::as_str).collect();
    let expected = ["", "/arch", "/d", "/d/f"];
    let expected: Vec<String> =
        ["/linux_amd64", "/linux_arm64"].iter().flat_map(|dir| expected.map(|path| format!("{dir}{path}"))).collect();
    assert_eq!(paths, expected);
    let dir = kiln.path("out");
    build(&kiln, &["--platform", BOTH, "-o", &dir.to_string_lossy()], &context);
    assert_eq!(fs::read(dir.join("linux_arm64/arch")).expect("written"), b"b");
    build(&kiln, &["--platform", "linux/arm64", "-o", &dir.to_string_lossy()], &context);
    assert_eq!(fs::read(dir.join("arch")).expect("written"), b"b");
}

/// A stage for the builder's own platform runs once, and natively, for all platforms.
#[test]
fn a_cross_build_runs_natively() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context(
        "cross",
        &[(
            "Dockerfile",
            "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETARCH\nRUN echo for $TARGETARCH on $(uname -m) > /made\n\
             FROM scratch\nCOPY --from=build /made /\n",
        )],
    );
    build(&kiln, &["-t", "cross", "--platform", "linux/riscv64,linux/s390x"], &context);
    for architecture in ["riscv64", "s390x"] {
        let on = kiln.context("on", &[("Dockerfile", "FROM cross\n")]);
        let root = kiln.build_root(&on, &["--platform", &format!("linux/{architecture}")]);
        let made = String::from_utf8_lossy(&root["/made"].contents).into_owned();
        assert_eq!(made, format!("for {architecture} on {}\n", std::env::consts::ARCH));
    }
}

/// A program that makes the directory `/made`, as the bytes of an executable.
fn program(header: &[u8], code: &[u8]) -> Vec<u8> {
    [header, code, b"/made\0"].concat()
}

/// `mkdirat(AT_FDCWD, "/made", 0755); exit(0)` for aarch64.
fn aarch64() -> Vec<u8> {
    let code = [
        0x9280_0c60_u32, // mov x0, #-100
        0x1000_00e1,     // adr x1, path
        0xd280_3da2,     // mov x2, #0755
        0xd280_0448,     // mov x8, #34
        0xd400_0001,     // svc #0
        0xd280_0000,     // mov x0, #0
        0xd280_0ba8,     // mov x8, #93
        0xd400_0001,     // svc #0
    ];
    program(&elf64(183), &code.map(u32::to_le_bytes).concat())
}

/// `mkdir("/made", 0755); exit(0)` for i386.
fn i386() -> Vec<u8> {
    let mut header = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0];
    let (base, start) = (0x0804_8000_u32, 84);
    for word in [base + start, 52, 0, 0, 0x0020_0034, 0x0000_0001, 0] {
        header.extend(word.to_le_bytes());
    }
    for word in [1, 0, base, base, 0x1000, 0x1000, 5, 0x1000] {
        header.extend(u32::to_le_bytes(word));
    }
    let mut code = vec![0xb8, 39, 0, 0, 0, 0xbb];
    code.extend((base + start + 26).to_le_bytes());
    code.extend([0xb9, 0xed, 1, 0, 0, 0xcd, 0x80, 0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80]);
    program(&header, &code)
}

/// The headers of a little-endian 64-bit program for `machine`, whose code follows them.
fn elf64(machine: u16) -> Vec<u8> {
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    header.extend(machine.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    for word in [0x40_0078_u64, 64, 0] {
        header.extend(word.to_le_bytes());
    }
    for half in [0, 0, 64, 56, 1, 0, 0, 0_u16] {
        header.extend(half.to_le_bytes());
    }
    header.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    for word in [0, 0x40_0000, 0x40_0000, 0x1000, 0x1000, 0x1_0000_u64] {
        header.extend(word.to_le_bytes());
    }
    header
}

fn foreign(kiln: &Kiln, program: &[u8], platform: &str) -> super::harness::Ran {
    let context = kiln.context("foreign", &[("Dockerfile", "FROM scratch\nCOPY program /\nRUN [\"/program\"]\n")]);
    let file = context.join("program");
    fs::write(&file, program).expect("the directory is ours");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("the file is ours");
    let platform = format!("--platform={platform}");
    let args = [OsStr::new("build"), "-t".as_ref(), "foreign".as_ref(), platform.as_ref(), context.as_os_str()];
    kiln.run(args)
}

/// QEMU emulates the 64-bit s390x and not its predecessor, so that no machine has a handler for this one.
#[test]
fn a_program_that_nobody_can_run_is_told_with_its_platform() {
    let kiln = Kiln::new();
    let mut program = aarch64();
    program[4..6].copy_from_slice(&[1, 2]);
    program[16..20].copy_from_slice(&[0, 2, 0, 22]);
    foreign(&kiln, &program, "linux/s390").fails(
        1,
        &["this machine cannot run linux/s390 programs", "hint: install emulators", "apt-get install qemu-user-static"],
    );
    kiln.run(["doctor"]).ok();
}

#[cfg(target_arch = "x86_64")]
#[test]
fn programs_of_the_32_bit_processor_run_natively() {
    let kiln = Kiln::new();
    foreign(&kiln, &i386(), "linux/386").ok();
    let context = kiln.context("on", &[("Dockerfile", "FROM foreign\n")]);
    assert!(kiln.build_root(&context, &["--platform=linux/386"]).contains_key("/made"));
}

/// A handler for aarch64, while it lives. Where this machine has one already, or gives none, there is nothing to undo.
struct Handler {
    dir: tempfile::TempDir,
    entry: Option<PathBuf>,
}

impl Handler {
    /// `None` where this machine does not let us.
    fn register() -> Option<Self> {
        const INTERPRETER: &str = "/usr/bin/qemu-aarch64-static";
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let mounted = Command::new("mount").args(["-t", "binfmt_misc", "none"]).arg(dir.path()).output();
        if !mounted.is_ok_and(|out| out.status.success()) || !Path::new(INTERPRETER).exists() {
            return None;
        }
        let mut handler = Self { dir, entry: None };
        let name = format!("kiln-test-{}", std::process::id());
        let text = format!(
            r":{name}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:{INTERPRETER}:F"
        );
        fs::write(handler.dir.path().join("register"), text).ok()?;
        handler.entry = Some(handler.dir.path().join(name));
        Some(handler)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            let _ = fs::write(entry, "-1");
        }
        let _ = Command::new("umount").arg(self.dir.path()).status();
    }
}

#[cfg(not(target_arch = "aarch64"))]
#[test]
fn a_foreign_program_runs_in_an_emulator_or_it_is_said_what_to_install() {
    let kiln = Kiln::new();
    let handler = Handler::register();
    let ran = foreign(&kiln, &aarch64(), "linux/arm64");
    if handler.is_none() && ran.status != 0 {
        eprintln!("this machine registers no emulator, so it is looked at what is said of that");
        ran.fails(1, &["this machine cannot run linux/arm64 programs", "qemu-user-static"]);
        return;
    }
    ran.ok();
    let context = kiln.context("on", &[("Dockerfile", "FROM foreign\n")]);
    assert!(kiln.build_root(&context, &["--platform=linux/arm64"]).contains_key("/made"));
    let ran = kiln.run(["run", "--rm", "foreign", "/program"]);
    assert_eq!(ran.status, 0, "{ran}");
}

/// No registry is asked with success: there is none at this address.
#[test]
fn an_image_that_is_here_for_another_platform_only_is_told_so() {
    let kiln = Kiln::new();
    let context = kiln.context("app", &[("Dockerfile", "FROM scratch\nLABEL a=b\n")]);
    build(&kiln, &["-t", "localhost:1/base", "--platform", "linux/s390x"], &context);
    let context = kiln.context("on", &[("Dockerfile", "FROM localhost:1/base\n")]);
    kiln.run(["build", "--platform", "linux/riscv64", &context.to_string_lossy()])
        .fails(1, &["= hint: the store has `localhost:1/base:latest`, but not for linux/riscv64"]);
}
