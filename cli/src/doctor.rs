//! `kiln doctor`: says what this machine allows, so far as it shows when a sandbox is asked for. Minimal.

use std::path::Path;

use cache::Store;
use runner::binfmt::{self, HANDLERS, HINT, Handlers};
use runner::sandbox::Spawner;

use crate::report::Problem;
use crate::terminal;

pub fn run(store: &Store) -> Result<(), Problem> {
    let system = rustix::system::uname();
    let user = rustix::process::geteuid();
    let mut text = format!(
        "kiln     {}\nsystem   {} {} {}\nuser     {}\nstore    {}\n",
        env!("CARGO_PKG_VERSION"),
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.machine().to_string_lossy(),
        if user.is_root() { "root".to_owned() } else { user.as_raw().to_string() },
        store.root().display(),
    );
    match Spawner::start(&crate::paths::scratch(store)) {
        Ok(spawner) => {
            text += "sandbox  can be made\n";
            for note in spawner.notes() {
                text += &format!("         {note}\n");
            }
        }
        Err(error) => text += &format!("sandbox  cannot be made: {}\n", crate::report::chain(&error).0),
    }
    text += &programs();
    terminal::say(&text)
}

/// The platforms whose programs run here, and by what.
fn programs() -> String {
    let names: Vec<String> = binfmt::native().iter().map(ToString::to_string).collect();
    let mut text = format!("programs of {}\n", names.join(", "));
    match Handlers::read(Path::new(HANDLERS)) {
        None => text += "         of others: not known, since binfmt_misc is not mounted\n",
        Some(handlers) if handlers.platforms().is_empty() => text += &format!("         of others: none; {HINT}\n"),
        Some(handlers) => {
            for (platform, handler) in handlers.platforms() {
                let note = if handler.is_open { "" } else { " (not in images: it lacks the flag `F`)" };
                text += &format!("         of {platform}, by {}{note}\n", handler.name);
            }
        }
    }
    text
}
