#!/usr/bin/env bash
# Tests and measurements on a machine with a GPU, in about ten minutes: needs no network, uses random weights of full size.
# usage: benchmarks/gpu.sh [pairs]; mmsent and pytest must be installed. The numbers go to standard output.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
pairs=${1:-2500}
export HF_HUB_OFFLINE=1
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== tests on the GPU"
"$python" -m pytest -q -p no:xdist -m gpu tests/training/test_gpu.py

echo "== features and training of BERT-base and ResNet18, seven fusions, beside a plain loop on the CPU"
"$python" -m benchmarks --pairs "$pairs" --only true-size --only fusions

echo "== light, two runs with the same command: their weights must be the same bytes"
for run in one two; do
    "$python" -m mmsent_cli train --data data/sample --encoders light --device cuda --runs-dir "$work/$run" >"$work/$run.txt"
    "$python" - "$work/$run" <<'PY'
import hashlib, sys, torch
from pathlib import Path
(path,) = Path(sys.argv[1]).glob("2*/best_model.pt")
digest = hashlib.sha256()
for name, tensor in sorted(torch.load(path, weights_only=True)["state"].items()):
    digest.update(name.encode() + tensor.numpy().tobytes())
print(digest.hexdigest())
PY
done

count=$(nvidia-smi --list-gpus | wc -l)
if [ "$count" -gt 1 ]; then
    echo "== $count processes train one model"
    "$python" -m torch.distributed.run --nproc_per_node "$count" -m mmsent_cli train --data data/sample --encoders light \
        --device cuda --runs-dir "$work/many"
fi
