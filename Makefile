# Everything a developer does here. Each target installs what it needs through apt-get when that is missing.

KILN := target/$(shell rustc -vV | sed -n 's/^host: //p')/release/kiln

# What `make corpus` compares with.
CORPUS ?= ../shared/corpus

.PHONY: build demo test bench fuzz corpus lint setup-demo setup-test setup-bench setup-corpus

build:
	cargo build --release --package cli

# Builds and runs what the README shows, on base images made from Debian packages; needs root and no registry.
demo: setup-demo build
	demo/run.sh $(KILN) target/demo

# Every test there is: unit, property, golden, and end-to-end with the real binary.
test: setup-test
	cargo test --workspace --profile fast

# Measures the table of docs/performance.md, peers in the same run.
bench: setup-bench build
	bench/run.py $(KILN)

# Each fuzz target for a minute.
fuzz:
	fuzz/run.sh 60

# Compares with BuildKit's verdicts on the cases in CORPUS; needs root and no registry.
corpus: setup-corpus build
	cargo run --quiet --release --package corpus -- $(CORPUS)

lint:
	cargo clippy --workspace --all-targets
	cargo fmt --all --check

setup-demo:
	@scripts/need mmdebstrap docker-registry skopeo curl npm=npm pip=python3-pip

setup-test:
	@scripts/need busybox=busybox-static docker-registry skopeo umoci buildah zstd xz=xz-utils bzip2 gcc git ssh-agent=openssh-client \
		qemu-aarch64-static=qemu-user-static

setup-bench:
	@scripts/need busybox=busybox-static hyperfine mmdebstrap buildah skopeo umoci crun runc bwrap=bubblewrap

setup-corpus:
	@scripts/need tar zstd
