//! Layers from blobs to the store: from a server on loopback, and from blobs that are there already.

use std::collections::BTreeMap;
use std::time::Duration;

use oci::Network;
use oci::compress::{Compression, Compressor};
use oci::manifest::{Family, Manifest, OCI_CONFIG, OCI_LAYER_GZIP};
use oci::registry::RegistryConfig;
use oci::tarball::write::Writer;
use oci::tarball::{Member, MemberKind};
use oci::tree::Meta;
use tempfile::TempDir;

use super::*;
use crate::quiet::Quiet;
use crate::server::{Server, answer};

/// A layer with one file, as a registry has it.
struct Layer {
    diff_id: DiffId,
    tar: Vec<u8>,
    blob: Vec<u8>,
}

impl Layer {
    fn new(name: &str, content: &[u8]) -> Self {
        let mut tar = Vec::new();
        let mut writer = Writer::new(&mut tar);
        let kind = MemberKind::File { size: content.len() as u64, extents: None };
        let member = Member { path: name.into(), kind, meta: Meta { mode: 0o644, ..Meta::default() } };
        writer.begin(&member).unwrap();
        writer.data(content).unwrap();
        writer.finish().unwrap();
        let mut gzip = Compressor::new(Vec::new(), Compression::Gzip).unwrap();
        gzip.write_all(&tar).unwrap();
        Self { diff_id: DiffId(Digest::of(&tar)), blob: gzip.finish().unwrap().0, tar }
    }

    fn id(&self) -> LayerId {
        LayerId::Pulled(self.diff_id)
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor::of(OCI_LAYER_GZIP, &self.blob)
    }

    fn known(&self, origins: Vec<Origin>) -> LayerBlob {
        let Descriptor { digest, size, media_type, .. } = self.descriptor();
        LayerBlob { diff_id: self.diff_id, digest, size, media_type, origins }
    }
}

/// Answers requests for what ends in a key with its bytes.
struct Blobs {
    server: Server,
    bodies: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Blobs {
    fn start() -> Self {
        let bodies: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let known = Arc::clone(&bodies);
        let server = Server::start(move |call, out| {
            let body =
                known.lock().unwrap().iter().find(|(name, _)| call.path.ends_with(*name)).map(|(_, b)| b.clone());
            let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let is_manifest = call.path.contains("/manifests/");
            let media_type = if is_manifest { oci::manifest::OCI_MANIFEST } else { "application/octet-stream" };
            answer(out, status, &format!("Content-Type: {media_type}\r\n"), &body);
        });
        Self { server, bodies }
    }

    fn put(&self, bytes: &[u8]) {
        self.bodies.lock().unwrap().insert(Digest::of(bytes).to_string(), bytes.to_vec());
    }

    fn origin(&self) -> Vec<Origin> {
        vec![Origin { registry: self.server.address().to_string(), repository: "app".to_owned() }]
    }

    /// How often `digest` was asked for.
    fn asked(&self, digest: Digest) -> usize {
        self.server.calls().iter().filter(|call| call.path.ends_with(&digest.to_string())).count()
    }
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    blobs: Blobs,
    images: Images,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(Store::open(&dir.path().join("store")).unwrap());
        let network = Network { retries: 1, pause: Duration::from_millis(1), ..Network::default() };
        let config = RegistryConfig { network, ..RegistryConfig::default() };
        let images = Images::new(Arc::clone(&store), Registry::new(config), Arc::new(Quiet));
        Self { dir, store, blobs: Blobs::start(), images }
    }

    fn fetch(&self, layers: &[LayerId]) -> Result<(), Failure> {
        self.images.fetch(layers, TaskId(0), &Cancel::new())
    }

    fn file(&self, layer: &Layer, name: &str) -> Vec<u8> {
        std::fs::read(self.store.layer_fs(&layer.id()).unwrap().join(name)).unwrap()
    }

    /// Nothing half-made is left, and the store holds nothing wrong.
    fn assert_sound(&self) {
        self.store.tidy().unwrap();
        assert_eq!(self.store.fsck(cache::Depth::Contents).unwrap(), []);
    }
}

