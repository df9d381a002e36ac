//! Writing what a build came to where it was asked for: the store, an archive, a directory, a tar. Knows nothing of how it
//! was built.
//!
//! A file is written beside its place and renamed, so that whoever reads it never sees half of it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use cache::Store;
use oci::archive::{self, Saved, SavedContent, SavedImage};
use oci::compress::Compression;
use oci::manifest::{self, DOCKER_MANIFEST, Descriptor, Family, Manifest, OCI_INDEX, OCI_MANIFEST};
use oci::pack::{self, Source};
use oci::view::{Merged, View as Layers};
use oci::{Digest, Reference};
use runner::source::Images;
use solver::port::{Cancel, TaskId};

use super::image::{Assembled, Made};
use super::output::{Dest, Form, Output};
use crate::layers;
use crate::progress::View;
use crate::report::{self, Kind, Problem, reason};

/// What there is to write, and with what.
pub struct Export<'a> {
    pub made: &'a Made,
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

/// Whether `output` can hold an index, where that is what is made.
pub fn check_form(output: &Output, index: bool) -> Result<(), Problem> {
    match output {
        Output::Archive { form: Form::Docker, .. } if index => {
            Err(Problem::usage("an archive of `type=docker` cannot hold an image for several platforms")
                .hint("`type=oci` can: `-o type=oci,dest=F.tar`"))
        }
        Output::Archive { .. }
        | Output::Image { .. }
        | Output::Local { .. }
        | Output::Tar { .. }
        | Output::CacheOnly => Ok(()),
    }
}

