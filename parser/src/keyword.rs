//! The names of the instructions. Knows nothing else about them.

/// An instruction's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

impl Keyword {
    pub const ALL: [Keyword; 18] = [
        Keyword::Add,
        Keyword::Arg,
        Keyword::Cmd,
        Keyword::Copy,
        Keyword::Entrypoint,
        Keyword::Env,
        Keyword::Expose,
        Keyword::From,
        Keyword::Healthcheck,
        Keyword::Label,
        Keyword::Maintainer,
        Keyword::Onbuild,
        Keyword::Run,
        Keyword::Shell,
        Keyword::StopSignal,
        Keyword::User,
        Keyword::Volume,
        Keyword::Workdir,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Keyword::Add => "ADD",
            Keyword::Arg => "ARG",
            Keyword::Cmd => "CMD",
            Keyword::Copy => "COPY",
            Keyword::Entrypoint => "ENTRYPOINT",
            Keyword::Env => "ENV",
            Keyword::Expose => "EXPOSE",
            Keyword::From => "FROM",
            Keyword::Healthcheck => "HEALTHCHECK",
            Keyword::Label => "LABEL",
            Keyword::Maintainer => "MAINTAINER",
            Keyword::Onbuild => "ONBUILD",
            Keyword::Run => "RUN",
            Keyword::Shell => "SHELL",
            Keyword::StopSignal => "STOPSIGNAL",
            Keyword::User => "USER",
            Keyword::Volume => "VOLUME",
            Keyword::Workdir => "WORKDIR",
        }
    }

    /// In any case.
    pub fn parse(word: &str) -> Option<Keyword> {
        let first = word.bytes().next()?.to_ascii_uppercase();
        let mut known = Keyword::of_length(word.len()).iter().copied();
        known.find(|known| known.as_str().as_bytes()[0] == first && word.eq_ignore_ascii_case(known.as_str()))
    }

    /// Every instruction is looked up a few times, so most comparisons are saved.
    fn of_length(length: usize) -> &'static [Keyword] {
        match length {
            3 => &[Keyword::Run, Keyword::Env, Keyword::Arg, Keyword::Add, Keyword::Cmd],
            4 => &[Keyword::Copy, Keyword::From, Keyword::User],
            5 => &[Keyword::Label, Keyword::Shell],
            6 => &[Keyword::Expose, Keyword::Volume],
            7 => &[Keyword::Workdir, Keyword::Onbuild],
            10 => &[Keyword::Entrypoint, Keyword::Maintainer, Keyword::StopSignal],
            11 => &[Keyword::Healthcheck],
            _ => &[],
        }
    }

    /// Whether `<<NAME` in its arguments begins a here-document.
    pub fn takes_heredocs(self) -> bool {
        matches!(self, Keyword::Add | Keyword::Copy | Keyword::Run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for keyword in Keyword::ALL {
            assert_eq!(Keyword::parse(keyword.as_str()), Some(keyword));
            assert_eq!(Keyword::parse(&keyword.as_str().to_lowercase()), Some(keyword));
        }
        assert_eq!(Keyword::parse("RUNS"), None);
        assert_eq!(Keyword::parse(""), None);
    }
}
