#!/usr/bin/env python3
"""The whole hotdog job, Graft's and PyTorch's: squeezenet1_1, 5 epochs, decoding included.

    python3 bench/peer/job.py [--data ../shared/data/hotdog] [--weights ../shared/weights/squeezenet1_1-imagenet.pth] [--rounds 3]

Both start from the same weights with the same recipe, plain (batch 64, SGD, body 0.001, output layer 0.01, weight decay 0.001), and
evaluate after every epoch. PyTorch runs in channels_last with as many loader workers as there are processors, fp32. Then graft
in its fastest precision, and with recipe fast, once a seed. Seconds are of the whole process.
"""
import argparse, json, os, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

TORCH = r'''
import os, sys, torch, torchvision
from torchvision import transforms as T
data, weights, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.manual_seed(seed)
norm = T.Normalize([.485, .456, .406], [.229, .224, .225])
learn = torchvision.datasets.ImageFolder(data + '/train', T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), norm]))
held = torchvision.datasets.ImageFolder(data + '/test', T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), norm]))
workers = dict(num_workers=os.cpu_count(), persistent_workers=True)
train = torch.utils.data.DataLoader(learn, 64, shuffle=True, **workers)
test = torch.utils.data.DataLoader(held, 64, **workers)
m = torchvision.models.squeezenet1_1()
m.load_state_dict(torch.load(weights))
m.classifier[1] = torch.nn.Conv2d(512, 2, 1)
torch.nn.init.xavier_uniform_(m.classifier[1].weight)
m = m.to(memory_format=torch.channels_last)
head = list(m.classifier[1].parameters())
body = [p for n, p in m.named_parameters() if not n.startswith('classifier.1')]
opt = torch.optim.SGD([{'params': body}, {'params': head, 'lr': 1e-2}], lr=1e-3, momentum=.9, weight_decay=1e-3)
best = 0
for epoch in range(5):
    m.train()
    for x, y in train:
        loss = torch.nn.functional.cross_entropy(m(x.to(memory_format=torch.channels_last)), y)
        opt.zero_grad(); loss.backward(); opt.step()
    m.eval(); right = 0
    with torch.no_grad():
        for x, y in test: right += (m(x.to(memory_format=torch.channels_last)).argmax(1) == y).sum().item()
    best = max(best, right / len(held))
print(best)
'''


def timed(command):
    start = time.time()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.time() - start, out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', default=os.path.join(ROOT, '../shared/data/hotdog'))
    p.add_argument('--weights', default=os.path.join(ROOT, '../shared/weights/squeezenet1_1-imagenet.pth'))
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--graft', help='binary; default builds the checkout')
    a = p.parse_args()
    cache = os.environ.get('GRAFT_PEER_CACHE', os.path.expanduser('~/.cache/graft-peer'))
    python = os.path.join(cache, 'venv/bin/python')
    exe = a.graft or os.path.join(cache, 'graft')
    if not a.graft:
        subprocess.run(['go', 'build', '-o', exe, './cmd/graft'], cwd=ROOT, check=True)

    def graft(seed, *flags):
        t, out = timed([exe, 'train', a.data, '--model', 'squeezenet1_1', '--weights', a.weights, '--seed', str(seed), '--json',
                        '--out', os.path.join(cache, 'job'), '--force', *flags])
        return t, json.loads(out.splitlines()[-1])['best_test_acc']

    rows = {'PyTorch fp32': [], 'graft fp32': [], 'graft bf16': [], 'graft fast': []}
    for seed in range(a.rounds):
        for name, run in [('PyTorch fp32', lambda: timed([python, '-c', TORCH, a.data, a.weights, str(seed)])),
                          ('graft fp32', lambda: graft(seed, '--recipe', 'plain', '--precision', 'fp32')), ('graft bf16', lambda: graft(seed, '--recipe', 'plain')),
                          ('graft fast', lambda: graft(seed, '--recipe', 'fast'))]:
            t, acc = run()
            rows[name].append((t, float(acc)))
            print(f'{name:14} seed {seed}  {t:6.1f} s  test acc {float(acc):.3f}', flush=True)
    peer = statistics.median(t for t, _ in rows['PyTorch fp32'])
    for name, r in rows.items():
        t = statistics.median(t for t, _ in r)
        print(f'{name:14} {t:6.1f} s ({min(t for t, _ in r):.1f} to {max(t for t, _ in r):.1f}), {peer / t:5.2f} times as fast, '
              f'test acc {statistics.median(x for _, x in r):.3f}')


if __name__ == '__main__':
    main()
