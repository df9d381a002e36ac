ARG VERSION=1
FROM base:${VERSION} AS build
WORKDIR /src
COPY --chown=node:7 package.json *.lock ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build

FROM unused AS never
RUN false

FROM scratch
COPY --from=build --chmod=u=rwX,go=rX /src/dist /app/
ENTRYPOINT ["/app/server"]
