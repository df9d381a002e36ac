//! Each instruction with the places to fill in, as editors take it. Knows no document.

use parser::Keyword;

pub(super) fn of(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Add => "ADD ${1:source} ${2:destination}",
        Keyword::Arg => "ARG ${1:NAME}",
        Keyword::Cmd => "CMD [\"${1:program}\"]",
        Keyword::Copy => "COPY ${1:source} ${2:destination}",
        Keyword::Entrypoint => "ENTRYPOINT [\"${1:program}\"]",
        Keyword::Env => "ENV ${1:NAME}=${2:value}",
        Keyword::Expose => "EXPOSE ${1:80}",
        Keyword::From => "FROM ${1:image}",
        Keyword::Healthcheck => "HEALTHCHECK CMD ${1:command}",
        Keyword::Label => "LABEL ${1:name}=${2:value}",
        Keyword::Maintainer => "MAINTAINER ${1:name}",
        Keyword::Onbuild => "ONBUILD ${1:instruction}",
        Keyword::Run => "RUN ${1:command}",
        Keyword::Shell => "SHELL [\"${1:/bin/sh}\", \"${2:-c}\"]",
        Keyword::StopSignal => "STOPSIGNAL ${1:SIGTERM}",
        Keyword::User => "USER ${1:name}",
        Keyword::Volume => "VOLUME ${1:/path}",
        Keyword::Workdir => "WORKDIR ${1:/path}",
    }
}
