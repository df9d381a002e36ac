//! `kiln load`: images out of an archive or an OCI layout into the store. Knows no archive's form.
//!
//! A tar on standard input is put into a file first, since its parts are read in an order of their own. The blob of
//! each layer is kept as it lies there: packed again, its tar might not be the same.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use cache::{BlobWriter, Ingest, Store};
use oci::archive::{Archive, ArchiveImage, ArchiveLayer};
use oci::compress::Format;
use oci::manifest::Family;
use oci::{Digest, ImageId, LayerId, Reference};

use crate::args::image::LoadArgs;
use crate::report::{self, Kind, Problem};
use crate::{layers, terminal};

pub fn run(args: &LoadArgs, store: &Store) -> Result<(), Problem> {
    let _spooled: Ingest;
    let archive = match args.input.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => Archive::open(path)?,
        None => {
            _spooled = store.ingest()?;
            Archive::of_file(spool(_spooled.fs())?, Path::new("standard input"))?
        }
    };
    for image in archive.images(None)? {
        terminal::say(&load(store, &archive, &image)?)?;
    }
    Ok(())
}

/// What comes on standard input, as a file that goes with `dir`.
fn spool(dir: &Path) -> Result<File, Problem> {
    if io::IsTerminal::is_terminal(&io::stdin()) {
        return Err(Problem::usage("requested load from stdin, but stdin is empty").hint("`kiln load -i FILE`"));
    }
    let path = dir.join("archive");
    let spool = || -> io::Result<File> {
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(file)
    };
    spool().map_err(|error| report::io(Kind::Image, "write", &path, &error))
}

/// Loads one image, with all other platforms' where it was chosen from an index; returns what to say of it.
fn load(store: &Store, archive: &Archive, image: &ArchiveImage) -> Result<String, Problem> {
    let id = match &image.index {
        None => put(store, archive, image)?,
        Some(index) => {
            for image in &index.images {
                put(store, archive, image)?;
            }
            store.put_index(&index.bytes)?
        }
    };
    let names: Vec<Reference> = image.names.iter().filter_map(|name| name.parse().ok()).collect();
    if names.is_empty() {
        return Ok(format!("Loaded image ID: {id}\n"));
    }
    let mut text = String::new();
    for name in names {
        store.tag(&name, &id)?;
        text += &format!("Loaded image: {}\n", name.familiar());
    }
    Ok(text)
}

fn put(store: &Store, archive: &Archive, image: &ArchiveImage) -> Result<ImageId, Problem> {
    let (layers, manifest) = take_in(store, archive, image)?;
    Ok(store.put_image(&image.config_bytes, &layers, manifest)?)
}

/// Brings all that an image is made of into the store, bottom layer first, and its manifest.
pub fn take_in(
    store: &Store,
    archive: &Archive,
    image: &ArchiveImage,
) -> Result<(Vec<LayerId>, Option<Digest>), Problem> {
    let layers = image.layers.iter().map(|layer| load_layer(store, archive, layer)).collect::<Result<_, _>>()?;
    store.put_blob(&image.config_bytes)?;
    let manifest = match &image.manifest {
        Some((_, bytes)) => Some(store.put_blob(bytes)?),
        None => None,
    };
    Ok((layers, manifest))
}

fn load_layer(store: &Store, archive: &Archive, layer: &ArchiveLayer) -> Result<LayerId, Problem> {
    let id = LayerId::Pulled(layer.diff_id);
    if store.has_layer(&id)? {
        return Ok(id);
    }
    let mut kept = Kept { from: BufReader::new(archive.layer(layer)?), kept: store.blob_writer()?, first: Vec::new() };
    runner::source::commit_layer(store, &mut kept, layer.diff_id)?;
    // Whoever reads the tar may stop at its end; the blob has an end of its own.
    io::copy(&mut kept, &mut io::sink())
        .map_err(|error| Problem::image(format!("read the layer {}: {error}", layer.diff_id)))?;
    let compression = match Format::detect(&kept.first) {
        Format::Gzip => oci::compress::Compression::Gzip,
        Format::Zstd => oci::compress::Compression::Zstd,
        Format::Plain | Format::Bzip2 | Format::Xz => oci::compress::Compression::None,
    };
    let (digest, size) = kept.kept.commit(layer.descriptor.as_ref().map(|descriptor| descriptor.digest))?;
    layers::note_blob(store, layer.diff_id, digest, size, layers::media_type(Family::Oci, compression))?;
    Ok(id)
}

/// A blob on its way, kept as it comes.
struct Kept<R> {
    from: R,
    kept: BlobWriter,
    /// Its first bytes, which tell how it is compressed.
    first: Vec<u8>,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let more = Format::MAGIC.saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(&buffer[..more]);
        self.kept.write_all(&buffer[..count])?;
        Ok(count)
    }
}
