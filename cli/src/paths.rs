//! Where the store is. Knows nothing of what is in it.

use std::ffi::OsString;
use std::path::PathBuf;

use cache::Store;

use crate::report::Problem;

/// The directory of the store: `--root`, else `$KILN_ROOT`, else for root `/var/lib/kiln`, else `$XDG_DATA_HOME/kiln`,
/// which is `~/.local/share/kiln` unless set (XDG base directory specification).
pub fn store_root(typed: Option<PathBuf>) -> Result<PathBuf, Problem> {
    let is_root = rustix::process::geteuid().is_root();
    choose(typed, is_root, |name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

/// Where sandboxes have what they need for a moment: on the file system of the layers.
pub fn scratch(store: &Store) -> PathBuf {
    store.root().join("scratch")
}

fn choose(
    typed: Option<PathBuf>,
    is_root: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Problem> {
    if let Some(root) = typed.or_else(|| variable("KILN_ROOT").map(PathBuf::from)) {
        return std::path::absolute(&root)
            .map_err(|error| Problem::usage(format!("`{}` cannot be the store: {error}", root.display())));
    }
    if is_root {
        return Ok(PathBuf::from("/var/lib/kiln"));
    }
    let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    data.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share")))
        .map(|data| data.join("kiln"))
        .ok_or_else(|| {
            Problem::usage("there is no place for the store: neither `XDG_DATA_HOME` nor `HOME` is set")
                .hint("name a directory with `--root DIR` or `KILN_ROOT`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_wish_wins() {
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/ada"));
        let path = |typed: Option<&str>, is_root, variable: &dyn Fn(&str) -> Option<OsString>| {
            choose(typed.map(PathBuf::from), is_root, variable).map(|path| path.display().to_string())
        };
        assert_eq!(path(Some("/typed"), true, &all).as_deref(), Ok("/typed"));
        assert_eq!(path(None, true, &all).as_deref(), Ok("/KILN_ROOT"));
        assert_eq!(path(None, true, &home).as_deref(), Ok("/var/lib/kiln"));
        assert_eq!(path(None, false, &home).as_deref(), Ok("/home/ada/.local/share/kiln"));
        assert!(path(None, false, &|_| None).is_err());
    }
}
