"""Estimate how long the presets would take on this machine, by a measurement of some seconds and a cost model.

Three times are measured with the code that training uses: one image through a frozen encoder, one text through a frozen
encoder, and a training step of MiniLM's last three layers (per pair). The cost model counts how often each of these
occurs (docs/check.md). The remaining time (probes, stacker, heads, start-up) was measured on the reference machine. The
remaining time is scaled by the speed of matrix products.
"""

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmsent_cli.compute.device import Resources
from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import Facts, ModelConfig, ResolvedModel, resolve_model
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.registry import build_image_encoder, build_text_encoder
from mmsent_cli.features.column import Column
from mmsent_cli.progress import Progress, Stage, silent

PAIRS, PREDICTED_PAIRS = 4000, 10_000
SECONDS = 10.0
CLOCK_SECONDS = 30.0
"""Limits of the measurement: processor time, and elapsed time, which is longer on a busy machine. After either limit,
no further part is measured."""
WARM_UP, IMAGES, TEXTS, CHUNKS = 8, 32, 256, 2
IMAGE_SIDES = (384, 320)
"""Width and height in pixels of the test images: the median of the data set MVSA-Single."""
WORDS = 13
STEP_PAIRS, STEP_TOKENS, STEPS = 32, 24, 3
FAST_PX, BEST_PX = 256, 320
MPNET_TO_MINILM = 8.0
"""MPNet needs this many times the operations of MiniLM per token. MPNet has twice the layers (factor 2) and twice the
width (factor 4)."""
FOLDS, BEST_EPOCHS = 5, 3
EFFICIENCY = 0.8
"""Speed-up by several threads, divided by the number of threads."""
REFERENCE_GFLOPS = 100.0
REFERENCE_REST = {"fast": 41.0, "best": 127.0}
"""Seconds of the times in README.md that the cost model does not explain."""
REFERENCE_THREADS = 2


@dataclass(frozen=True, slots=True)
class UnitSeconds:
    """Measured seconds per item, and the speed of matrix products in fp32.

    Attributes:
        image: an image of 256 pixels through EfficientNet-Lite0, with decoding.
        text: a text of 13 words through MiniLM.
        step: a training step of MiniLM's last three layers, per pair.
        gflops: billions of operations per second on one core, in fp32.
        threads: number of threads that compute.
    """

    image: float
    text: float
    step: float
    gflops: float
    threads: int


def preset_seconds(unit: UnitSeconds, pairs: int = PAIRS) -> dict[str, float]:
    """Return the estimated seconds of `train` from raw files, for the presets `fast` and `best`."""
    slower = REFERENCE_GFLOPS / max(unit.gflops, 1.0) * _speed_up(REFERENCE_THREADS) / _speed_up(unit.threads)
    rest = {name: seconds * slower * pairs / PAIRS for name, seconds in REFERENCE_REST.items()}
    fast = pairs * (unit.image + unit.text)
    # Images at 320 pixels. Texts: MiniLM for a probe, half of MiniLM for the frozen layers, and MPNet.
    best = pairs * (unit.image * (BEST_PX / FAST_PX) ** 2 + unit.text * (1.5 + MPNET_TO_MINILM))
    trained = pairs * (FOLDS - 1) * BEST_EPOCHS * unit.step
    return {"fast": fast + rest["fast"], "best": best + trained + rest["best"]}


def predict_seconds(unit: UnitSeconds, pairs: int = PREDICTED_PAIRS) -> dict[str, float]:
    """Return the estimated seconds of `predict` from raw files, for the presets `fast` and `best`, without start-up."""
    fast, best = unit.image + unit.text, unit.image * (BEST_PX / FAST_PX) ** 2 + unit.text * (1.5 + MPNET_TO_MINILM)
    return {"fast": pairs * fast, "best": pairs * best}


