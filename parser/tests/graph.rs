//! `testdata/graph/*.dockerfile`, with the graph they come to beside them as `.graph`: each vertex with its lines, its
//! inputs and its op, then the image's config. `UPDATE_EXPECT=1 cargo test -p parser --test graph` writes them anew.

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use oci::{DiffId, Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Lowered, Request, lower};

/// Every image is there, and small. The one called `trigger` has triggers.
struct Hub;

impl Images for Hub {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        config.rootfs.diff_ids.push(DiffId(Digest::of(b"layer")));
        config.config.env = Some(vec!["PATH=/bin".to_owned()]);
        match name.repository() {
            "library/trigger" => {
                let triggers = ["COPY triggered /", "RUN echo triggered"].map(str::to_owned);
                config.config.on_build = Some(triggers.to_vec());
            }
            "library/unused" => panic!("a stage that nothing needs is never looked at"),
            _ => {}
        }
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(name.to_string().as_bytes()), config })
    }
}

fn dump(lowered: &Lowered) -> String {
    let graph = &lowered.graph;
    let mut text = String::new();
    for id in graph.ids() {
        let vertex = graph.vertex(id);
        let inputs: Vec<usize> = graph.inputs(id).iter().map(|input| input.index()).collect();
        let lines = vertex.meta.source.map(|source| format!(", lines {}-{}", source.first_line, source.last_line));
        let target = if lowered.images[0].target == Some(id) { ", target" } else { "" };
        let (name, lines) = (&vertex.meta.name, lines.unwrap_or_default());
        text += &format!("{}: {name} (inputs {inputs:?}{lines}{target})\n", id.index());
        for field in graph::fields(&vertex.op).fields() {
            text += &format!("    {} = {:?}\n", field.name, String::from_utf8_lossy(&field.value));
        }
        text.push('\n');
    }
    text + &serde_json::to_string_pretty(&lowered.images[0].config).expect("a config is JSON") + "\n"
}

#[test]
fn graphs_and_configs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/graph");
    let mut ran = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dockerfile") {
            continue;
        }
        let dockerfile = parser::parse(&fs::read(&path).unwrap());
        // The machine's own architecture is in the config; the golden files are of one.
        let platform: Platform = "linux/amd64".parse().unwrap();
        let request =
            Request { platforms: vec![platform.clone()], build_platform: Some(platform), ..Request::default() };
        let lowered =
            lower(&dockerfile, &request, &Hub).unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        expect_file![path.with_extension("graph")].assert_eq(&dump(&lowered));
        ran += 1;
    }
    assert_eq!(ran, 3);
}
