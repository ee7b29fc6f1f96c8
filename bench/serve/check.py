#!/usr/bin/env python3
"""Proves that an existing client of KServe's and Triton's v2 protocol gets right answers.

Trains a small SqueezeNet on the built-in photographs, starts graft serve, and asks it with
tritonclient[http]: pictures in binary and tensors in binary and JSON, one at a time and
together, asynchronously, by class. Every probability must be graft predict's, bit for bit.
tritonclient is installed once into a cache folder; where it cannot be had, this says so and
is skipped.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "graft-serve"
PACKAGES = ["tritonclient[http]==2.73.0", "numpy==2.4.6"]


def client_python():
    """The interpreter of a virtual environment that has the client."""
    python = CACHE / "venv/bin/python"
    done = CACHE / "installed"
    if not done.exists() or done.read_text() != " ".join(PACKAGES):
        venv.create(CACHE / "venv", with_pip=True, clear=True)
        got = subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, text=True)
        if got.returncode != 0:
            print("skipped: tritonclient cannot be installed here:", got.stderr.strip().splitlines()[-1])
            sys.exit(0)
        done.write_text(" ".join(PACKAGES))
    return str(python)


def main():
    python = client_python()
    graft = str(ROOT / "bin/graft")
    with tempfile.TemporaryDirectory() as folder:
        run, photos = folder + "/clothing", folder + "/photos"
        subprocess.run([graft, "train", "clothing", "--model", "squeezenet1_1", "--recipe", "plain", "--freeze", "all", "--epochs", "1", "--out", run, "--json"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-m", "zipfile", "-e", str(ROOT / "internal/dataset/clothing.zip"), photos], check=True)
        files = sorted(str(p) for p in pathlib.Path(photos).rglob("*.jpg"))[::20]
        said = subprocess.run([graft, "predict", run, *files, "--json"], check=True, capture_output=True, text=True).stdout
        tensors = folder + "/tensors.safetensors"
        subprocess.run([graft, "predict", run, *files, "--tensors", tensors], check=True)
        server = subprocess.Popen([graft, "serve", "clothing=" + run, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = server.stdout.readline().strip().removeprefix("http://").rstrip("/")
            (pathlib.Path(folder) / "want.jsonl").write_text(said)
            subprocess.run([python, __file__, "ask", url, folder + "/want.jsonl", tensors], check=True)
        finally:
            server.terminate()
            if server.wait(30) != 0:
                sys.exit("graft serve ended with %d" % server.returncode)


def ask(url, want_file, tensor_file):
    import numpy as np
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

    want = [json.loads(line) for line in open(want_file)]
    files = [open(w["path"], "rb").read() for w in want]
    c = triton.InferenceServerClient(url, concurrency=8)
    assert c.is_server_live() and c.is_server_ready() and c.is_model_ready("clothing") and not c.is_model_ready("none")
    assert {"binary_tensor_data", "classification"} <= set(c.get_server_metadata()["extensions"])
    meta = c.get_model_metadata("clothing")
    shapes = {t["name"]: (t["datatype"], t["shape"]) for t in meta["inputs"] + meta["outputs"]}
    assert shapes == {"image": ("BYTES", [-1, 1]), "input": ("FP32", [-1, 3, 224, 224]), "logits": ("FP32", [-1, 3]), "probabilities": ("FP32", [-1, 3]), "labels": ("BYTES", [-1, 1])}, shapes

    raw = open(tensor_file, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n])
    read = lambda name: np.frombuffer(raw[8 + n:][slice(*header[name]["data_offsets"])], np.float32).reshape(header[name]["shape"])
    x, logits = read("input"), read("logits")
    assert len(x) == len(files)

    classes = sorted(t["label"] for t in want[0]["topk"])
    probs = np.array([[{t["label"]: t["prob"] for t in w["topk"]}[k] for k in classes] for w in want], np.float32)
    labels = [w["label"] for w in want]

    def image(part, binary=True):
        i = triton.InferInput("image", [len(part), 1], "BYTES")
        i.set_data_from_numpy(np.array([[f] for f in part], dtype=object), binary_data=binary)
        return [i]

    def tensor(part, binary):
        i = triton.InferInput("input", list(part.shape), "FP32")
        i.set_data_from_numpy(part, binary_data=binary)
        return [i]

    def same(r, at):
        assert np.array_equal(r.as_numpy("probabilities"), probs[at]), (r.as_numpy("probabilities"), probs[at])
        assert np.array_equal(r.as_numpy("logits"), logits[at])
        assert [v.decode() if isinstance(v, bytes) else v for v in r.as_numpy("labels")[:, 0]] == labels[at]

    whole = slice(0, len(files))
    same(c.infer("clothing", image(files)), whole)
    same(c.infer("clothing", tensor(x, True), model_version="1"), whole)
    same(c.infer("clothing", tensor(x[:1], False)), slice(0, 1))
    in_json = [triton.InferRequestedOutput(name, binary_data=False) for name in ("logits", "probabilities", "labels")]
    same(c.infer("clothing", image(files[:2]), outputs=in_json), slice(0, 2))
    waits = [c.async_infer("clothing", image([f])) for f in files]
    for k, w in enumerate(waits):
        same(w.get_result(), slice(k, k + 1))
    top = c.infer("clothing", image(files), outputs=[triton.InferRequestedOutput("probabilities", class_count=1)]).as_numpy("probabilities")
    assert [v.decode().split(":")[2] for v in top[:, 0]] == labels
    try:
        c.infer("clothing", image([b"no picture"]))
        raise AssertionError("what is no picture was answered")
    except InferenceServerException as e:
        assert e.status() == "415" and "not a picture" in e.message(), e
    print(f"tritonclient: {len(files)} pictures, as files and as tensors, together and {len(files)} at once: the bits of graft predict")


if __name__ == "__main__":
    ask(*sys.argv[2:]) if sys.argv[1:2] == ["ask"] else main()