def measure_units(resources: Resources, gflops: float, progress: Progress = silent) -> UnitSeconds | None:
    """Measure the times of this machine. Returns None if the time limit is reached before all parts are measured.

    Args:
        resources: device, engine, weights.
        gflops: speed of matrix products on one core, in fp32.
        progress: receives the number of measured parts.

    Raises:
        WeightsUnavailable: the weights of MiniLM or EfficientNet-Lite0 are not on this machine.
    """
    begun = time.process_time(), time.perf_counter()
    frozen = _model(freeze_text="all", text_encoder="minilm-layers")
    times = []
    with tempfile.TemporaryDirectory(prefix="mmsent-env-") as folder:
        for part in (
            lambda: _column(build_text_encoder(frozen, resources.weights, None), _texts(), resources, Path(folder)),
            lambda: _column(build_image_encoder(frozen, resources.weights), _images(), resources, Path(folder)),
            lambda: _step(build_text_encoder(_model(freeze_text="3"), resources.weights, None), resources),
        ):
            if time.process_time() - begun[0] > SECONDS or time.perf_counter() - begun[1] > CLOCK_SECONDS:
                return None
            times.append(part())
            progress(Stage("measuring", len(times), 3, "part"))
    text, image, step = times
    return UnitSeconds(image=image, text=text, step=step, gflops=gflops, threads=torch.get_num_threads())


def _model(**settings: str) -> ResolvedModel:
    wanted = {"encoders": "compact", "image_encoder": "efficientnet-lite0-stages", "image_size_px": FAST_PX}
    return resolve_model(ModelConfig(**{**wanted, **settings}), Facts())


def _column(encoder: Encoder, sources: Sequence[str | bytes], resources: Resources, store: Path) -> float:
    """Return the seconds that the encoder needs per text or image, as in training. The first few are not timed."""
    threads = torch.get_num_threads() if resources.compute.device_type == "cpu" else 0
    keys = [f"{number:032x}" for number in range(len(sources))]

    def fill(part: slice) -> float:
        column = Column(encoder, keys[part], store, resources.compute)
        return _seconds(lambda: column.fill(sources[part], (), silent), threads)

    fill(slice(WARM_UP))
    seconds, done, chunk = 0.0, 0, (len(sources) - WARM_UP) // CHUNKS
    while done < chunk * CHUNKS and seconds < SECONDS / 4:
        start = WARM_UP + done
        seconds, done = seconds + fill(slice(start, start + chunk)), done + chunk
    return seconds / done


def _step(encoder: Encoder, resources: Resources) -> float:
    """Return the seconds per pair in the fastest of a few training steps. On a CPU, only one thread is used."""
    device = resources.compute.device
    encoder.to(device).train()
    optimizer = torch.optim.AdamW([each for each in encoder.parameters() if each.requires_grad])
    shape = (STEP_PAIRS, STEP_TOKENS)
    ids = torch.randint(1000, 20000, shape, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        stored = encoder.prefix(Activations(ids, torch.ones_like(ids, dtype=torch.bool)), encoder.frozen)

    def step() -> None:
        with resources.compute.autocast():
            loss = encoder.suffix(stored, encoder.frozen).pooled.float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits until the GPU has computed the value

    if resources.compute.device_type != "cpu":
        return min(_seconds(step, 0) for _ in range(STEPS)) / STEP_PAIRS
    every = torch.get_num_threads()
    with torch_threads(1):
        return min(_seconds(step, every) for _ in range(STEPS)) / STEP_PAIRS


def _seconds(work: Callable[[], object], threads: int) -> float:
    """Return the seconds that some work takes.

    If `threads` is 0, this is the elapsed time. Otherwise, it is the processor time, divided by the speed-up of this
    number of threads. Unlike elapsed time, processor time does not grow if other programs use the machine.
    """
    clock = time.process_time if threads else time.perf_counter
    start = clock()
    work()
    spent = clock() - start
    return spent / _speed_up(threads) if threads else spent


def _speed_up(threads: int) -> float:
    return max(1.0, EFFICIENCY * threads)


def _texts() -> list[str]:
    words = "what a day with my friends at the lake so happy to be here again thank you all never forget"
    random = np.random.default_rng(0)
    lengths = random.integers(WORDS - 6, WORDS + 7, WARM_UP + TEXTS)
    return [" ".join(random.choice(words.split(), size=length)) for length in lengths]


def _images() -> list[bytes]:
    """Make test images: a coarse pattern with noise, which compresses to the size of a usual JPEG."""
    from PIL import Image

    random, images = np.random.default_rng(0), []
    for _ in range(WARM_UP + IMAGES):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize(IMAGE_SIDES, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
        images.append(buffer.getvalue())
    return images
