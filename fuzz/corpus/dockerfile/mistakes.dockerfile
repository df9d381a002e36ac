FORM alpine
FROM alpine AS 1st
RUN --mout=type=cache --network=hots make
COPY onlyone
COPY --form=build --link=maybe --chown a b
ENV NAME
ENV A=1 B
CMD ["a", 1]
HEALTHCHECK --interval=30 CMD true
ONBUILD ONBUILD RUN x
SHELL /bin/sh
EXPOSE
WORKDIR
make install
RUN --mount=from=$X true
VOLUME [""]
FROM a b
RUN <<EOF
  EOF
