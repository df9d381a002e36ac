//! `kiln doctor`: says what this machine allows, so far as it shows when a sandbox is asked for. Minimal.

use cache::Store;
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
    terminal::say(&text)
}
