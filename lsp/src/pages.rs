//! The pages on the instructions, `docs/instructions/`, as they are in the program. Knows no document.
//!
//! What a page says of a flag, an option or a variable is a list item of it that begins with its name:
//! ``* `--link` …``. Lines that are indented belong to the item above.

use parser::Keyword;

/// The page of an instruction.
pub fn page(keyword: Keyword) -> &'static str {
    macro_rules! pages {
        ($($keyword:ident => $file:literal),* $(,)?) => {
            match keyword {
                $(Keyword::$keyword => include_str!(concat!("../../docs/instructions/", $file, ".md")),)*
            }
        };
    }
    pages! {
        Add => "ADD",
        Arg => "ARG",
        Cmd => "CMD",
        Copy => "COPY",
        Entrypoint => "ENTRYPOINT",
        Env => "ENV",
        Expose => "EXPOSE",
        From => "FROM",
        Healthcheck => "HEALTHCHECK",
        Label => "LABEL",
        Maintainer => "MAINTAINER",
        Onbuild => "ONBUILD",
        Run => "RUN",
        Shell => "SHELL",
        StopSignal => "STOPSIGNAL",
        User => "USER",
        Volume => "VOLUME",
        Workdir => "WORKDIR",
    }
}

/// What the page of an instruction says of `name`.
pub fn item(keyword: Keyword, name: &str) -> Option<String> {
    let is_named = |line: &&str| {
        let names = line.strip_prefix("* ").map(|item| item.split(" — ").next().unwrap_or(item));
        names.is_some_and(|names| names.split('`').skip(1).step_by(2).any(|known| is_of(known, name)))
    };
    let mut lines = page(keyword).lines().skip_while(|line| !is_named(line));
    let first = lines.next()?.strip_prefix("* ")?;
    let more = lines.take_while(|line| line.starts_with("  ")).map(str::trim);
    Some(more.fold(first.to_owned(), |item, line| item + " " + line))
}

/// The first paragraph of an instruction's page.
pub fn summary(keyword: Keyword) -> &'static str {
    page(keyword).split("\n\n").nth(1).unwrap_or_default()
}

/// Whether ``--link[=true]`` or ``type=cache`` as a page writes it is about `name`.
fn is_of(written: &str, name: &str) -> bool {
    written.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', '[']))
}

/// The names in ``* `NAME` …`` items of a section, up to the next heading.
pub fn names(keyword: Keyword, heading: &str) -> Vec<&'static str> {
    let section = page(keyword).lines().skip_while(|line| *line != heading).skip(1);
    let items = section.take_while(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix("* "));
    items.flat_map(|item| item.split(" — ").next().unwrap_or(item).split('`').skip(1).step_by(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parser::instruction::{MountKind, flags, mount};

    #[test]
    fn each_instruction_has_its_page() {
        for keyword in Keyword::ALL {
            let page = page(keyword);
            assert!(page.starts_with(&format!("# {}\n\n", keyword.as_str())), "{}", keyword.as_str());
            assert!(page.contains("\n## Forms\n") && page.ends_with('\n'), "{}", keyword.as_str());
            assert!(!summary(keyword).is_empty());
        }
    }

    #[test]
    fn each_flag_is_on_its_page() {
        for keyword in Keyword::ALL {
            for flag in flags::of(keyword) {
                assert!(item(keyword, &format!("--{}", flag.name)).is_some(), "{} --{}", keyword.as_str(), flag.name);
            }
        }
    }

    #[test]
    fn each_mount_and_option_is_on_the_page() {
        for kind in MountKind::ALL {
            assert!(item(Keyword::Run, &format!("type={}", kind.as_str())).is_some(), "{}", kind.as_str());
        }
        for option in &mount::OPTIONS {
            for name in option.names.iter().filter(|name| **name != "type") {
                assert!(item(Keyword::Run, name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn an_item_is_whole() {
        let item = item(Keyword::Copy, "--parents").expect("it is there");
        assert!(
            item.starts_with("`--parents[=true]` — ") && item.ends_with("left out.") && !item.contains('\n'),
            "{item}"
        );
    }
}
