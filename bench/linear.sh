#!/usr/bin/env bash
# Seconds, processor time and resident memory of a frozen body over ever more links to
# the same photographs, in rounds, and the medians: all should say that a picture costs the same among many.
#
#     bench/linear.sh [GRAFT [DATA [COUNTS [ROUNDS]]]]
set -euo pipefail
graft=${1:-bin/graft} data=$(realpath "${2:-../shared/data/hotdog}") counts=${3:-1000 10000 50000} rounds=${4:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/links.py" <<'E'
import os, sys
n, data, to = int(sys.argv[1]), sys.argv[2], sys.argv[3]
classes = sorted(os.listdir(f"{data}/train"))
for c in classes:
    files = sorted(os.listdir(f"{data}/train/{c}"))
    for part in ("train", "test"):
        os.makedirs(f"{to}/{part}/{c}")
    for i in range(n // len(classes)):
        os.symlink(f"{data}/train/{c}/{files[i % len(files)]}", f"{to}/train/{c}/{i:06d}.jpg")
    for f in sorted(os.listdir(f"{data}/test/{c}"))[:5]:
        os.symlink(f"{data}/test/{c}/{f}", f"{to}/test/{c}/{f}")
E
for n in $counts; do
  python3 "$work/links.py" "$n" "$data" "$work/$n"
done
for _ in $(seq "$rounds"); do
  for n in $counts; do
    # A virtual machine's first use of a page of memory can cost more than to fill it, and the kept features (25 kB a picture, once 173)
    # go through pages that no smaller run has used: they are used here before the clock starts.
    head -c "$((n * 180000))" /dev/zero > "$work/pages"
    rm "$work/pages"
    /usr/bin/time -o "$work/time" -f "%e %U %S %M" "$graft" train "$work/$n" --model squeezenet1_1 --recipe plain --freeze all --epochs 1 --cache-mb 0 --memory 600MB \
      --out "$work/run" --force > "$work/log"
    awk -v n="$n" '{ print n, 1000 * $1 / n, 1000 * ($2 + $3) / n, $4 / 1024 }' "$work/time" | tee -a "$work/rows" |
      awk '{ printf "%d pictures: %.2f ms each (%.2f of the processors), %d MB resident\n", $1, $2, $3, $4 }'
  done
done
for n in $counts; do
  awk -v n="$n" '$1 == n { print $2 }' "$work/rows" | sort -n |
    awk -v n="$n" '{ v[NR] = $1 } END { printf "%d pictures, median: %.2f ms each (%.2f to %.2f)\n", n, (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
done
