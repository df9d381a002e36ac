//! `kiln history`: how an image came to be, newest first, as `docker history` tells it.

use std::time::SystemTime;

use cache::{Image, Store};
use oci::image::History;
use oci::time::parse_rfc3339;
use serde_json::{Value, json};

use crate::args::image::HistoryArgs;
use crate::build::request::platforms;
use crate::format::Template;
use crate::progress::bytes;
use crate::report::Problem;
use crate::table::table;
use crate::time::ago;
use crate::{find, terminal};

/// How much of a command is shown.
const WIDTH: usize = 45;

pub fn run(args: &HistoryArgs, store: &Store) -> Result<(), Problem> {
    let image = find::for_platform(store, &args.image, &platforms::or_host(args.platform.as_deref())?)?;
    let config = store.image_config(&image.id)?;
    let mut sizes = layer_sizes(&image, store)?.into_iter();
    let now = SystemTime::now();
    let mut rows: Vec<[String; 5]> = config
        .history
        .iter()
        .map(|entry| {
            let size = if entry.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
            row(entry, size, args.no_trunc, now)
        })
        .collect();
    rows.reverse();
    if let Some(newest) = rows.first_mut() {
        newest[0] = if args.no_trunc { image.id.to_string() } else { image.id.short() };
    }
    let text = match args.format.as_str() {
        _ if args.quiet => rows.iter().map(|row| format!("{}\n", row[0])).collect(),
        "table" => table(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"], &rows),
        format => {
            let template = Template::parse(format)?;
            let line = |row: &[String; 5]| Ok(template.apply(&object(row))? + "\n");
            rows.iter().map(line).collect::<Result<String, Problem>>()?
        }
    };
    terminal::say(&text)
}

fn object([id, created, by, size, comment]: &[String; 5]) -> Value {
    json!({ "ID": id, "CreatedSince": created, "CreatedBy": by, "Size": size, "Comment": comment })
}

fn layer_sizes(image: &Image, store: &Store) -> Result<Vec<u64>, Problem> {
    let size = |layer| Ok(store.layer_row(layer)?.map_or(0, |row| row.tar_size.unwrap_or(row.disk_size)));
    image.layers.iter().map(size).collect()
}

fn row(entry: &History, size: u64, in_full: bool, now: SystemTime) -> [String; 5] {
    let created = entry.created.as_deref().and_then(parse_rfc3339).map_or("N/A".to_owned(), |then| ago(then, now));
    let by = entry.created_by.clone().unwrap_or_default();
    let by = if in_full { by } else { by.replace(['\n', '\t'], " ") };
    let by =
        if in_full || by.chars().count() <= WIDTH { by } else { by.chars().take(WIDTH - 1).chain(['…']).collect() };
    ["<missing>".to_owned(), created, by, bytes(size), entry.comment.clone().unwrap_or_default()]
}
