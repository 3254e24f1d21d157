#!/usr/bin/env bash
# Tests and measurements on a machine with a GPU, in about ten minutes: needs no network, uses random weights of full size.
# usage: benchmarks/gpu.sh [pairs]; mmsent and pytest must be installed. The numbers go to standard output.
# DEVICE=cpu SMALL=1 benchmarks/gpu.sh 24 runs every line without a GPU, with tiny networks: it measures nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
pairs=${1:-2500}
device=${DEVICE:-cuda}
small=${SMALL:+--small}
quick=${SMALL:+--limit 40 --epochs 1}
export HF_HUB_OFFLINE=1
count=2
if [ "$device" != cpu ]; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
    count=$(nvidia-smi --list-gpus | wc -l)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
train() { # run folder, options: prints the digest of the best model's weights
    local runs=$1
    shift
    # shellcheck disable=SC2086
    "$python" -W error::UserWarning:torch.optim -m mmsent_cli train --data data/sample $quick --runs-dir "$runs" "$@" >"$work/out.txt"
    "$python" - "$runs" <<'PY'
import hashlib, json, sys, torch
from pathlib import Path
(path,) = Path(sys.argv[1]).glob("2*/best_model.pt")
digest = hashlib.sha256()
for name, tensor in sorted(torch.load(path, weights_only=True)["state"].items()):
    digest.update(name.encode() + tensor.numpy().tobytes())
result = json.loads(path.with_name("result.json").read_text())
print(digest.hexdigest()[:16], f"{result['seconds']:.1f} s", f"{result.get('gpu_memory_bytes', 0) / 1e9:.2f} GB")
PY
}

echo "== tests on the GPU"
"$python" -m pytest -q -p no:xdist -m gpu tests/training/test_gpu.py

echo "== frozen part, fine-tuning beside a plain loop with 12 loader workers, fusions, stage times and utilisation"
# shellcheck disable=SC2086
"$python" -m benchmarks --device "$device" --pairs "$pairs" $small

echo "== light twice with the same command: the digests of the weights must be equal; the third may be faster and differ"
train "$work/one" --encoders light --device "$device"
train "$work/two" --encoders light --device "$device"
train "$work/free" --encoders light --device "$device" --no-deterministic

echo "== precisions, a batch that is halved until it fits, and a compiled model"
for precision in fp32 bf16 $([ "$device" = cpu ] || echo fp16); do
    train "$work/$precision" --encoders light --device "$device" --precision "$precision"
done
train "$work/batch" --encoders light --device "$device" --auto-batch --batch-size 1024
if [ "$device" != cpu ]; then
    train "$work/compiled" --encoders light --device "$device" --compile
fi

if [ "$count" -gt 1 ]; then
    echo "== $count processes train one model"
    # shellcheck disable=SC2086
    "$python" -m torch.distributed.run --nproc_per_node "$count" -m mmsent_cli train --data data/sample --encoders light \
        --device "$device" $quick --runs-dir "$work/many"
    echo "== an experiment with a model on each of $count devices"
    # shellcheck disable=SC2086
    "$python" -m mmsent_cli compare-fusions --data data/sample --encoders light --fusions concat,gmu --seeds 2 \
        --device "$device" --jobs "$count" $quick --runs-dir "$work/spread"
fi
