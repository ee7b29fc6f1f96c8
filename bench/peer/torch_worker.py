"""Times PyTorch's CPU training step or inference: torch_worker.py MODEL MODE LAYOUT BATCH THREADS PRECISION.

MODE is train or infer, LAYOUT contiguous, channels_last or compiled (channels_last under
torch.compile), PRECISION fp32 or bf16 (autocast).  The process holds one network, as a job
does, since what its allocator was asked for before changes its speed.  Each line of
standard input is a number of seconds, answered with {"img_s": ...}: the median over that
long of the images a second.  Two steps of warm-up go before the first, then a line says
that it is ready.  The step is what graft does: zero_grad, forward, cross-entropy, backward,
SGD with momentum and weight decay in two groups.
"""
import importlib.util
import json
import pathlib
import statistics
import sys
import time

import torch
import torchvision


HEADS = ("fc.", "classifier.", "heads.", "linear.")
SIZES = {"resnet20": 32}


def network(model, classes):
    """torchvision's network, or where it has none the one that made the golden numbers."""
    if hasattr(torchvision.models, model):
        return getattr(torchvision.models, model)(num_classes=classes)
    path = pathlib.Path(__file__).resolve().parents[2] / "testdata/golden/networks/generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    torch.set_default_dtype(torch.float32)
    generate.CLASSES = classes
    return generate.build(model)


def stepper(model, mode, layout, batch, precision):
    """A function that does one step."""
    torch.manual_seed(0)
    fmt = torch.contiguous_format if layout == "contiguous" else torch.channels_last
    cast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    net = network(model, 10).to(memory_format=fmt)
    run = torch.compile(net) if layout == "compiled" else net
    side = SIZES.get(model, 224)
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=fmt)
    if mode == "infer":
        net.eval()

        def step():
            with torch.inference_mode(), cast():
                run(x)
        return step
    net.train()
    y = torch.randint(0, 10, (batch,))
    head = [p for n, p in net.named_parameters() if n.startswith(HEADS)]
    body = [p for n, p in net.named_parameters() if not n.startswith(HEADS)]
    opt = torch.optim.SGD([{"params": body}, {"params": head, "lr": 1e-2}], lr=1e-3, momentum=0.9, weight_decay=1e-3)

    def step():
        opt.zero_grad(set_to_none=True)
        with cast():
            loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        opt.step()
    return step


def median_step(step, seconds):
    """Seconds of a step, of three steps at least."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    return statistics.median(times)


model, mode, layout, batch, threads, precision = sys.argv[1:]
torch.set_num_threads(int(threads))
assert torch.get_num_threads() == int(threads)
step = stepper(model, mode, layout, int(batch), precision)
for _ in range(2):
    step()
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps({"img_s": int(batch) / median_step(step, float(line)), "torch": torch.__version__}), flush=True)