#[test]
fn an_image_is_pulled_and_its_layers_come_when_they_are_needed() {
    let world = World::new();
    let layers = [Layer::new("a", b"one"), Layer::new("b", &[7; 700_000])];
    let mut config = ImageConfig::scratch(&"linux/amd64".parse().unwrap());
    config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
    let config = config.to_json();
    let descriptors = layers.iter().map(Layer::descriptor).collect();
    let manifest = Manifest::new(Family::Oci, Descriptor::of(OCI_CONFIG, &config), descriptors).to_json();
    for bytes in [&config, &manifest, &layers[0].blob, &layers[1].blob] {
        world.blobs.put(bytes);
    }
    world.blobs.bodies.lock().unwrap().insert("/manifests/latest".to_owned(), manifest);
    let name: Reference = format!("{}/app", world.blobs.server.address()).parse().unwrap();
    let platform = "linux/amd64".parse().unwrap();
    let found = world.images.find(&name, &platform, Pull::Missing).unwrap();
    assert_eq!(found.layers, [layers[0].id(), layers[1].id()]);
    assert_eq!(world.images.missing(&found.layers).unwrap(), found.layers);
    world.fetch(&found.layers).unwrap();
    assert_eq!((world.file(&layers[0], "a"), world.file(&layers[1], "b")), (b"one".to_vec(), vec![7; 700_000]));
    assert_eq!(world.images.missing(&found.layers).unwrap(), []);
    for layer in &layers {
        assert!(world.store.has_blob(&layer.descriptor().digest).unwrap(), "the blob is kept");
        let row = world.store.layer_row(&layer.id()).unwrap().unwrap();
        assert_eq!((row.diff_id, row.tar_size), (Some(layer.diff_id), Some(layer.tar.len() as u64)));
    }
    // Found again without a question to the registry.
    let asked = world.blobs.server.calls().len();
    assert_eq!(world.images.find(&name, &platform, Pull::Never).unwrap().id, found.id);
    assert_eq!(world.blobs.server.calls().len(), asked);
    world.assert_sound();
}

#[test]
fn a_layer_that_is_another_than_its_config_says_is_refused() {
    let world = World::new();
    let (layer, other) = (Layer::new("a", b"one"), Layer::new("a", b"two"));
    let expected = format!("layer {} has the diff id {}", layer.diff_id, other.diff_id);
    let direct = commit_layer(&world.store, &other.blob[..], layer.diff_id).unwrap_err();
    assert!(direct.to_string().starts_with(&expected), "{direct}");
    // The registry has a sound blob under the digest of the manifest, and the config lies.
    world.blobs.put(&other.blob);
    let lie = LayerBlob { diff_id: layer.diff_id, ..other.known(world.blobs.origin()) };
    world.store.add_layer_blob(&lie).unwrap();
    let failure = world.fetch(&[layer.id()]).unwrap_err();
    assert!(failure.to_string().starts_with(&expected), "{failure}");
    assert!(!world.store.has_layer(&layer.id()).unwrap() && !world.store.has_layer(&other.id()).unwrap());
    world.assert_sound();
}

#[test]
fn a_layer_may_be_compressed_as_layers_are() {
    let world = World::new();
    let layer = Layer::new("a", b"one");
    let failure = commit_layer(&world.store, &b"BZh9some bytes"[..], layer.diff_id).unwrap_err();
    assert!(matches!(failure, LayerError::Compression { .. }), "{failure}");
    commit_layer(&world.store, &layer.tar[..], layer.diff_id).unwrap();
    assert_eq!(world.file(&layer, "a"), b"one");
}

#[test]
fn a_blob_that_is_another_than_its_digest_says_is_refused() {
    let world = World::new();
    let (layer, other) = (Layer::new("a", b"one"), Layer::new("a", b"two"));
    let digest = layer.descriptor().digest;
    world.blobs.bodies.lock().unwrap().insert(digest.to_string(), other.blob.clone());
    world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    world.fetch(&[layer.id()]).unwrap_err();
    assert!(!world.store.has_layer(&layer.id()).unwrap() && !world.store.has_blob(&digest).unwrap());
    world.assert_sound();
}

#[test]
fn a_layer_is_made_of_the_blob_that_is_here() {
    let world = World::new();
    let layer = Layer::new("a", b"one");
    world.store.put_blob(&layer.blob).unwrap();
    world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    assert!(world.store.is_remote(&layer.id()).unwrap());
    world.fetch(&[layer.id()]).unwrap();
    assert_eq!(world.file(&layer, "a"), b"one");
    assert_eq!(world.blobs.asked(layer.descriptor().digest), 0);
    world.assert_sound();
}

