//! Writing images and indexes of them as an OCI layout, for Docker with a `manifest.json` beside it. Knows not where blobs come from.
//!
//! Members come in one order (`blobs/`, the blobs by digest, then the small files), with no time and no owner. A
//! blob that several images share is written once. Every byte is checked against its descriptor on its way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use super::ArchiveError;
use crate::image::ImageConfig;
use crate::manifest::{Descriptor, Document, Family, Index, Manifest, ManifestError, OCI_INDEX};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::verify::VerifiedReader;

const BUFFER: usize = 256 << 10;
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const BLOCK: u64 = 512;

/// What is written beside the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An OCI layout: `type=oci`.
    Oci,
    /// An OCI layout that `docker load` of any age can read too: `type=docker`.
    Docker,
}

/// What is to be written under some names.
#[derive(Debug, Clone)]
pub struct Saved {
    pub content: SavedContent,
    pub names: Vec<Reference>,
}

#[derive(Debug, Clone)]
pub enum SavedContent {
    Image(SavedImage),
    /// An index as it is known by its digest, and of its images those that are to be written.
    Index {
        json: Vec<u8>,
        images: Vec<SavedImage>,
    },
}

#[derive(Debug, Clone)]
pub struct SavedImage {
    /// Its manifest as it is known by its digest.
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
}

/// Opens a blob for reading. What comes out of it is verified.
pub type OpenBlob<'a> = dyn FnMut(&Descriptor) -> io::Result<Box<dyn Read + 'a>> + 'a;

/// Writes `all` as a tar; returns the descriptors of the manifests and indexes.
pub fn write_tar(
    form: Form,
    all: &[Saved],
    open: &mut OpenBlob<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Descriptor>, ArchiveError> {
    write(form, all, open, &mut Tar { out })
}

/// Writes `all` into the directory `dir`, which is made if need be; returns the descriptors of the manifests and indexes.
pub fn write_dir(
    form: Form,
    all: &[Saved],
    open: &mut OpenBlob<'_>,
    dir: &Path,
) -> Result<Vec<Descriptor>, ArchiveError> {
    std::fs::create_dir_all(dir).map_err(|source| ArchiveError::Write { name: dir.display().to_string(), source })?;
    write(form, all, open, &mut Dir { dir })
}

/// Where members go.
trait Sink {
    fn dir(&mut self, name: &str) -> io::Result<()>;
    fn file(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()>;
}

struct Tar<'a> {
    out: &'a mut dyn Write,
}

struct Dir<'a> {
    dir: &'a Path,
}

/// Everything that will be written, before the first byte is.
#[derive(Default)]
struct Plan {
    /// By hexadecimal digest: the blob, and its bytes if they are here already.
    blobs: BTreeMap<String, (Descriptor, Option<Vec<u8>>)>,
    index: Vec<Descriptor>,
    docker: Vec<DockerEntry>,
    written: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

fn write(
    form: Form,
    all: &[Saved],
    open: &mut OpenBlob<'_>,
    sink: &mut dyn Sink,
) -> Result<Vec<Descriptor>, ArchiveError> {
    let mut plan = Plan::default();
    for saved in all {
        plan.add(saved)?;
    }
    let name = all.iter().flat_map(|saved| &saved.names).next();
    let name = name.map_or_else(|| "without a name".to_owned(), Reference::familiar);
    apply(form, &plan, open, sink).map_err(|source| ArchiveError::Write { name, source })?;
    Ok(plan.written)
}

impl Plan {
    fn add(&mut self, saved: &Saved) -> Result<(), ArchiveError> {
        let subject = saved.names.first().map_or_else(|| "image".to_owned(), Reference::familiar);
        let descriptor = match &saved.content {
            SavedContent::Image(image) => {
                let (descriptor, manifest) = self.add_image(image, &subject)?;
                self.docker.push(DockerEntry::new(&manifest, &saved.names));
                descriptor
            }
            SavedContent::Index { json, images } => self.add_index(json, images, saved, &subject)?,
        };
        self.add_names(&saved.names, &descriptor);
        self.written.push(descriptor);
        Ok(())
    }

    /// `subject` is what errors call it.
    fn add_image(&mut self, image: &SavedImage, subject: &str) -> Result<(Descriptor, Manifest), ArchiveError> {
        let broken = |source| ArchiveError::Manifest { path: subject.into(), source };
        let bytes = &image.manifest;
        let manifest = match Document::parse(bytes, None).map_err(broken)? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => {
                return Err(broken(ManifestError::Ambiguous { digest: crate::Digest::of(bytes) }));
            }
        };
        let config = ImageConfig::parse(&image.config)
            .map_err(|source| ArchiveError::Config { path: subject.into(), source })?;
        let descriptor = self.describe(bytes, &manifest, &config);
        for layer in &manifest.layers {
            self.blobs.entry(layer.digest.hex()).or_insert_with(|| (layer.clone(), None));
        }
        self.blobs.insert(manifest.config.digest.hex(), (manifest.config.clone(), Some(image.config.clone())));
        self.blobs.insert(descriptor.digest.hex(), (descriptor.clone(), Some(bytes.clone())));
        Ok((descriptor, manifest))
    }

