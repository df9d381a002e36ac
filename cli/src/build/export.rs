//! Writing what a build came to where it was asked for: the store, an archive, a directory, a tar. Knows nothing of how it
//! was built.
//!
//! A file is written beside its place and renamed, so that whoever reads it never sees half of it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use cache::Store;
use oci::archive::{self, SavedImage};
use oci::compress::Compression;
use oci::manifest::{Descriptor, Family, Manifest};
use oci::pack::{self, Source};
use oci::view::View as Layers;
use oci::{Digest, Reference};
use runner::source::Images;
use solver::port::{Cancel, TaskId};

use super::image::Assembled;
use super::output::{Dest, Form, Output};
use crate::layers;
use crate::progress::View;
use crate::report::{self, Kind, Problem, reason};

/// What there is to write, and with what.
pub struct Export<'a> {
    pub image: &'a Assembled,
    /// `-t`
    pub names: &'a [Reference],
    pub store: &'a Store,
    pub images: &'a Images,
    pub view: &'a View,
    pub cancel: &'a Cancel,
}

/// Standard output for a result, or why not.
pub fn check(output: &Output) -> Result<(), Problem> {
    let dest = match output {
        Output::Archive { dest, .. } | Output::Tar { dest } => dest,
        Output::Image { .. } | Output::Local { .. } | Output::CacheOnly => return Ok(()),
    };
    if *dest == Dest::Stdout && io::stdout().is_terminal() {
        return Err(Problem::usage("refusing to write an archive to the terminal")
            .hint("name a file, `-o type=oci,dest=F.tar`, or redirect standard output"));
    }
    Ok(())
}

