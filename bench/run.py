#!/usr/bin/env python3
"""Measures Kiln beside its peers and limits, in one run, and writes docs/performance.md.

    bench/run.py KILN [ROW…]

Each row is a function that returns lines of the table. A line is a median over alternating runs of Kiln and of what it is
compared with, so that noise meets both. Only ratios and counts are bars. Directories are fresh for each run where it
matters; nothing is deleted between measured commands.
"""

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KILN = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "kiln"
REPO = Path(__file__).resolve().parent.parent
WORK = Path(tempfile.mkdtemp(prefix="kiln-bench-", dir=os.environ.get("BENCH_DIR", "/var/tmp")))
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(args, store=None, **kw):
    env = dict(os.environ, **({"KILN_ROOT": str(store)} if store else {}))
    done = subprocess.run([str(a) for a in args], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def clock(args, store=None, inside=()):
    """Wall and CPU (user + system) seconds of one run, by hyperfine, which starts it without a shell."""
    report = WORK / "hyperfine.json"
    run([*inside, "hyperfine", "-N", "--runs", "1", "--style", "none", "--export-json", report, shlex.join(map(str, args))], store)
    result = json.loads(report.read_text())["results"][0]
    return result["times"][0], result["user"] + result["system"]


def alternate(times, **sides):
    """Runs every side once, `times` over; the medians and spreads of each."""
    found = {name: [] for name in sides}
    for _ in range(times):
        for name, side in sides.items():
            found[name].append(side())
    return {name: Figure(values) for name, values in found.items()}


class Figure:
    def __init__(self, values):
        values = [v if isinstance(v, tuple) else (v, None) for v in values]
        walls = sorted(v[0] for v in values)
        cpus = [v[1] for v in values if v[1] is not None]
        self.median = statistics.median(walls)
        self.low, self.high = walls[len(walls) // 10], walls[-1 - len(walls) // 10]
        self.cpu = statistics.median(cpus) if cpus else None

    def __str__(self):
        cpu = f", cpu {seconds(self.cpu)}" if self.cpu is not None else ""
        return f"{seconds(self.median)} ({seconds(self.low)}–{seconds(self.high)}{cpu})"


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def has(program):
    return shutil.which(program) is not None


def fresh(name):
    path = Path(tempfile.mkdtemp(prefix=name + "-", dir=WORK))
    return path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def many_files(path, count, size):
    """`count` files of `size` bytes, a hundred to a directory."""
    body = os.urandom(size)
    for i in range(count):
        file = path / f"d{i // 100}" / f"f{i}"
        if i % 100 == 0:
            file.parent.mkdir(parents=True)
        file.write_bytes(b"%d\n" % i + body)


def busybox_image(store):
    """An image of busybox alone, named `bb`."""
    context = fresh("busybox")
    (context / "root/bin").mkdir(parents=True)
    busybox = shutil.which("busybox")
    shutil.copy(busybox, context / "root/bin/busybox")
    for applet in run([busybox, "--list"]).split():
        if applet != "busybox":
            (context / "root/bin" / applet).symlink_to("busybox")
    for name in ("dev", "etc", "proc", "sys", "tmp"):
        (context / "root" / name).mkdir()
    write(context / "Dockerfile", "FROM scratch\nCOPY root /\nENV PATH=/bin\n")
    run([KILN, "build", "-q", "-t", "bb", context], store)
    return context


def peak_memory(args, store):
    """Largest resident set of the process and what it waited for, in MiB."""
    code = ("import resource,subprocess,sys; r=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r.returncode)")
    return int(run([sys.executable, "-c", code, *args], store).split()[-1]) / 1024


def cached_context(files):
    context = fresh("context")
    many_files(context / "src", files, 100)
    write(context / "package.json", "{}\n")
    write(context / "Dockerfile", """FROM bb
ARG VERSION=1
ENV A=1
WORKDIR /app
COPY package.json ./
RUN echo install > installed
COPY . .
RUN echo build > built
ENV PORT=3000
EXPOSE 3000
LABEL a=b
CMD ["true"]
""")
    return context


def row1():
    """Cached rebuild."""
    store = fresh("store")
    busybox_image(store)
    lines = []
    for files in (500, 5000, 50000):
        context = cached_context(files)
        build = [KILN, "build", "-q", "-t", "app", context]
        run(build, store)
        # Stat records younger than what they record are not trusted; the second build writes trusted ones.
        time.sleep(1.1)
        run(build, store)
        sides = {"kiln": lambda: clock(build, store)}
        if files == 5000 and has("buildah"):
            prepare_buildah(store)
            peer = ["buildah", "bud", "--layers", "--isolation", "chroot", "-q", "-t", "app", str(context)]
            run(peer)
            sides["buildah"] = lambda: clock(peer)
        found = alternate(20, **sides)
        bar = "≤ 18 ms (stretch 10 ms)" if files == 5000 else "growth"
        lines.append((f"1: cached rebuild, 12 instructions, {files:,} files", found["kiln"], bar,
                      compare(found, "buildah")))
    return lines


def prepare_buildah(store):
    archive = WORK / "bb.tar"
    if not archive.exists():
        run([KILN, "save", "-o", archive, "bb"], store)
        run(["buildah", "pull", f"docker-archive:{archive}"])


def compare(found, *peers):
    return "; ".join(f"{peer} {found[peer]}: {found[peer].median / found['kiln'].median:.1f} ×"
                     for peer in peers if peer in found)


def row2():
    """One RUN that misses."""
    store = fresh("store")
    busybox_image(store)

    def steps(count, program):
        context = fresh("runs")
        # Each step differs from every other ever made, so none can hit.
        body = "".join(f"RUN X={context.name}{i}; echo $X > /f\n" for i in range(count))
        write(context / "Dockerfile", f"FROM {'localhost/bb' if program == 'buildah' else 'bb'}\n{body}")
        if program == "buildah":
            return clock(["buildah", "bud", "--layers", "--isolation", "chroot", "-q", context])
        return clock([KILN, "build", "-q", context], store)

    def a_step(count, program="kiln"):
        base, more = steps(1, program), steps(count + 1, program)
        return tuple((m - b) / count for m, b in zip(more, base))

    sides = {"kiln": lambda: a_step(100)}
    if has("buildah"):
        prepare_buildah(store)
        sides["buildah"] = lambda: a_step(3, "buildah")
    found = alternate(5, **sides)
    return [("2: one RUN step that misses (mean of 100 in a row)", found["kiln"], "≤ 4 ms (stretch 2 ms)",
             compare(found, "buildah"))]


def big_context(files, size):
    context = fresh("big")
    many_files(context / "src", files, size)
    write(context / "Dockerfile", "FROM scratch\nCOPY src /src\n")
    return context


def row3():
    """One file of many edited."""
    lines = []
    for files in (10_000, 100_000):
        context = big_context(files, 100)
        store = fresh("store")
        build = [KILN, "build", "-q", context]
        run(build, store)
        time.sleep(1.1)
        run(build, store)
        # Of a tree of its own: a new link changes a file's ctime, and Kiln would read it all again.
        other = big_context(files, 100)
        edits = iter(range(10**6))

        def edit():
            write(context / "src/d7/f700", f"edit {next(edits)}\n")
            return clock(build, store)

        def link():
            return clock(["cp", "-al", other / "src", fresh("link") / "src"])

        found = alternate(3, kiln=edit, cp=link, same=lambda: clock(build, store))
        lines.append((f"3: one file of {files:,} edited, COPY made again", found["kiln"], "≤ 1.5 × `cp -al`",
                      f"`cp -al` {found['cp']}: {found['kiln'].median / found['cp'].median:.2f} × it"))
        lines.append((f"3: the whole build, nothing edited ({files:,} files checked)", found["same"],
                      "checking alone ≤ 150 ms" if files == 100_000 else "growth", ""))
    return lines


def row4():
    """Cold COPY."""
    lines = []
    for files, size in ((10_000, 10_000), (100_000, 10_000)):
        context = big_context(files, size)
        subprocess.run(["cat", *map(str, (context / "src/d0").iterdir())], **QUIET)

        def copy():
            return clock(["cp", "-a", context / "src", fresh("copy") / "src"])

        found = alternate(3, cp=copy, kiln=lambda: clock([KILN, "build", "-q", context], fresh("store")))
        lines.append((f"4: cold COPY of {files:,} files, {files * size / 1e9:.1f} GB", found["kiln"],
                      "≤ 1.2 × `cp -a` (stretch 0.8 ×)",
                      f"`cp -a` {found['cp']}: {found['kiln'].median / found['cp'].median:.2f} × it"))
    return lines


def row5():
    """Sixteen stages at once."""
    store = fresh("store")
    busybox_image(store)

    def build():
        context = fresh("stages")
        stages = "".join(f"FROM bb AS s{i}\nRUN sleep 1; echo {context.name} > /f{i}\n" for i in range(16))
        copies = "".join(f"COPY --from=s{i} /f{i} /\n" for i in range(16))
        write(context / "Dockerfile", f"{stages}FROM scratch\n{copies}")
        return clock([KILN, "build", "-q", context], store)

    found = alternate(5, kiln=build)
    return [("5: 16 stages of `sleep 1`, one that copies from all", found["kiln"], "≤ 1.3 s", "")]


def row6():
    """Start-up."""
    store = fresh("store")
    busybox_image(store)
    version = alternate(50, kiln=lambda: clock([KILN, "--version"]))["kiln"]
    context = fresh("images")
    for i in range(1000):
        write(context / "Dockerfile", f"FROM bb\nLABEL n={i}\n")
        run([KILN, "build", "-q", "-t", f"image{i}", context], store)
    images = alternate(20, kiln=lambda: clock([KILN, "images"], store))["kiln"]
    size = os.path.getsize(KILN) / 1e6
    return [("6: `kiln --version`", version, "≤ 4 ms (stretch 2 ms)", ""),
            ("6: `kiln images`, 1,000 images", images, "≤ 20 ms (stretch 8 ms)", ""),
            ("6: size of the static binary", f"{size:.1f} MB", "≤ 30 MB (stretch 15 MB)", "")]


def row7():
    """Peak memory."""
    store = fresh("store")
    busybox_image(store)
    context = cached_context(5000)
    build = [KILN, "build", "-q", "-t", "app", context]
    run(build, store)
    cached = peak_memory(build, store)
    cold = peak_memory([KILN, "build", "-q", big_context(100_000, 10_000)], fresh("store"))
    context = fresh("ten")
    write(context / "Dockerfile", "FROM bb\nRUN dd if=/dev/zero of=/ten bs=1 count=0 seek=10G\n")
    export = peak_memory([KILN, "build", "-q", "-o", f"type=oci,dest={WORK}/ten.tar", context], store)
    return [("7: peak memory, row 1", f"{cached:.1f} MiB", "≤ 30 MB", ""),
            ("7: peak memory, row 4", f"{cold:.1f} MiB", "≤ 96 MB", ""),
            ("7: peak memory, a 10 GB layer exported", f"{export:.1f} MiB", "≤ 96 MB", "")]


# crun refuses a machine with both cgroup trees; in a mount namespace without the second one it runs.
ONE_CGROUP_TREE = ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]


def row8():
    """Start of a container."""
    store = fresh("store")
    root = busybox_image(store) / "root"
    sides = {"kiln": lambda: clock([KILN, "run", "--rm", "bb", "true"], store)}
    for runtime in ("crun", "runc"):
        if has(runtime):
            bundle = fresh(runtime)
            run([runtime, "spec"], cwd=bundle)
            config = json.loads((bundle / "config.json").read_text())
            config["root"] = {"path": str(root), "readonly": True}
            config["process"].update(args=["/bin/true"], terminal=False)
            write(bundle / "config.json", json.dumps(config))
            names = iter(range(10**6))
            sides[runtime] = lambda runtime=runtime, bundle=bundle, names=names: clock(
                [runtime, "run", "--bundle", bundle, f"bench-{os.getpid()}-{next(names)}"], inside=ONE_CGROUP_TREE)
    found = alternate(30, **sides)
    return [("8: `kiln run --rm` of `true`", found["kiln"], "≤ 12 ms, ahead of `crun run` (stretch 5 ms)",
             compare(found, "crun", "runc"))]


def dockerfiles(path, bytes_wanted):
    """Files as a repository has them, of 1.3 kB each in the mean, as many as make so many bytes."""
    lines = ["# Dependencies first.", "ARG VERSION=1.2", "WORKDIR /app", "ENV HOME_DIR=/app PATH=/app/bin:$PATH",
             "COPY package.json package-lock.json ./", "RUN apt-get update && \\\n    apt-get install -y curl git",
             "COPY --chown=app:app src ./src", "RUN npm ci --omit=dev && npm run build -- --version=$VERSION",
             "LABEL org.example.version=$VERSION", "EXPOSE 8080/tcp", 'CMD ["node", "server.js"]']
    path.mkdir()
    written, at = 0, 0
    while written < bytes_wanted:
        stages = at % 3 + 1
        text = "".join(f"FROM image{at % 50}:{at % 7} AS stage{stage}\n" + "\n".join(lines * (4 - stages)) + "\n"
                       for stage in range(stages))
        write(path / f"{at:05}", text)
        written, at = written + len(text), at + 1
    return path


def row9():
    """Parsing and lowering."""
    parts = fresh("dockerfiles")
    instructions = lambda count: "FROM a\n" + "RUN apt-get update && make -j8 all\n" * count
    stages = lambda count: "".join(f"FROM a AS s{i}\nCOPY --from=s0 a b /c/\nRUN make\n" for i in range(count))
    corpus = REPO.parent / "shared/corpus/dockerfiles"
    is_there = corpus.is_dir()
    cases = [(f"Dockerfiles of {'the corpus' if is_there else 'repositories, made up'}",
              corpus if is_there else dockerfiles(parts / "some", 2_000_000), "≥ 100 MB/s"),
             ("ten times as many made-up ones", dockerfiles(parts / "more", 20_000_000), "≥ 100 MB/s")]
    for name, make, bar, middle in (("instructions", instructions, "40 ms", 10_000), ("stages", stages, "100 ms", 1_000)):
        for count in (middle // 10, middle, middle * 10):
            write(parts / f"{name}-{count}" / "Dockerfile", make(count))
            cases.append((f"{count:,} {name}", parts / f"{name}-{count}", f"≤ {bar}" if count == middle else "linear"))
    told = run(["cargo", "bench", "--quiet", "-p", "parser", "--bench", "parse", "--", *(folder for _, folder, _ in cases)],
               cwd=REPO)
    lines = []
    for (name, _, bar), line in zip(cases, told.splitlines()):
        size, *times = map(float, line.split())
        took = Figure(times)
        lines.append((f"9: parse and lower: {name}, {size / 1e6:.1f} MB", took, bar, f"{size / took.median / 1e6:.0f} MB/s"))
    return lines


ROWS = {"1": row1, "2": row2, "3": row3, "4": row4, "5": row5, "6": row6, "7": row7, "8": row8, "9": row9}


def main():
    wanted = sys.argv[2:] or list(ROWS)
    lines = []
    for row in wanted:
        print(f"row {row}: {ROWS[row].__doc__}", file=sys.stderr)
        for line in ROWS[row]():
            print(*line, sep=" | ", file=sys.stderr)
            lines.append(line)
    if len(wanted) == len(ROWS):
        report(lines)


def report(lines):
    machine = f"{os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}"
    table = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    (REPO / "docs/performance.md").write_text(f"""# Performance

Written by `make bench` ({machine}). Medians, with the first and last tenth of the runs and the CPU time (user + system) behind
them; peers are measured in the same run, alternating. Machines differ and are noisy: the ratios are what counts.
Row 9 is one thread within one process, where what base images are is known already; the linter's rules are followed, too.

| work | Kiln | bar | beside |
|---|---|---|---|
{table}
""")


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
