#!/usr/bin/env python3
"""Exported ONNX files beside the models they were made of.

    python3 bench/onnx/check.py [--models A,B] [--pictures DIR] [--data DATA] [--limit N] [--speed]

Installs onnx and onnxruntime into the cache folder (GRAFT_ONNX_CACHE, default ~/.cache/graft-onnx) once; without a package index it skips,
saying so. Each model is trained a few steps from random weights (squeezenet1_1 from its own), some filled with random numbers, so that answers
differ between pictures. onnx's checker and strict shape inference must pass; onnxruntime's logits, fed the tensors that
`graft predict --tensors` writes, lie within 1e-4 of their size, probabilities from decoded 8-bit pixels within 1e-2. The model card is held
against Hugging Face's rules. --speed measures onnxruntime on 2 threads beside `graft bench`.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("GRAFT_ONNX_CACHE", pathlib.Path.home() / ".cache/graft-onnx"))
GRAFT = str(ROOT / "bin/graft")
LAST = "model.safetensors"  # of a run
FILLED = ("convnext_tiny", "vit_b_16", "mobilenet_v2")
FAMILIES = "resnet18,squeezenet1_1,mobilenet_v2,efficientnet_b0,convnext_tiny,vit_b_16,regnet_y_400mf,resnext50_32x4d,tf_efficientnet_lite0,resnet20"


def python():
    """An interpreter with onnxruntime, installed on the first call; None where it cannot be had."""
    exe = CACHE / "venv/bin/python"
    have = [str(exe), "-c", "import onnx, onnxruntime, safetensors, PIL, huggingface_hub"]
    if exe.exists() and subprocess.run(have, capture_output=True).returncode == 0:
        return str(exe)
    subprocess.run([sys.executable, "-m", "venv", str(CACHE / "venv")], check=True)
    done = subprocess.run([str(exe), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")], capture_output=True, text=True)
    if done.returncode == 0:
        return str(exe)
    print("skipped: onnx and onnxruntime are missing and could not be installed:", done.stderr.strip().splitlines()[-1:])
    return None


def filled(path):
    """Replaces a model file's weights by random ones: layer scales of 1e-6 would hide ConvNeXt's blocks, and MobileNetV2 begins with one answer for all."""
    import numpy
    from safetensors import safe_open
    from safetensors.numpy import save_file
    with safe_open(path, "numpy") as f:
        tensors, meta = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()
    draw = numpy.random.default_rng(1)
    for name, t in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        v = draw.uniform(-1, 1, t.shape)
        fan = max(t.size // t.shape[0], 1)
        v = v * (6 / fan) ** 0.5 if t.ndim > 1 and "layer_scale" not in name else 1 + 0.1 * v if name.endswith("weight") else 1 + 0.5 * abs(v) if name.endswith("running_var") else 0.1 * v
        tensors[name] = v.astype(t.dtype)
    save_file(tensors, path, meta)


def make(model, data, folder):
    """A model file of the network whose answers differ between pictures."""
    run = folder / model
    some = [] if model == "squeezenet1_1" else ["--weights", "none", "--limit", "8"]
    # Running statistics take some thirty steps to follow the data; before, all pictures get one answer.
    epochs = "1" if model in ("squeezenet1_1", *FILLED) else "12"
    subprocess.run([GRAFT, "train", data, "--model", model, "--recipe", "plain", "--epochs", epochs, "--batch", "8", "--out", str(run), *some],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if model in FILLED:
        filled(run / LAST)
    return run


def session(path, threads=0):
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])


def checked(path):
    import onnx
    m = onnx.load(path)
    onnx.checker.check_model(m, full_check=True)
    onnx.shape_inference.infer_shapes(m, check_type=True, strict_mode=True, data_prop=True)


def pictures(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))


def softmax(v):
    import numpy
    e = numpy.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def check(model, a, folder):
    """Exports one model both ways and compares; returns the figures."""
    import numpy
    from PIL import Image
    from safetensors.numpy import load_file
    run = make(model, a.data, folder)
    proof = [sys.executable, "--prove", str(a.pictures)]
    for name, more in (("float.onnx", []), ("pixels.onnx", ["--with-preprocess"])):
        subprocess.run([GRAFT, "export", str(run / LAST), "--out", str(run / name), "--python", *proof, *more], check=True)
        checked(run / name)
    files = pictures(a.pictures)[:: max(len(pictures(a.pictures)) // a.limit, 1)][: a.limit]
    subprocess.run([GRAFT, "predict", str(run / LAST), *map(str, files), "--precision", "fp32", "--tensors", str(folder / "t.safetensors")], check=True)
    t = load_file(folder / "t.safetensors")
    flat, pix = session(run / "float.onnx"), session(run / "pixels.onnx")
    got = numpy.concatenate([flat.run(["logits"], {"input": t["input"][i:i + 32]})[0] for i in range(0, len(files), 32)])
    off = float(numpy.abs(got - t["logits"]).max() / numpy.abs(t["logits"]).max())
    # How far answers differ between pictures, which is what an error would have to hide in.
    spread = float(numpy.abs(t["logits"] - t["logits"].mean(0)).max() / numpy.abs(t["logits"]).max())
    probs = numpy.concatenate([softmax(pix.run(["logits"], {"pixels": numpy.asarray(Image.open(f).convert("RGB"))[None]})[0]) for f in files])
    far = float(numpy.abs(probs - softmax(t["logits"])).max())
    labels = float((got.argmax(1) == t["logits"].argmax(1)).mean())
    print(f"{model}: {len(files)} pictures, logits off by {off:.1e} of the largest (pictures differ by {spread:.1e}), labels agree {labels:.1%}, from pixels {far:.1e} of probability", flush=True)
    if not (off <= 1e-4 and far <= 1e-2):
        sys.exit(f"{model}: onnxruntime answers otherwise")
    if spread < 100 * max(off, 1e-4):
        sys.exit(f"{model}: all pictures get the same answer, which proves nothing")
    card(run / "README.md")
    return run


def card(path):
    from huggingface_hub import ModelCard
    data = ModelCard.load(path).data
    assert data.pipeline_tag == "image-classification" and data.library_name == "onnx", data


def speed(model, run):
    """Pictures a second: onnxruntime's and graft's, one after the other, on 2 threads."""
    import numpy
    s = session(run / "float.onnx", 2)
    for batch in (32, 1):
        x = numpy.random.default_rng(0).normal(size=(batch, *s.get_inputs()[0].shape[1:])).astype("float32")
        s.run(["logits"], {"input": x})
        rates, until = [], time.perf_counter() + 3
        while time.perf_counter() < until or len(rates) < 3:
            start = time.perf_counter()
            s.run(["logits"], {"input": x})
            rates.append(batch / (time.perf_counter() - start))
        out = subprocess.run([GRAFT, "bench", model, "--batch", str(batch), "--threads", "2", "--only", "infer", "--precision", "fp32", "--json"],
                             check=True, capture_output=True, text=True).stdout
        ours, theirs = json.loads(out)["infer_img_s"], sorted(rates)[len(rates) // 2]
        print(f"{model}: batch {batch}: onnxruntime {theirs:.1f}, graft {ours:.1f} pictures a second, ratio {ours / theirs:.2f}", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--models", default=FAMILIES)
    p.add_argument("--data", default="clothing")
    p.add_argument("--pictures", type=pathlib.Path)
    p.add_argument("--limit", type=int, default=16)
    p.add_argument("--speed", action="store_true")
    p.add_argument("--only-speed", type=pathlib.Path, help="folder of an earlier --keep")
    p.add_argument("--keep", type=pathlib.Path, help="folder to leave the runs in")
    a = p.parse_args()
    exe = python()
    if exe is None:
        return
    if pathlib.Path(sys.prefix).resolve() != (CACHE / "venv").resolve():
        sys.exit(subprocess.run([exe, *sys.argv]).returncode)
    with tempfile.TemporaryDirectory() as temporary:
        folder = a.keep or pathlib.Path(temporary)
        folder.mkdir(exist_ok=True)
        if a.pictures is None:  # the test photographs inside the program
            import zipfile
            with zipfile.ZipFile(ROOT / "internal/dataset/clothing.zip") as z:
                z.extractall(folder / "photos", [n for n in z.namelist() if n.startswith("test/")])
            a.pictures = folder / "photos"
        for model in a.models.split(","):
            run = a.only_speed / model if a.only_speed else check(model, a, folder)
            if a.speed or a.only_speed:
                speed(model, run)


main()
