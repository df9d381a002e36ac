# syntax=docker/dockerfile:1
# check=skip=none

# build is where it is built
FROM --platform=$BUILDPLATFORM golang:1.23 AS Build
ARG VERSION=dev \
    # a comment in between
    EMPTY= BARE
ENV A=1 B="two words" C=three\ words
ENV OLD way of it
WORKDIR /src
COPY --chown=1:1 --exclude=*.md . .
RUN --mount=type=cache,target=/root/.cache --network=none \
    go build -o /out/app .

from scratch
copy --from=build --link /out/app /
LABEL a=b "c d"='e'
EXPOSE 80 53/udp
VOLUME ["/a", "/b"]
USER 1:1
STOPSIGNAL SIGINT
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=1m30s --retries=3 CMD ["/app", "ping"]
ONBUILD RUN echo "built \"on\""
ENTRYPOINT ["/app"]
CMD serve
