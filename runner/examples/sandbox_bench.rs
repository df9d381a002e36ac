//! Times `spawn` of `true` and `wait`, on busybox: `sandbox_bench DIRECTORY RUNS`.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use runner::sandbox::spec::{Credentials, File, Network, Root};
use runner::sandbox::{RunSpec, Spawner, Stdio};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(runs)) = (args.next(), args.next()) else { return Err("DIRECTORY RUNS".into()) };
    let (dir, runs): (&Path, usize) = (Path::new(&dir), runs.parse()?);
    let network = if args.next().is_some() { Network::None } else { Network::Host };
    let base = dir.join("base");
    let _ = fs::remove_dir_all(&base);
    fs::create_dir_all(base.join("bin"))?;
    fs::copy("/bin/busybox", base.join("bin/busybox"))?;
    symlink("busybox", base.join("bin/true"))?;
    let spawner = Spawner::start(&dir.join("scratch"))?;
    let mut times = Vec::new();
    for run in 0..runs {
        let step = dir.join(format!("step-{run}"));
        fs::create_dir_all(step.join("upper"))?;
        fs::create_dir_all(step.join("work"))?;
        let file =
            |target: &str| File { target: target.into(), contents: b"127.0.0.1 localhost\n".to_vec(), mode: 0o644 };
        let spec = RunSpec {
            root: Root::Overlay { lowers: vec![base.clone()], upper: step.join("upper"), work: step.join("work") },
            readonly_root: false,
            args: vec!["/bin/true".into()],
            env: vec!["PATH=/bin".into()],
            cwd: "/".into(),
            user: Credentials::default(),
            hostname: "sandbox".into(),
            network,
            mounts: vec![],
            files: vec![file("/etc/hosts"), file("/etc/resolv.conf")],
            limits: vec![],
            privileged: false,
            no_new_privileges: false,
        };
        let null = || fs::File::options().write(true).open("/dev/null").map(OwnedFd::from);
        let stdio = Stdio::Pipes { stdin: None, stdout: null()?, stderr: null()? };
        let begun = Instant::now();
        let process = spawner.spawn(&spec, stdio)?;
        let spawned = begun.elapsed();
        process.wait()?;
        times.push((begun.elapsed(), spawned));
        fs::remove_dir_all(&step)?;
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("min {:?}, median {:?}, p90 {:?} (all, until executed)", at(0), at(50), at(90));
    Ok(())
}
