FROM node:22 AS deps
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci

FROM node:22 AS web
WORKDIR /app
COPY --from=deps /app/node_modules node_modules
COPY web web
RUN npm run build

FROM golang:1.25 AS server
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY server server
RUN --mount=type=cache,target=/root/.cache/go-build \
    go build -o /server ./server

FROM deps AS test
COPY . .
RUN npm test

FROM gcr.io/distroless/static
COPY --link --from=server /server /server
COPY --from=web /app/dist /www
RUN --mount=from=test,source=/app,target=/app ["/server", "--check", "/app"]
ENTRYPOINT ["/server"]
