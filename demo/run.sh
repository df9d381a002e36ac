#!/usr/bin/env bash
# The demonstration: what a beginner's notes on Docker do, with `kiln` for `docker`. A Node application is built,
# rebuilt after an edit, run and asked over HTTP; a Go program is built in one stage and copied into an image made
# from scratch. `make demo` runs it.
set -euo pipefail

kiln=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(realpath -m "$2")
port=5017
mkdir -p "$work"
export KILN_ROOT=$work/store
PATH=$(dirname "$kiln"):$PATH

say() { printf '\n=== %s\n' "$*" >&2; }
show() { printf '\n$ %s\n' "$*" >&2; "$@"; }

# Whatever happens, nothing of the demonstration is left running.
started=()
stop() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap stop EXIT

start_registry() {
  cat > "$work/registry.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: 127.0.0.1:$port}
YML
  docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
  started+=($!)
  wait_for "http://127.0.0.1:$port/v2/"
}

wait_for() {
  for _ in $(seq 100); do
    curl --silent --fail --output /dev/null "$1" && return
    sleep 0.1
  done
  echo "nothing answers at $1" >&2
  return 1
}

ask() { # PORT EXPECTED
  wait_for "http://127.0.0.1:$1/"
  local answer
  answer=$(curl --silent "http://127.0.0.1:$1/")
  printf '$ curl http://127.0.0.1:%s/\n%s\n' "$1" "$answer" >&2
  [ "$answer" = "$2" ] || { echo "expected \`$2\`" >&2; return 1; }
}

start_registry
"$here/base-images.sh" "$kiln" "$work" "127.0.0.1:$port"

say "the base images come from the registry, under the names that the Dockerfiles use"
for image in node:20 golang:1; do
  show kiln pull "127.0.0.1:$port/library/$image"
  kiln tag "127.0.0.1:$port/library/$image" "$image"
done

say "a Node application"
rm -rf "$work/node-app" && cp -r "$here/node-app" "$work/node-app"
cd "$work/node-app"
show kiln build --build-arg NODE_VERSION=20 -t sample-node-app .

say "again, with nothing changed"
show kiln build --build-arg NODE_VERSION=20 -t sample-node-app .

say "again, after an edit: what follows the edit runs, and nothing before it"
sed -i 's/Hello from Kiln/Hello again from Kiln/' src/server.ts
show kiln build --build-arg NODE_VERSION=20 -t sample-node-app .
show kiln images

say "run, and asked over HTTP"
kiln run --rm sample-node-app &
started+=($!)
ask 3000 "Hello again from Kiln"

say "a Go program, copied into an image made from scratch"
cd "$here/go-app"
show kiln build -t testserver .
kiln run --rm testserver &
started+=($!)
ask 8080 "Hello from scratch"
show kiln images
say "done"