impl Export<'_> {
    /// Writes one output; tells the manifest's descriptor where there is one.
    pub fn write(&self, output: &Output) -> Result<Option<Descriptor>, Problem> {
        match output {
            Output::Image { names } => {
                self.view.task("exporting to image", |task| self.to_store(names, task))?;
                Ok(None)
            }
            Output::Archive { form, dest, names, compression } => {
                let (title, form) = match form {
                    Form::Oci => ("exporting to oci image format", archive::Form::Oci),
                    Form::Docker => ("exporting to docker image format", archive::Form::Docker),
                };
                let compression = compression.unwrap_or_default();
                self.view.task(title, |task| self.to_archive(form, dest, names, compression, task)).map(Some)
            }
            Output::Local { dest } => self.view.task("exporting to client directory", |task| self.to_dir(dest, task)),
            Output::Tar { dest } => self.view.task("exporting to client tarball", |task| self.to_tar(dest, task)),
            Output::CacheOnly => Ok(None),
        }
    }

    fn to_store(&self, names: &[Reference], task: TaskId) -> Result<(), Problem> {
        let id = self.store.put_image(&self.image.json, &self.image.layers, None)?;
        self.view.note(task, &format!("writing image {id} done"));
        for name in self.names.iter().chain(names) {
            self.store.tag(name, &id)?;
            self.view.note(task, &format!("naming to {name} done"));
        }
        Ok(())
    }

    fn to_archive(
        &self,
        form: archive::Form,
        dest: &Dest,
        names: &[Reference],
        compression: Compression,
        task: TaskId,
    ) -> Result<Descriptor, Problem> {
        let family = match form {
            archive::Form::Oci => Family::Oci,
            archive::Form::Docker => Family::Docker,
        };
        self.fetch(task)?;
        let diff_ids = &self.image.config.rootfs.diff_ids;
        let stack: Vec<_> = self.image.layers.iter().copied().zip(diff_ids.iter().copied()).collect();
        let blobs = layers::blobs(self.store, &stack, compression, family)?;
        self.view.note(task, "exporting layers done");
        let manifest = Manifest::for_image(family, &self.image.json, &blobs).to_json();
        let names = self.names.iter().chain(names).cloned().collect();
        self.view.note(task, &format!("exporting manifest {} done", Digest::of(&manifest)));
        self.view.note(task, &format!("exporting config {} done", Digest::of(&self.image.json)));
        let saved = SavedImage { manifest, config: self.image.json.clone(), names };
        let written = self.to_dest(dest, |out| {
            let mut open = |blob: &Descriptor| layers::open(self.store, blob);
            archive::write_tar(form, std::slice::from_ref(&saved), &mut open, out)
                .map_err(|error| Problem::of(Kind::Build, &error))
        })?;
        self.view.note(task, "sending tarball done");
        written.into_iter().next().ok_or_else(|| Problem::build("the archive has no manifest"))
    }

    fn to_dir(&self, dest: &Path, task: TaskId) -> Result<Option<Descriptor>, Problem> {
        self.fetch(task)?;
        std::fs::create_dir_all(dest).map_err(|error| report::io(Kind::Build, "make the directory", dest, &error))?;
        self.with_root(|source| Ok(pack::copy::copy(source, dest)?))?;
        self.view.note(task, "copying files done");
        Ok(None)
    }

    fn to_tar(&self, dest: &Dest, task: TaskId) -> Result<Option<Descriptor>, Problem> {
        self.fetch(task)?;
        self.with_root(|source| self.to_dest(dest, |out| Ok(pack::write(source, pack::Options::default(), out)?)))?;
        self.view.note(task, "sending tarball done");
        Ok(None)
    }

    /// Brings the layers here that nobody has needed so far.
    fn fetch(&self, task: TaskId) -> Result<(), Problem> {
        let missing = self.images.missing(&self.image.layers)?;
        Ok(self.images.fetch(&missing, task, self.cancel)?)
    }

    /// The root filesystem as one tree.
    fn with_root<T>(&self, work: impl FnOnce(&Source<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        let trees = self.image.layers.iter().map(|layer| self.store.tree(layer)).collect::<Result<Vec<_>, _>>()?;
        let dirs = self.image.layers.iter().map(|layer| self.store.layer_fs(layer)).collect::<Result<Vec<_>, _>>()?;
        let merged = Layers::new(trees).merged();
        work(&Source::merged(&merged, dirs))
    }

    fn to_dest<T>(&self, dest: &Dest, work: impl FnOnce(&mut dyn Write) -> Result<T, Problem>) -> Result<T, Problem> {
        match dest {
            Dest::Stdout => {
                let mut out =
                    Guarded { out: BufWriter::with_capacity(256 << 10, io::stdout().lock()), cancel: self.cancel };
                let result = work(&mut out)?;
                out.flush().map_err(|error| Problem::build(format!("write standard output: {}", reason(&error))))?;
                Ok(result)
            }
            Dest::File(path) => write_file(path, |file| {
                let mut out = Guarded { out: BufWriter::with_capacity(256 << 10, file), cancel: self.cancel };
                let result = work(&mut out)?;
                out.flush().map_err(|error| report::io(Kind::Build, "write", path, &error))?;
                Ok(result)
            }),
        }
    }
}

/// Writes a file aside and renames it; a device or a pipe is written as it is.
pub fn write_file<T>(path: &Path, work: impl FnOnce(&mut File) -> Result<T, Problem>) -> Result<T, Problem> {
    let failed = |error: io::Error| report::io(Kind::Build, "write", path, &error);
    let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        let mut file = File::options().write(true).open(path).map_err(failed)?;
        return work(&mut file);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let aside = PathBuf::from(name);
    let mut file = File::create(&aside).map_err(failed)?;
    let result = work(&mut file).and_then(|result| std::fs::rename(&aside, path).map(|()| result).map_err(failed));
    if result.is_err() {
        // It may be gone, or never have been there.
        let _ = std::fs::remove_file(&aside);
    }
    result
}

/// Ends with an error when somebody asked for the end.
struct Guarded<'a, W> {
    out: W,
    cancel: &'a Cancel,
}

impl<W: Write> Write for Guarded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() {
            return Err(io::Error::other("canceled"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