impl Export<'_> {
    /// Writes one output; tells the descriptor of the manifest or index where there is one.
    pub fn write(&self, output: &Output) -> Result<Option<Descriptor>, Problem> {
        match output {
            Output::Image { names } => self.view.task("exporting to image", |task| self.to_store(names, task)),
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

    fn to_store(&self, names: &[Reference], task: TaskId) -> Result<Option<Descriptor>, Problem> {
        let (id, descriptor) = match self.made {
            Made::Image(image) => (self.store.put_image(&image.json, &image.layers, None)?, None),
            Made::Index(images) => {
                let index = self.index(images, Family::Oci, Compression::default(), task)?;
                for (image, saved) in images.iter().zip(&index.images) {
                    let manifest = self.store.put_blob(&saved.manifest)?;
                    self.store.put_image(&image.json, &image.layers, Some(manifest))?;
                }
                (self.store.put_index(&index.json)?, Some(Descriptor::of(OCI_INDEX, &index.json)))
            }
        };
        self.view.note(task, &format!("writing image {id} done"));
        for name in self.names.iter().chain(names) {
            self.store.tag(name, &id)?;
            self.view.note(task, &format!("naming to {name} done"));
        }
        Ok(descriptor)
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
        let content = match self.made {
            Made::Image(image) => SavedContent::Image(self.saved(image, family, compression, task)?),
            Made::Index(images) => {
                let Index { json, images } = self.index(images, family, compression, task)?;
                SavedContent::Index { json, images }
            }
        };
        let names = self.names.iter().chain(names).cloned().collect();
        let saved = Saved { content, names };
        let written = self.to_dest(dest, |out| {
            let mut open = |blob: &Descriptor| layers::open(self.store, blob);
            archive::write_tar(form, std::slice::from_ref(&saved), &mut open, out)
                .map_err(|error| Problem::of(Kind::Build, &error))
        })?;
        self.view.note(task, "sending tarball done");
        written.into_iter().next().ok_or_else(|| Problem::build("the archive has no manifest"))
    }

    /// An index of the images, and their manifests, with the blobs of their layers in the store.
    fn index(
        &self,
        images: &[Assembled],
        family: Family,
        compression: Compression,
        task: TaskId,
    ) -> Result<Index, Problem> {
        let mut saved = Vec::new();
        let mut entries = Vec::new();
        let manifest_type = match family {
            Family::Oci => OCI_MANIFEST,
            Family::Docker => DOCKER_MANIFEST,
        };
        for image in images {
            let one = self.saved(image, family, compression, task)?;
            let platform = Some(image.config.platform());
            entries.push(Descriptor { platform, ..Descriptor::of(manifest_type, &one.manifest) });
            saved.push(one);
        }
        let json = manifest::Index::new(family, entries).to_json();
        self.view.note(task, &format!("exporting manifest list {} done", Digest::of(&json)));
        Ok(Index { json, images: saved })
    }

    fn saved(
        &self,
        image: &Assembled,
        family: Family,
        compression: Compression,
        task: TaskId,
    ) -> Result<SavedImage, Problem> {
        self.fetch(image, task)?;
        let diff_ids = &image.config.rootfs.diff_ids;
        let stack: Vec<_> = image.layers.iter().copied().zip(diff_ids.iter().copied()).collect();
        let blobs = layers::blobs(self.store, &stack, compression, family)?;
        self.view.note(task, "exporting layers done");
        let manifest = Manifest::for_image(family, &image.json, &blobs).to_json();
        self.view.note(task, &format!("exporting manifest {} done", Digest::of(&manifest)));
        self.view.note(task, &format!("exporting config {} done", Digest::of(&image.json)));
        Ok(SavedImage { manifest, config: image.json.clone() })
    }

    /// Several platforms have a directory each: `linux_amd64`.
    fn to_dir(&self, dest: &Path, task: TaskId) -> Result<Option<Descriptor>, Problem> {
        for image in self.made.images() {
            self.fetch(image, task)?;
            let dest = match self.made {
                Made::Image(_) => dest.to_owned(),
                Made::Index(_) => dest.join(directory(image)),
            };
            std::fs::create_dir_all(&dest)
                .map_err(|error| report::io(Kind::Build, "make the directory", &dest, &error))?;
            let root = Root::new(image, self.store)?;
            pack::copy::copy(&root.source(), &dest)?;
            match self.made {
                Made::Image(_) => self.view.note(task, "copying files done"),
                Made::Index(_) => self.view.note(task, &format!("copying files {} done", image.config.platform())),
            }
        }
        Ok(None)
    }

    fn to_tar(&self, dest: &Dest, task: TaskId) -> Result<Option<Descriptor>, Problem> {
        let mut roots = Vec::new();
        for image in self.made.images() {
            self.fetch(image, task)?;
            roots.push((directory(image), Root::new(image, self.store)?));
        }
        self.to_dest(dest, |out| {
            match (self.made, roots.as_slice()) {
                (Made::Image(_), [(_, root)]) => pack::write(&root.source(), pack::Options::default(), out)?,
                (Made::Image(_) | Made::Index(_), roots) => {
                    let mut sources: Vec<_> = roots.iter().map(|(dir, root)| (dir.clone(), root.source())).collect();
                    sources.sort_by(|(a, _), (b, _)| a.cmp(b));
                    pack::write_in_dirs(&sources, pack::Options::default(), out)?
                }
            };
            Ok(())
        })?;
        self.view.note(task, "sending tarball done");
        Ok(None)
    }

    /// Brings the layers here that nobody has needed so far.
    fn fetch(&self, image: &Assembled, task: TaskId) -> Result<(), Problem> {
        let missing = self.images.missing(&image.layers)?;
        Ok(self.images.fetch(&missing, task, self.cancel)?)
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

/// An index that is not yet written.
struct Index {
    json: Vec<u8>,
    images: Vec<SavedImage>,
}

/// An image's root filesystem as one tree.
struct Root {
    merged: Merged,
    dirs: Vec<PathBuf>,
}

impl Root {
    fn new(image: &Assembled, store: &Store) -> Result<Self, Problem> {
        let trees = image.layers.iter().map(|layer| store.tree(layer)).collect::<Result<Vec<_>, _>>()?;
        let dirs = image.layers.iter().map(|layer| store.layer_fs(layer)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { merged: Layers::new(trees).merged(), dirs })
    }

    fn source(&self) -> Source<'_> {
        Source::merged(&self.merged, self.dirs.clone())
    }
}

/// What BuildKit calls the directory of a platform among several: `linux_arm_v7`.
fn directory(image: &Assembled) -> String {
    image.config.platform().to_string().replace('/', "_")
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
