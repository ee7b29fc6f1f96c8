#!/usr/bin/env bash
# Test accuracy on hotdog over seeds: fp32 without Winograd, fp32, bf16; and the mean
# paired differences to the first. Rows already in OUT are not run again.
#
#     bench/seeds.sh [GRAFT [SEEDS [OUT [DATA]]]]
set -euo pipefail
graft=${1:-bin/graft} seeds=${2:-10} out=${3:-seeds.csv} data=${4:-../shared/data/hotdog}
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
touch "$out"
for ((seed = 0; seed < seeds; seed++)); do
  for way in direct fp32 bf16; do
    grep -q "^$seed,$way," "$out" && continue
    precision=fp32 winograd=on
    [ $way = bf16 ] && precision=bf16
    [ $way = direct ] && winograd=off
    GRAFT_WINOGRAD=$winograd "$graft" train "$data" --recipe plain --model squeezenet1_1 --epochs 5 --seed "$seed" --precision $precision --out "$run/run" --force --json |
      awk -v at="$seed,$way" -F'"test_acc":' '/"event":"done"/ { split($2, a, ","); print at "," a[1] }' >> "$out"
  done
done
awk -F, '{ acc[$1, $2] = $3; if ($1 >= n) n = $1 + 1 }
  END { for (s = 0; s < n; s++) { printf "seed %d: direct %.3f, Winograd %.3f, bf16 %.3f\n", s, acc[s, "direct"], acc[s, "fp32"], acc[s, "bf16"]
          f += acc[s, "fp32"] - acc[s, "direct"]; b += acc[s, "bf16"] - acc[s, "direct"] }
        printf "mean paired difference to fp32 direct: Winograd %+.2f points, bf16 %+.2f points\n", 100 * f / n, 100 * b / n }' "$out"
