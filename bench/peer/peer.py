#!/usr/bin/env python3
"""Graft beside PyTorch on this machine: the table of docs/performance.md.

    python3 bench/peer/peer.py [--only avx512/mobilenet_v2] [--rounds 5] [--seconds 4] [--redo] [--write]

Installs PyTorch into the cache folder (GRAFT_PEER_CACHE, default ~/.cache/graft-peer) once, builds graft, and for every cell
(column, model, mode, batch) chooses PyTorch's fastest configuration once a machine, then alternates the two programs: median and spread of
the ratios. torch.compile is tried where a C++ compiler is at hand. PyTorch has a process a cell, as a job has, and in training a process a
round, since there its speed is another in each. Training is measured once more with an allocator told to give no memory back to the
system, which nobody's script does by itself: the table's last columns.
Columns: avx2 holds both to AVX2 in fp32, avx512 is fp32 with all the processor has, bf16 is graft's fastest precision over PyTorch's
autocast. A configuration in which PyTorch's process dies is recorded with its last words, and the others are chosen among; --redo tries it
again. Finished cells are kept by commit and processor in results.json of the cache and not measured again without --redo. --write puts
table and chart into docs/.
"""
import argparse
import contextlib
import functools
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("GRAFT_PEER_CACHE", pathlib.Path.home() / ".cache/graft-peer"))
MODELS = ["resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2", "efficientnet_b0"]
COLUMNS = {
    "avx2": {"GRAFT_CPU": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "avx512": {},
    "bf16": {},
}
LAYOUTS = ["channels_last", *(["compiled"] if shutil.which("g++") else []), "contiguous"]
OTHERS = ["squeezenet1_1", "mobilenet_v2", "efficientnet_b0"]
# The targets: column -> ratio, by (model, mode, batch).
TARGETS = {("resnet18", "train", 32): (2.4, 1.9, 1.2), ("resnet50", "train", 32): (2.4, 1.7, 1.3),
           ("squeezenet1_1", "train", 32): (2.3, 1.9, 1.3), ("mobilenet_v2", "train", 32): (4.0, 4.0, 3.0),
           ("efficientnet_b0", "train", 32): (4.0, 4.0, 3.0), ("resnet18", "infer", 32): (2.2, 1.8, 1.1),
           ("resnet50", "infer", 32): (1.8, 1.3, 1.0), **{(m, "infer", 32): (1.5, 1.3, 1.0) for m in OTHERS},
           **{(m, "infer", 1): (1.5, 1.5, 1.2) for m in MODELS}}


def target(column, model, mode, batch):
    return TARGETS[model, mode, batch][list(COLUMNS).index(column)]


def cells(only):
    """All cells in order; only is a list of substrings of COLUMN/MODEL/MODE/BATCH, any of which will do."""
    for column in ("avx512", "bf16", "avx2"):
        for model in MODELS:
            for mode, batch in (("train", 32), ("infer", 32), ("infer", 1)):
                name = f"{column}/{model}/{mode}/{batch}"
                if not only or any(o in name for o in only):
                    yield name, column, model, mode, batch


def python():
    """Path of an interpreter that has PyTorch, installed on the first call."""
    exe = CACHE / "venv/bin/python"
    if not (CACHE / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / "venv")], check=True)
        subprocess.run([str(exe), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")], check=True)
        (CACHE / "complete").write_text("ok")
    return str(exe)


# glibc asks the system for every large tensor anew, and the system clears its pages; with these it keeps them.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "2000000000"}


class Crashed(Exception):
    """PyTorch's process died: its status and the last line of its standard error."""


class Torch:
    """A process that holds one network, under one column's environment; it ends with its with-statement. Its death is Crashed."""

    def __init__(self, column, model, mode, layout, batch, threads, env={}):
        precision = "bf16" if column == "bf16" else "fp32"
        self.said = tempfile.TemporaryFile("w+", errors="replace")
        self.p = subprocess.Popen([python(), str(HERE / "torch_worker.py"), model, mode, layout, str(batch), str(threads), precision],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True,
                                  # a cache a column: the compiler's takes code for one instruction set to be for another
                                  env={"TORCHINDUCTOR_CACHE_DIR": str(CACHE / "compiled" / column), **os.environ, **COLUMNS[column], **env})
        self.line()  # that it is ready: what it compiles would slow graft down

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.communicate()  # closes its input, which ends it

    def line(self):
        if line := self.p.stdout.readline():
            return line
        status = self.p.wait()
        self.said.seek(0)
        raise Crashed(": ".join([f"status {status}", *self.said.read().strip().splitlines()[-1:]]))

    def img_s(self, seconds):
        try:
            self.p.stdin.write(f"{seconds}\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            pass  # the line that does not come says why
        return json.loads(self.line())["img_s"]


def torch_img_s(*cell, seconds, env={}):
    """Images a second of PyTorch in a process of its own; cell as Torch takes it."""
    with Torch(*cell, env=env) as t:
        return t.img_s(seconds)


def graft(exe, column, model, mode, batch, threads, seconds):
    """graft bench's result, or None for a model or flag that this graft lacks."""
    p = subprocess.run([exe, "bench", "--model", model, "--batch", str(batch), "--threads", str(threads), "--seconds", str(seconds), "--only", mode,
                        "--precision", "auto" if column == "bf16" else "fp32", "--json"],
                       capture_output=True, text=True, env={**os.environ, **COLUMNS[column]})
    if p.returncode:
        print("  " + p.stderr.strip().splitlines()[-1], file=sys.stderr)
        return None
    return json.loads(p.stdout.splitlines()[-1])


def best_layout(machine, column, model, mode, batch, o):
    """PyTorch's fastest configuration of a cell, found once a machine and kept in layouts.json of the cache, where one that failed
    has its last words in place of its speed. Crashed if all did."""
    store = CACHE / "layouts.json"
    kept = json.loads(store.read_text()) if store.exists() else {}
    speed = kept.setdefault(f"{machine} {column}/{model}/{mode}/{batch}", {})
    ran = lambda s: {layout: x for layout, x in s.items() if not isinstance(x, str)}
    others = [ran(s) for cell, s in kept.items() if f"/{model}/{mode}/" in cell]
    contiguous = [s["contiguous"] / s["channels_last"] for s in others if {"contiguous", "channels_last"} <= s.keys()]
    for layout in LAYOUTS:
        if layout == "contiguous" and contiguous and max(contiguous) < 0.75:
            continue  # far behind in another cell of the network
        if layout not in speed or o.redo and isinstance(speed[layout], str):
            try:
                speed[layout] = torch_img_s(column, model, mode, layout, batch, o.threads, seconds=2)
            except Crashed as e:
                speed[layout] = str(e)
                print(f"  PyTorch, {layout}: {e}", file=sys.stderr)
            store.write_text(json.dumps(kept, indent=1))
    if not ran(speed):
        raise Crashed("; ".join(f"{layout}: {e}" for layout, e in speed.items()))
    return max(ran(speed), key=speed.get)


def measure(exe, machine, column, model, mode, batch, o):
    cell = column, model, mode, best_layout(machine, column, model, mode, batch, o), batch, o.threads
    found = {"layout": cell[3], "graft": [], "torch": [], "roof": []}
    with contextlib.ExitStack() as held:
        if mode == "train":  # its speed differs from process to process, by half for some networks
            torch = lambda: torch_img_s(*cell, seconds=o.seconds)
        else:
            torch = functools.partial(held.enter_context(Torch(*cell)).img_s, o.seconds)
        for _ in range(o.rounds):
            g = graft(exe, column, model, mode, batch, o.threads, o.seconds)
            if g is None:
                return {"unsupported": True}
            found["graft"].append(g[mode + "_img_s"])
            found["roof"].append(g[mode + "_roof"])
            found["torch"].append(torch())
    if mode == "train":  # inference asks for little
        found["kept"] = torch_img_s(*cell, seconds=o.seconds, env=KEEP_MEMORY)
    return found


def measured(*cell):
    """measure's result, or why PyTorch has none."""
    try:
        return measure(*cell)
    except Crashed as e:
        return {"failed": str(e)}


def ratios(cell):
    return [x / y for x, y in zip(cell["graft"], cell["torch"])]


def row(name, cell):
    """A table row; name is COLUMN/MODEL/MODE/BATCH."""
    column, model, mode, batch = name.split("/")
    want = target(column, model, mode, int(batch))
    if cell.get("unsupported"):
        return f"| {column} | {model} | {mode}, batch {batch} | not supported by this graft | | {want:.1f} | | | |"
    if "failed" in cell:
        said = cell["failed"].replace("|", "\\|")
        return f"| {column} | {model} | {mode}, batch {batch} | | PyTorch fails ({said}) | {want:.1f} | | | |"
    r, med = ratios(cell), statistics.median
    bold = "**" if med(r) >= want else ""
    kept = f"{cell['kept']:.1f} | {med(cell['graft']) / cell['kept']:.2f}" if "kept" in cell else "|"
    return (f"| {column} | {model} | {mode}, batch {batch} | {med(cell['graft']):.1f} | {med(cell['torch']):.1f} ({cell['layout']}) | {want:.1f} "
            f"| {bold}{med(r):.2f}{bold} ({min(r):.2f}-{max(r):.2f}) | {100 * med(cell['roof']):.0f} % | {kept} |")


HEAD = "| column | model | | graft img/s | PyTorch img/s | target | ratio, median (spread) | graft of its peak | PyTorch, memory kept | ratio |\n|---|---|---|---|---|---|---|---|---|---|"


def chart(results):
    """Bars of the ratios, a tick at each target, as SVG."""
    rows = [(n, statistics.median(ratios(c)), target(*n.split("/")[:3], int(n.split("/")[3]))) for n, c in results.items() if "graft" in c]
    scale, left, h = 90, 250, 18
    most = max([r for _, r, _ in rows] + [t for _, _, t in rows] + [1])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + most * scale + 70:.0f}" height="{len(rows) * h + 30}" '
           'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
           '<text x="6" y="14">speed over PyTorch, line = target</text>']
    for i, (name, r, want) in enumerate(rows):
        y = 24 + i * h
        out.append(f'<text x="6" y="{y + 12}">{name}</text><rect x="{left}" y="{y + 2}" width="{r * scale:.1f}" height="{h - 5}" '
                   f'fill="{"#2a7" if r >= want else "#c84"}"/><line x1="{left + want * scale:.1f}" x2="{left + want * scale:.1f}" y1="{y}" y2="{y + h - 1}" '
                   f'stroke="black"/><text x="{left + max(r, want) * scale + 6:.1f}" y="{y + 12}">{r:.2f}</text>')
    return "\n".join(out + ["</svg>", ""])


def write(results, machine):
    docs = ROOT / "docs/performance.md"
    text = docs.read_text()
    begin, end = "<!-- peer: written by bench/peer/peer.py -->\n", "<!-- /peer -->\n"
    if begin not in text:
        text += f"\n## Against PyTorch\n\n{begin}{end}"
    table = "\n".join([f"On {machine}. Bold: the target is reached.\n", "![ratios](peer.svg)\n", HEAD] + [row(n, c) for n, c in results.items()]) + "\n"
    docs.write_text(text.split(begin)[0] + begin + table + end + text.split(end)[1])
    (ROOT / "docs/peer.svg").write_text(chart(results))


def processor():
    """Name and the instruction sets that matter here."""
    try:
        info = pathlib.Path("/proc/cpuinfo").read_text()
        name = next(l.split(":")[1].strip() for l in info.splitlines() if l.startswith("model name"))
        flags = next(l for l in info.splitlines() if l.startswith("flags")).split()
        return name + " with " + ", ".join(f for f in ("avx2", "avx512f", "avx512_bf16") if f in flags), flags
    except (OSError, StopIteration):
        return platform.processor() or platform.machine(), []


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--only", default="", help="substrings of COLUMN/MODEL/MODE/BATCH, separated by commas")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--seconds", type=float, default=4)
    a.add_argument("--redo", action="store_true", help="measure finished cells again")
    a.add_argument("--layouts", action="store_true", help="choose PyTorch's configurations only")
    a.add_argument("--write", action="store_true", help="write docs/performance.md and docs/peer.svg")
    o = a.parse_args()
    exe = str(ROOT / "bin/graft")
    subprocess.run(["go", "build", "-o", exe, "./cmd/graft"], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    machine, flags = processor()
    kept, store = {}, CACHE / "results.json"
    if store.exists():
        kept = json.loads(store.read_text())
    done = kept.setdefault(f"{commit} {machine}", {})
    print(HEAD)
    for name, column, model, mode, batch in cells([x for x in o.only.split(",") if x]):
        if column == "avx512" and "avx512f" not in flags or column == "bf16" and "avx512_bf16" not in flags:
            continue
        if o.layouts or name not in done or o.redo:
            if o.layouts:
                try:
                    print(name, best_layout(machine, column, model, mode, batch, o), flush=True)
                except Crashed as e:
                    print(name, e, flush=True)
                continue
            done[name] = measured(exe, machine, column, model, mode, batch, o)
            CACHE.mkdir(parents=True, exist_ok=True)
            store.write_text(json.dumps(kept, indent=1))
        print(row(name, done[name]), flush=True)
    if o.write:
        order = [n for n, *_ in cells([]) if n in done]
        write({n: done[n] for n in order}, f"{machine}, {o.threads} threads, commit {commit}")


if __name__ == "__main__":
    main()
