//! `kiln pull`: images out of registries into the store, told as Docker tells it.

use std::sync::Arc;

use cache::Store;
use oci::{Platform, Reference};
use runner::source::Images;

use crate::args::image::PullArgs;
use crate::build::request::{mode, platforms};
use crate::progress::{End, View};
use crate::registry::registry;
use crate::report::{Kind, Problem};
use crate::signals::Interrupts;
use crate::terminal;

pub fn run(args: &PullArgs, store: Store) -> Result<(), Problem> {
    let platform = platforms::or_host(args.platform.as_deref())?;
    let names = args.names.iter().map(|name| Ok(name.parse()?)).collect::<Result<Vec<Reference>, Problem>>()?;
    let mode = mode(args.progress, args.quiet, &|name| std::env::var(name).ok())?;
    let interrupts = Interrupts::handle();
    let store = Arc::new(store);
    let view = Arc::new(View::on_stderr(mode));
    let images = Images::new(Arc::clone(&store), registry(), Arc::clone(&view) as _);
    interrupts.be_orderly();
    let pull = Pull { images: &images, store: &store, view: &view, interrupts: &interrupts, platform: &platform };
    let pulled = names.iter().map(|name| pull.one(name)).collect::<Result<Vec<_>, _>>();
    view.close(if pulled.is_ok() { End::Finished } else { End::Failed });
    for (name, text) in names.iter().zip(pulled?) {
        terminal::say(&if args.quiet { format!("{name}\n") } else { text })?;
    }
    Ok(())
}

struct Pull<'a> {
    images: &'a Images,
    store: &'a Store,
    view: &'a View,
    interrupts: &'a Interrupts,
    platform: &'a Platform,
}

impl Pull<'_> {
    /// Pulls one image; returns what to say of it.
    fn one(&self, name: &Reference) -> Result<String, Problem> {
        let before = self.store.image_named(name)?.map(|image| image.id);
        let title = format!("pulling {}", name.familiar());
        let found = self.view.task(&title, |task| {
            let found = self.images.pull(name, self.platform, task, self.interrupts.cancel());
            found.map_err(|failure| Problem::from(failure).kind_unless_canceled(Kind::Image))
        })?;
        let config = self.store.read_blob(&found.id.0)?;
        let id = self.store.put_image(&config, &found.layers, Some(found.digest))?;
        self.store.tag(name, &id)?;
        let status = if before == Some(id) { "Image is up to date for" } else { "Downloaded newer image for" };
        Ok(format!("Digest: {}\nStatus: {status} {}\n{name}\n", found.digest, name.familiar()))
    }
}