    /// An older Docker, which knows no index, is shown the image for this machine, or else the first.
    fn add_index(
        &mut self,
        json: &[u8],
        images: &[SavedImage],
        saved: &Saved,
        subject: &str,
    ) -> Result<Descriptor, ArchiveError> {
        let mut shown: Option<(u32, Manifest)> = None;
        for image in images {
            let (descriptor, manifest) = self.add_image(image, subject)?;
            let rank = descriptor.platform.and_then(|platform| platform.rank_for(&Platform::host()));
            let rank = rank.unwrap_or(u32::MAX);
            if shown.as_ref().is_none_or(|(best, _)| rank < *best) {
                shown = Some((rank, manifest));
            }
        }
        self.docker.extend(shown.map(|(_, manifest)| DockerEntry::new(&manifest, &saved.names)));
        let broken = |source| ArchiveError::Manifest { path: subject.into(), source };
        let media_type = match Document::parse(json, None).map_err(broken)? {
            Document::Index(index) => index.media_type.unwrap_or_else(|| OCI_INDEX.to_owned()),
            Document::Manifest(_) => {
                return Err(broken(ManifestError::Ambiguous { digest: crate::Digest::of(json) }));
            }
        };
        let descriptor = Descriptor::of(&media_type, json);
        self.blobs.insert(descriptor.digest.hex(), (descriptor.clone(), Some(json.to_vec())));
        Ok(descriptor)
    }

    fn describe(&self, bytes: &[u8], manifest: &Manifest, config: &ImageConfig) -> Descriptor {
        let media_type = manifest.media_type.as_deref().unwrap_or(crate::manifest::OCI_MANIFEST);
        let platform = Some(config.platform()).filter(|platform| !platform.architecture.is_empty());
        Descriptor { platform, ..Descriptor::of(media_type, bytes) }
    }

    /// One entry of the index for each name, as containerd writes them.
    fn add_names(&mut self, names: &[Reference], descriptor: &Descriptor) {
        if names.is_empty() {
            self.index.push(descriptor.clone());
        }
        for name in names {
            let mut entry = descriptor.clone();
            entry.annotations.insert("io.containerd.image.name".to_owned(), name.to_string());
            if let Some(tag) = name.tag() {
                entry.annotations.insert("org.opencontainers.image.ref.name".to_owned(), tag.to_owned());
            }
            self.index.push(entry);
        }
    }
}

impl DockerEntry {
    fn new(manifest: &Manifest, names: &[Reference]) -> Self {
        let tagged = names.iter().filter_map(|name| Some((name.familiar_name(), name.tag()?)));
        Self {
            config: blob_name(&manifest.config),
            repo_tags: tagged.map(|(name, tag)| format!("{name}:{tag}")).collect(),
            layers: manifest.layers.iter().map(blob_name).collect(),
        }
    }
}

fn apply(form: Form, plan: &Plan, open: &mut OpenBlob<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    sink.dir("blobs")?;
    sink.dir("blobs/sha256")?;
    for (blob, bytes) in plan.blobs.values() {
        let name = blob_name(blob);
        match bytes {
            Some(bytes) => sink.file(&name, blob.size, &mut verified(&bytes[..], blob))?,
            None => sink.file(&name, blob.size, &mut verified(open(blob)?, blob))?,
        }
    }
    let mut small =
        |name: &str, bytes: &[u8]| sink.file(name, u64::try_from(bytes.len()).unwrap_or(u64::MAX), &mut &bytes[..]);
    small("index.json", &Index::new(Family::Oci, plan.index.clone()).to_json())?;
    match form {
        Form::Oci => {}
        Form::Docker => small("manifest.json", &serde_json::to_vec(&plan.docker)?)?,
    }
    small("oci-layout", LAYOUT)?;
    sink.end()
}

impl Sink for Tar<'_> {
    fn dir(&mut self, name: &str) -> io::Result<()> {
        let header = header(&format!("{name}/"), tar::EntryType::Directory, 0)?;
        self.out.write_all(header.as_bytes())
    }

    fn file(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> io::Result<()> {
        self.out.write_all(header(name, tar::EntryType::Regular, size)?.as_bytes())?;
        copy(bytes, self.out)?;
        let padding = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0);
        self.out.write_all(&[0; 512][..padding])
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&[0; 1024])?;
        self.out.flush()
    }
}

impl Sink for Dir<'_> {
    fn dir(&mut self, name: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.dir.join(name))
    }

    fn file(&mut self, name: &str, _size: u64, bytes: &mut dyn Read) -> io::Result<()> {
        copy(bytes, &mut File::create(self.dir.join(name))?)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn header(name: &str, kind: tar::EntryType, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu(); // whose sizes go beyond 8 GiB
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(header)
}

/// As [`io::copy`], in bigger steps.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn verified<R: Read>(reader: R, blob: &Descriptor) -> VerifiedReader<R> {
    VerifiedReader::new(reader, blob.digest, blob.size)
}

fn blob_name(blob: &Descriptor) -> String {
    format!("blobs/sha256/{}", blob.digest.hex())
}
