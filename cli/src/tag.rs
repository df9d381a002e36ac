//! `kiln tag` and `kiln rmi`: names given to images and taken from them, in Docker's words.

use cache::Store;
use oci::Reference;

use crate::args::image::{RmiArgs, TagArgs};
use crate::build::request::name;
use crate::report::Problem;
use crate::{find, terminal};

pub fn add(args: &TagArgs, store: &Store) -> Result<(), Problem> {
    let target = name(&args.target)?;
    let image = find::image(store, &args.source)?;
    store.tag(&target, &image.id)?;
    Ok(())
}

/// Removes what can be removed; the first problem is told when the rest is done.
pub fn remove(args: &RmiArgs, store: &Store) -> Result<(), Problem> {
    let mut first_problem = None;
    for wanted in &args.images {
        match remove_one(wanted, args.force, store) {
            Ok(text) => terminal::say(&text)?,
            Err(_) if args.force && store.find_image(wanted)?.is_none() => {}
            Err(problem) if first_problem.is_none() => first_problem = Some(problem),
            Err(problem) => terminal::complain(&problem.text()),
        }
    }
    first_problem.map_or(Ok(()), Err)
}

fn remove_one(wanted: &str, force: bool, store: &Store) -> Result<String, Problem> {
    let image = find::image(store, wanted)?;
    let names = store.names_of(&image.id)?;
    let called = wanted.parse::<Reference>().ok().filter(|reference| names.contains(reference));
    let untagged = match called {
        Some(name) => vec![name],
        None if names.len() > 1 && !force => {
            let all: Vec<String> = names.iter().map(Reference::familiar).collect();
            return Err(Problem::image(format!(
                "conflict: unable to delete {wanted} (must be forced) - image has several names: {}",
                all.join(", ")
            ))
            .hint(format!("`kiln rmi -f {wanted}` removes it with all of them")));
        }
        None => names.clone(),
    };
    let mut text = String::new();
    for name in &untagged {
        store.untag(name)?;
        text += &format!("Untagged: {}\n", name.familiar());
    }
    if untagged.len() == names.len() {
        if image.is_index() {
            store.remove_index(&image.id)?;
        } else {
            store.remove_image(&image.id)?;
        }
        text += &format!("Deleted: {}\n", image.id);
    }
    Ok(text)
}
