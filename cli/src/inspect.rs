//! `kiln inspect`: everything about an image, with the field names of `docker image inspect`.

use cache::Store;
use oci::Platform;
use oci::manifest::{Descriptor, OCI_INDEX};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::image::InspectArgs;
use crate::build::request::platforms;
use crate::format::Template;
use crate::report::Problem;
use crate::{find, terminal};

/// Shows what there is; the first missing image is told when the rest is shown.
pub fn run(args: &InspectArgs, store: &Store) -> Result<(), Problem> {
    let mut found = Vec::new();
    let mut first_problem = None;
    let platform = platforms::or_host(args.platform.as_deref())?;
    for wanted in &args.images {
        match object(wanted, &platform, store) {
            Ok(object) => found.push(object),
            Err(problem) => {
                first_problem.get_or_insert(problem);
            }
        }
    }
    match &args.format {
        None => terminal::say(&pretty(&Value::Array(found)))?,
        Some(format) => {
            let template = Template::parse(format)?;
            for object in &found {
                terminal::say(&(template.apply(object)? + "\n"))?;
            }
        }
    }
    first_problem.map_or(Ok(()), Err)
}

/// Of an index, its own id and names, and for the rest the image for `platform`.
fn object(wanted: &str, platform: &Platform, store: &Store) -> Result<Value, Problem> {
    let named = find::image(store, wanted)?;
    let image = find::for_platform(store, wanted, platform)?;
    let config = store.image_config(&image.id)?;
    let names = store.names_of(&named.id)?;
    let digests: Vec<String> = named
        .manifest
        .iter()
        .flat_map(|digest| {
            let mut repositories: Vec<String> = names.iter().map(oci::Reference::familiar_name).collect();
            repositories.dedup();
            repositories.into_iter().map(move |name| format!("{name}@{digest}"))
        })
        .collect();
    let mut object = json!({
        "Id": named.id,
        "RepoTags": names.iter().map(oci::Reference::familiar).collect::<Vec<_>>(),
        "RepoDigests": digests,
        "Created": config.created,
        "Author": config.author.clone().unwrap_or_default(),
        "Config": config.config,
        "Architecture": config.architecture,
    });
    if let Some(variant) = &config.variant {
        object["Variant"] = variant.clone().into();
    }
    object["Os"] = config.os.clone().into();
    object["Size"] = image.size.into();
    if named.is_index() {
        object["Descriptor"] = json!(Descriptor::of(OCI_INDEX, &store.read_blob(&named.id.0)?));
        let platforms = store.index_images(&named.id)?.into_iter().map(|(entry, image)| {
            json!({ "ID": entry.digest, "Descriptor": entry, "ImageID": image.id, "Size": image.size })
        });
        object["Manifests"] = platforms.collect();
    }
    object["RootFS"] = json!({ "Type": config.rootfs.kind, "Layers": config.rootfs.diff_ids });
    Ok(object)
}

/// JSON with Docker's indentation.
pub fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).expect("a JSON value can be written to memory");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}