#[test]
fn a_blob_damaged_on_the_disk_is_set_aside_and_downloaded_again() {
    let world = World::new();
    let layer = Layer::new("a", &[1; 100_000]);
    let digest = layer.descriptor().digest;
    world.blobs.put(&layer.blob);
    world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    for harm in [truncated, flipped, emptied] {
        world.store.put_blob(&layer.blob).unwrap();
        std::fs::write(world.store.blob_path(&digest), harm(&layer.blob)).unwrap();
        let before = world.blobs.asked(digest);
        let layer_dir = world.dir.path().join("store/layers").join(layer.id().dir_name());
        world.fetch(&[layer.id()]).unwrap();
        assert_eq!(world.file(&layer, "a"), [1; 100_000]);
        assert_eq!(world.blobs.asked(digest), before + 1);
        world.store.verify_blob(&digest).unwrap();
        world.assert_sound();
        // As if it had never been unpacked.
        std::fs::remove_dir_all(layer_dir).unwrap();
    }
}

#[test]
fn a_damaged_blob_that_nobody_else_has_is_told() {
    let world = World::new();
    let layer = Layer::new("a", b"one");
    let digest = layer.descriptor().digest;
    world.store.put_blob(&layer.blob).unwrap();
    world.store.add_layer_blob(&layer.known(Vec::new())).unwrap();
    std::fs::write(world.store.blob_path(&digest), flipped(&layer.blob)).unwrap();
    let Err(Failure::Gone { message }) = world.fetch(&[layer.id()]) else { panic!("the damage went unseen") };
    assert!(message.starts_with(&format!("blob `{digest}` is damaged")), "{message}");
    assert!(!world.store.is_remote(&layer.id()).unwrap());
    let failure = world.fetch(&[layer.id()]).unwrap_err();
    assert!(failure.to_string().starts_with("no registry is known to have the layer"), "{failure}");
}

#[test]
fn of_several_layers_the_failure_of_one_is_that_of_all() {
    let world = World::new();
    let layers: Vec<Layer> = (0..6).map(|n| Layer::new(&format!("f{n}"), &[n; 1000])).collect();
    for layer in &layers {
        world.blobs.put(&layer.blob);
        world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    }
    let lost = layers[3].descriptor().digest;
    world.blobs.bodies.lock().unwrap().remove(&lost.to_string());
    let ids: Vec<LayerId> = layers.iter().map(Layer::id).collect();
    let failure = world.fetch(&ids).unwrap_err();
    assert!(failure.to_string().contains(&lost.to_string()), "{failure}");
    world.blobs.put(&layers[3].blob);
    world.fetch(&world.images.missing(&ids).unwrap()).unwrap();
    for (n, layer) in layers.iter().enumerate() {
        assert_eq!(world.file(layer, &format!("f{n}")), [n as u8; 1000]);
    }
    world.assert_sound();
}

#[test]
fn one_layer_brought_in_twice_at_once_is_there_once() {
    let world = World::new();
    let layer = Layer::new("a", &[3; 200_000]);
    world.blobs.put(&layer.blob);
    world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..4).map(|_| scope.spawn(|| world.fetch(&[layer.id()]))).collect();
        fetches.into_iter().for_each(|fetch| fetch.join().unwrap().unwrap());
    });
    assert_eq!(world.file(&layer, "a"), [3; 200_000]);
    world.assert_sound();
}

#[test]
fn what_is_canceled_is_not_brought_in() {
    let world = World::new();
    let layer = Layer::new("a", b"one");
    world.blobs.put(&layer.blob);
    world.store.add_layer_blob(&layer.known(world.blobs.origin())).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let failure = world.images.fetch(&[layer.id()], TaskId(0), &cancel).unwrap_err();
    assert!(matches!(failure, Failure::Canceled), "{failure:?}");
    assert!(!world.store.has_layer(&layer.id()).unwrap());
}

fn truncated(blob: &[u8]) -> Vec<u8> {
    blob[..blob.len() / 2].to_vec()
}

fn flipped(blob: &[u8]) -> Vec<u8> {
    let mut blob = blob.to_vec();
    let middle = blob.len() / 2;
    blob[middle] ^= 0xff;
    blob
}

fn emptied(_: &[u8]) -> Vec<u8> {
    Vec::new()
}
