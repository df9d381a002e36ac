//! What is written about a build for other programs: `--iidfile` and `--metadata-file`, as buildx writes them.

use std::io::Write;
use std::path::Path;

use oci::manifest::Descriptor;
use serde_json::{Map, Value, json};

use super::export::write_file;
use super::image::Assembled;
use super::request::Request;
use crate::report::{self, Kind, Problem};

pub fn write(request: &Request, image: &Assembled, manifest: Option<&Descriptor>) -> Result<(), Problem> {
    let id = image.config.id().to_string();
    if let Some(path) = &request.iidfile {
        put(path, id.as_bytes())?;
    }
    if let Some(path) = &request.metadata_file {
        let names: Vec<String> = request.tags.iter().map(ToString::to_string).collect();
        let text = format!("{:#}\n", object(&id, &names.join(","), manifest));
        put(path, text.as_bytes())?;
    }
    Ok(())
}

fn object(id: &str, names: &str, manifest: Option<&Descriptor>) -> Value {
    let mut object = Map::new();
    object.insert("containerimage.config.digest".to_owned(), id.into());
    if let Some(manifest) = manifest {
        object.insert("containerimage.descriptor".to_owned(), json!(manifest));
    }
    // The store knows no manifest of what was built: an image there is its config, as in Docker's.
    let digest = manifest.map_or_else(|| id.to_owned(), |manifest| manifest.digest.to_string());
    object.insert("containerimage.digest".to_owned(), digest.into());
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
    use oci::Digest;

    #[test]
    fn the_names_are_those_of_buildx() {
        let manifest = Descriptor::new("application/vnd.oci.image.manifest.v1+json", Digest::of(b""), 7);
        let text = format!("{:#}", object("sha256:1", "docker.io/library/a:1,docker.io/library/b:1", Some(&manifest)));
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
