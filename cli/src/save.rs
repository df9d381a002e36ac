//! `kiln save`: images of the store into an archive. Knows no archive's form.
//!
//! An image that came with a manifest is written with it, so that its digest stays the same; any other gets one here.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use cache::{Image, Store};
use oci::Reference;
use oci::archive::{Form, Saved, SavedContent, SavedImage, write_tar};
use oci::compress::Compression;
use oci::manifest::{Descriptor, Document, Family, Manifest};
use runner::source::Images;
use solver::port::{Cancel, Progress};

use crate::args::image::{ArchiveFormat, SaveArgs};
use crate::build::export::write_file;
use crate::progress::{Mode, View};
use crate::registry::registry;
use crate::report::{Kind, Problem};
use crate::{find, layers};

pub fn run(args: &SaveArgs, store: Store) -> Result<(), Problem> {
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(
            Problem::usage("cowardly refusing to save to a terminal").hint("use `-o FILE`, or redirect the output")
        );
    }
    let store = Arc::new(store);
    let mut saved: Vec<(Image, Vec<Reference>)> = Vec::new();
    for wanted in &args.images {
        let image = find::image(&store, wanted)?;
        let named =
            wanted.parse::<Reference>().ok().filter(|name| store.image_named(name).is_ok_and(|found| found.is_some()));
        match saved.iter_mut().find(|(other, _)| other.id == image.id) {
            Some((_, names)) => names.extend(named),
            None => saved.push((image, named.into_iter().collect())),
        }
    }
    let form = match args.format {
        ArchiveFormat::Docker => Form::Docker,
        ArchiveFormat::Oci => Form::Oci,
    };
    fetch(&store, &saved)?;
    let saved = saved
        .into_iter()
        .map(|(image, names)| Ok(Saved { content: content(&store, &image)?, names }))
        .collect::<Result<Vec<_>, Problem>>()?;
    let write = |out: &mut dyn Write| -> Result<(), Problem> {
        let mut open = |blob: &Descriptor| layers::open(&store, blob);
        Ok(write_tar(form, &saved, &mut open, out).map(drop)?)
    };
    match &args.output {
        Some(path) => write_file(path, |file| write(&mut io::BufWriter::with_capacity(256 << 10, file))),
        None => write(&mut io::stdout().lock()),
    }
}

/// Brings the layers here that are only known by name.
fn fetch(store: &Arc<Store>, saved: &[(Image, Vec<Reference>)]) -> Result<(), Problem> {
    let view = Arc::new(View::on_stderr(Mode::Quiet));
    let images = Images::new(Arc::clone(store), registry(), Arc::clone(&view) as _);
    let task = view.begin("save");
    for (image, _) in saved {
        let members = match image.is_index() {
            true => store.index_images(&image.id)?.into_iter().map(|(_, image)| image).collect(),
            false => vec![image.clone()],
        };
        for image in members {
            images
                .missing(&image.layers)
                .and_then(|missing| images.fetch(&missing, task, &Cancel::new()))
                .map_err(|failure| Problem::from(failure).kind(Kind::Image))?;
        }
    }
    Ok(())
}

fn content(store: &Store, image: &Image) -> Result<SavedContent, Problem> {
    if !image.is_index() {
        return Ok(SavedContent::Image(prepare(store, image)?));
    }
    let member = |(entry, image): (Descriptor, Image)| {
        // The index has room for no other manifest than the one it names.
        Ok(SavedImage { manifest: store.read_blob(&entry.digest)?, config: store.read_blob(&image.id.0)? })
    };
    let images = store.index_images(&image.id)?.into_iter().map(member).collect::<Result<_, Problem>>()?;
    Ok(SavedContent::Index { json: store.read_blob(&image.id.0)?, images })
}

fn prepare(store: &Store, image: &Image) -> Result<SavedImage, Problem> {
    let config = store.read_blob(&image.id.0)?;
    if let Some(manifest) = own_manifest(store, image)? {
        return Ok(SavedImage { manifest, config });
    }
    let diff_ids = store.image_config(&image.id)?.rootfs.diff_ids;
    let stack: Vec<_> = image.layers.iter().copied().zip(diff_ids).collect();
    let blobs = layers::blobs(store, &stack, Compression::default(), Family::Oci)?;
    let manifest = Manifest::for_image(Family::Oci, &config, &blobs).to_json();
    Ok(SavedImage { manifest, config })
}

/// The manifest that the image came with, if that and all it names are here.
fn own_manifest(store: &Store, image: &Image) -> Result<Option<Vec<u8>>, Problem> {
    let Some(digest) = image.manifest else { return Ok(None) };
    if !store.has_blob(&digest)? {
        return Ok(None);
    }
    let bytes = store.read_blob(&digest)?;
    let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, None) else { return Ok(None) };
    for layer in &manifest.layers {
        if !store.has_blob(&layer.digest)? {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}
