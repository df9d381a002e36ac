//! What is written about a build for other programs: `--iidfile` and `--metadata-file`, as buildx writes them.

use std::io::Write;
use std::path::Path;

use oci::Digest;
use oci::manifest::Descriptor;
use serde_json::{Map, Value, json};

use super::export::write_file;
use super::image::Made;
use super::request::Request;
use crate::report::{self, Kind, Problem};

/// What a build is known by: an image by its config, as in Docker's store, and an index by itself.
pub fn id(made: &Made, descriptor: Option<&Descriptor>) -> Option<Digest> {
    match made {
        Made::Image(image) => Some(image.config.id().0),
        Made::Index(_) => descriptor.map(|index| index.digest),
    }
}

/// `descriptor` is that of the manifest or index, where an output made one.
pub fn write(request: &Request, made: &Made, descriptor: Option<&Descriptor>) -> Result<(), Problem> {
    let id = id(made, descriptor);
    if let (Some(path), Some(id)) = (&request.iidfile, &id) {
        put(path, id.to_string().as_bytes())?;
    }
    if let Some(path) = &request.metadata_file {
        let names: Vec<String> = request.tags.iter().map(ToString::to_string).collect();
        let config = match made {
            Made::Image(image) => Some(image.config.id().to_string()),
            Made::Index(_) => None,
        };
        let text = format!("{:#}\n", object(config, &names.join(","), descriptor));
        put(path, text.as_bytes())?;
    }
    Ok(())
}

fn object(config: Option<String>, names: &str, descriptor: Option<&Descriptor>) -> Value {
    let mut object = Map::new();
    if let Some(config) = &config {
        object.insert("containerimage.config.digest".to_owned(), config.clone().into());
    }
    if let Some(descriptor) = descriptor {
        object.insert("containerimage.descriptor".to_owned(), json!(descriptor));
    }
    // The store knows no manifest of an image that was built: it is its config there, as in Docker's.
    if let Some(digest) = descriptor.map(|descriptor| descriptor.digest.to_string()).or(config) {
        object.insert("containerimage.digest".to_owned(), digest.into());
    }
    if !names.is_empty() {
        object.insert("image.name".to_owned(), names.into());
    }
    Value::Object(object)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write_file(path, |file| file.write_all(bytes).map_err(|error| report::io(Kind::Build, "write", path, &error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_names_are_those_of_buildx() {
        let manifest = Descriptor::new("application/vnd.oci.image.manifest.v1+json", Digest::of(b""), 7);
        let text = format!(
            "{:#}",
            object(Some("sha256:1".to_owned()), "docker.io/library/a:1,docker.io/library/b:1", Some(&manifest))
        );
        expect![[r#"
            {
              "containerimage.config.digest": "sha256:1",
              "containerimage.descriptor": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "size": 7
              },
              "containerimage.digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
              "image.name": "docker.io/library/a:1,docker.io/library/b:1"
            }"#]]
        .assert_eq(&text);
    }
}
