//! `kiln images`: the images of the store, newest first, as `docker images` lists them.

use std::time::SystemTime;

use cache::{Image, Store};
use oci::Reference;
use serde_json::{Value, json};

use crate::args::image::ImagesArgs;
use crate::format::Template;
use crate::progress::bytes;
use crate::report::Problem;
use crate::table::table;
use crate::terminal;
use crate::time::{ago_of, rfc3339};

const NONE: &str = "<none>";

struct Row {
    repository: String,
    tag: String,
    image: Image,
}

pub fn run(args: &ImagesArgs, store: &Store) -> Result<(), Problem> {
    let now = SystemTime::now();
    let wanted = args.name.as_deref().map(|name| (name, name.parse::<Reference>()));
    let mut rows: Vec<Row> = store.images()?.into_iter().map(row).collect();
    // An index speaks for them.
    let members = store.nameless_members()?;
    rows.retain(|row| !members.contains(&row.image.id));
    if let Some((text, wanted)) = wanted {
        let wanted = wanted?;
        // Without a tag, all of them are meant.
        let any_tag = wanted.tag() == Some("latest") && !text.ends_with(":latest");
        rows.retain(|row| {
            row.repository == wanted.familiar_name() && (any_tag || Some(row.tag.as_str()) == wanted.tag())
        });
    }
    let id = |row: &Row| if args.no_trunc { row.image.id.to_string() } else { row.image.id.short() };
    let text = match args.format.as_str() {
        _ if args.quiet => rows.iter().map(|row| id(row) + "\n").collect(),
        "table" => {
            let cells = |row: &Row| {
                [
                    row.repository.clone(),
                    row.tag.clone(),
                    id(row),
                    ago_of(row.image.created, now),
                    bytes(row.image.size),
                ]
            };
            table(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], &rows.iter().map(cells).collect::<Vec<_>>())
        }
        format => {
            let template = Template::parse(format)?;
            let line = |row: &Row| Ok(template.apply(&object(row, &id(row), now))? + "\n");
            rows.iter().map(line).collect::<Result<String, Problem>>()?
        }
    };
    terminal::say(&text)
}

fn row((reference, image): (Option<Reference>, Image)) -> Row {
    let (repository, tag) = match &reference {
        Some(reference) => (reference.familiar_name(), reference.tag().unwrap_or(NONE).to_owned()),
        None => (NONE.to_owned(), NONE.to_owned()),
    };
    Row { repository, tag, image }
}

fn object(row: &Row, id: &str, now: SystemTime) -> Value {
    json!({
        "ID": id,
        "Repository": row.repository,
        "Tag": row.tag,
        "Digest": row.image.manifest.map_or_else(|| NONE.to_owned(), |digest| digest.to_string()),
        "CreatedAt": rfc3339(row.image.created),
        "CreatedSince": ago_of(row.image.created, now),
        "Size": bytes(row.image.size),
    })
}
