"""Frozen stages in OpenVINO: the features of torch, the same bytes in any batch, and torch as the fallback."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mmsent_cli
from mmsent_cli import files
from mmsent_cli.compute.openvino import engine as engine_module
from mmsent_cli.compute.openvino.engine import Engine, choose_engine
from mmsent_cli.data.ocr import OcrUnavailable, require_ocr
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.batching import raw_pad, stack
from mmsent_cli.features.store_report import store_report
from tests.encoders.cases import TABLES, fresh, raw_arrays
from tests.training.builders import tiny_encoder

openvino = pytest.importorskip("openvino")
SAMPLE = Path(mmsent_cli.__file__).parents[1] / "data" / "sample" / "data"
MIN_COSINE = 0.999
WORDS = ("so", "the", "day", "was", "good", "and", "bad", "for", "us", "sun", "#before", "@today", "unbelievable")


@pytest.fixture
def engine(tmp_path):
    made, note = choose_engine("openvino", "cpu", "auto", tmp_path)
    assert note == ""
    return made


@pytest.fixture
def bert(weights_dir):
    return fresh("text", "bert", weights_dir).freeze(3).eval()


class NotInOpenVino(nn.Module):
    """A stage with an operation that OpenVINO does not have."""

    def forward(self, values, mask=None):
        return torch.linalg.eigvals(values.float().mean(dim=1)).abs()


class Alternating(nn.Module):
    """A stage with another output in each call, which no trace has."""

    calls = 0

    def forward(self, values, mask=None):
        self.calls += 1
        return values.float().mean(dim=(2, 3)) + torch.tensor([1.0, 2.0, 3.0]) * 1000 * (-1) ** self.calls


class Mean(nn.Module):
    """A stage that returns the mean color."""

    def forward(self, values, mask=None):
        return values.float().mean(dim=(2, 3))


class OneLength(nn.Module):
    """A stage whose trace has a fixed length, as with a position table that is cut by a Python number."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(99, 8), nn.Parameter(torch.randn(64, 8))

    def forward(self, values, mask=None):
        return self.words(values % 99) + self.places[torch.arange(int(values.shape[1]))]


class OneRow(nn.Module):
    """A stage whose trace returns the first text's features for all, as with an index from `len(values)`."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(99, 3)

    def forward(self, values, mask=None):
        return self.words(values % 99)[torch.arange(len(values)), mask.sum(dim=1) - 1]


class NotTraceable(nn.Module):
    """A stage that raises while it is traced."""

    def forward(self, values, mask=None):
        if torch.jit.is_tracing():
            raise TypeError("not while traced")
        return values.float().mean(dim=(2, 3))


def compact(side):
    """An encoder with its published weights, all of it stored."""
    from mmsent_cli.encoders.contract import BuildRequest

    name = {"text": "minilm", "image": "efficientnet-lite0"}[side]
    encoder = TABLES[side][name].build(BuildRequest(weights=WeightSource(offline=True)))
    return encoder.freeze(encoder.n_stages).eval()


def image_encoder(stage):
    return Encoder(name="own", inputs=ImageInputs(32), stages=[stage], pool=nn.Identity(), out_dim=3).freeze(1).eval()


def arrays(encoder, side, count):
    """Tokens of random texts, or pixels of the sample's images."""
    if side == "image":
        return encoder.inputs.arrays(sorted(SAMPLE.glob("*.jpg"))[:count])
    draw = np.random.default_rng(3)
    return encoder.inputs.arrays([" ".join(draw.choice(WORDS, draw.integers(1, 60))) for _ in range(count)])


def cosines(one, other):
    return torch.nn.functional.cosine_similarity(one.flatten(1).double(), other.flatten(1).double())


@pytest.mark.parametrize(("side", "precision"), [("text", "auto"), ("text", "fp32"), ("image", "auto")])
def test_features_are_those_of_torch_in_any_batch_and_process(side, precision, tmp_path):
    engine, _ = choose_engine("openvino", "cpu", precision, tmp_path)
    encoder = compact(side)
    raw = arrays(encoder, side, 8)
    together = engine.run(encoder, stack(raw, raw_pad(encoder))).values
    with ThreadPoolExecutor(2) as pool:
        alone = list(pool.map(lambda one: engine.run(encoder, stack([one], raw_pad(encoder))).values[0], raw))
    assert torch.equal(torch.stack(alone), together)
    engine_module._loaded.clear()  # as in the next process, which does not convert it
    assert torch.equal(engine.run(encoder, stack(raw, raw_pad(encoder))).values, together)
    wanted = torch.cat([encoder.prefix(stack([one], raw_pad(encoder)), encoder.cut).values for one in raw])
    assert cosines(together, wanted).min() > (0.99999 if engine._precision(encoder) == "fp32" else MIN_COSINE)
    assert together.shape == wanted.shape == (8, encoder.out_dim)


@pytest.mark.parametrize("name", ["clip", "bert", "mpnet", "hf:small-roberta"])
def test_texts_of_one_length_keep_their_own_features_in_a_batch(name, engine, weights_dir):
    encoder = fresh("text", name, weights_dir)
    encoder.freeze(encoder.n_stages).eval()
    inputs = stack(encoder.inputs.arrays(["good day", "some sun", "warm sea"]), encoder.inputs.pad_id)
    assert inputs.mask.all()
    assert engine.refusal(encoder) == ""
    assert cosines(engine.run(encoder, inputs).values, encoder.prefix(inputs, encoder.cut).values).min() > MIN_COSINE


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_hidden_states_of_padded_texts_are_those_of_each_alone(cut, engine, bert):
    bert.freeze(cut)
    raw = raw_arrays(bert, "text")
    padded = engine.run(bert, stack(raw, bert.inputs.pad_id))
    assert padded.values.shape[:2] == padded.mask.shape
    for row, ids in enumerate(raw):
        own = engine.run(bert, stack([ids], bert.inputs.pad_id)).values[0]
        assert torch.equal(padded.values[row, : len(ids)], own)
        assert not padded.values[row, len(ids) :].any()


def test_an_encoder_is_converted_once_and_compiled_once_a_process(engine, bert, monkeypatch):
    calls = []
    for name in ("_convert", "_read"):
        real = getattr(Engine, name)
        monkeypatch.setattr(Engine, name, lambda *given, real=real, name=name: calls.append(name) or real(*given))
    inputs = stack(raw_arrays(bert, "text"), 0)
    first = engine.run(bert, inputs).values
    engine.run(bert, inputs)
    assert calls == ["_read", "_convert"]
    engine_module._loaded.clear()  # as in the next process
    assert torch.equal(engine.run(bert, inputs).values, first)
    assert calls == ["_read", "_convert", "_read"]


def test_a_saved_model_is_compared_with_torch_once_until_a_file_changes(engine, bert, monkeypatch):
    monkeypatch.setattr(files, "SETTLED_NS", -(10**12))  # as if the files were written long ago
    compared, real = [], engine_module.agrees
    monkeypatch.setattr(engine_module, "agrees", lambda *given: compared.append(1) or real(*given))
    inputs = stack(raw_arrays(bert, "text"), 0)
    first = engine.run(bert, inputs).values
    for path, count in ((None, 2), (None, 2), ("*.bin", 3), (None, 3), ("*.xml", 4)):  # once as it is converted
        for kept in engine.folder.glob(path or "nothing"):
            kept.write_bytes(kept.read_bytes())
        engine_module._loaded.clear()
        assert torch.equal(engine.run(bert, inputs).values, first)
        assert len(compared) == count
    store = store_report(engine.folder.parent / "features", engine.folder, engine.folder.parent / "weights")
    assert store.foreign == () and store.compiled_models_bytes == sum(
        path.stat().st_size for path in engine.folder.rglob("*") if path.is_file()
    )


def test_images_of_another_size_have_a_model_of_their_own(engine):
    sizes = [
        Encoder(name="own", inputs=ImageInputs(px), stages=[Mean()], pool=nn.Identity(), out_dim=3) for px in (8, 16)
    ]
    for encoder in [*sizes, *sizes]:
        encoder.freeze(1).eval()
        engine_module._loaded.clear()
        side = encoder.inputs.image_size_px
        pixels = torch.full((2, 3, side, side), side, dtype=torch.uint8)
        assert engine.run(encoder, Activations(pixels)).values.tolist() == [[side] * 3] * 2
    assert len(list(engine.folder.glob("*.xml"))) == 2


def test_a_damaged_model_is_converted_again(engine, bert):
    inputs = stack(raw_arrays(bert, "text"), 0)
    first = engine.run(bert, inputs).values
    for suffix in ("xml", "bin"):
        (kept,) = engine.folder.glob(f"*.{suffix}")
        kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
        engine_module._loaded.clear()
        assert torch.equal(engine.run(bert, inputs).values, first)


def test_a_trace_of_one_length_never_reads_out_of_bounds(engine, bert):
    """OpenVINO would run it, and crash the process; the next model must still work."""
    stages = [OneLength()]
    broken = Encoder(name="own", inputs=bert.inputs, stages=stages, pool=nn.Identity(), out_dim=8).freeze(1).eval()
    inputs = stack(raw_arrays(bert, "text"), 0)
    if engine.refusal(broken) == "":  # the tracer kept the length open after all: then it must be right
        assert cosines(engine.run(broken, inputs).values, broken.prefix(inputs, 1).values).min() > MIN_COSINE
    assert engine.refusal(bert) == ""
    assert engine.run(bert, inputs) is not None


def test_a_trace_of_one_row_is_refused(engine, bert):
    stages = [OneRow()]
    broken = Encoder(name="own", inputs=bert.inputs, stages=stages, pool=nn.Identity(), out_dim=3).freeze(1).eval()
    assert "differ" in engine.refusal(broken)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, bert):
    (tmp_path / "openvino").write_text("a file where a folder is needed")
    made, _ = choose_engine("auto", "cpu", "auto", tmp_path)
    assert made.refusal(bert) == ""
    assert made.run(bert, stack(raw_arrays(bert, "text"), 0)) is not None
    assert made.refusal(image_encoder(NotTraceable())) != ""


@pytest.mark.parametrize("stage", [NotInOpenVino(), Alternating(), NotTraceable()])
def test_what_it_cannot_run_faithfully_is_refused_and_remembered(stage, engine, monkeypatch):
    encoder = image_encoder(stage)
    why = engine.refusal(encoder)
    assert why
    assert engine.run(encoder, Activations(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))) is None
    engine_module._loaded.clear()
    monkeypatch.setattr(Engine, "_convert", None)
    assert engine.refusal(encoder) == why


def test_changed_weights_are_compiled_again(engine, bert):
    inputs = stack(raw_arrays(bert, "text"), 0)
    first = engine.run(bert, inputs).values
    with torch.no_grad():
        next(bert.stages[1].parameters()).add_(0.5)
    assert engine.refusal(bert) == ""
    assert not torch.equal(engine.run(bert, inputs).values, first)


@pytest.mark.parametrize("raised", ["ImportError", "RuntimeError", "OSError", "AttributeError", None])
def test_without_the_package_or_with_a_damaged_one_torch_computes_and_says_so(tmp_path, monkeypatch, raised):
    (tmp_path / "openvino.py").write_text("" if raised is None else f"raise {raised}('a library is lost')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino")
    with pytest.raises(OcrUnavailable):
        require_ocr()
    made, note = choose_engine("auto", "cpu", "auto", tmp_path)
    assert made is None
    assert "openvino" in note
    with pytest.raises(ConfigError):
        choose_engine("openvino", "cpu", "auto", tmp_path)


def test_it_is_for_the_cpu_and_can_be_switched_off(tmp_path):
    assert choose_engine("auto", "cuda", "auto", tmp_path) == (None, "")
    assert choose_engine("torch", "cpu", "auto", tmp_path) == (None, "")
    with pytest.raises(ConfigError):
        choose_engine("openvino", "cuda", "auto", tmp_path)


@pytest.mark.parametrize(
    ("asked", "has_bf16", "expected"),
    [
        ("auto", True, ("bf16", "fp32")),
        ("fp32", True, ("fp32", "fp32")),
        ("bf16", True, ("bf16", "bf16")),
        ("auto", False, ("fp32", "fp32")),
    ],
)
def test_the_precision_is_what_the_hardware_really_computes(asked, has_bf16, expected, tmp_path, monkeypatch):
    class Core:
        def get_property(self, device, name):
            return ["FP32", "BF16"] if has_bf16 else ["FP32"]

    monkeypatch.setattr(engine_module, "_core", Core)
    made, _ = choose_engine("auto", "cpu", asked, tmp_path)
    assert (made.text, made.image) == expected


def test_converting_sends_no_usage_data(engine, bert, monkeypatch):
    import openvino_telemetry

    sent = []
    monkeypatch.setattr(openvino_telemetry.Telemetry, "send_event", lambda *given, **named: sent.append(given))
    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", lambda *given, **named: sent.append(given))
    engine.run(bert, stack(raw_arrays(bert, "text"), 0))
    assert sent == []


def test_features_of_another_conversion_have_another_key(tmp_path, monkeypatch):
    engine, _ = choose_engine("openvino", "cpu", "fp32", tmp_path)
    before = engine.describe(tiny_encoder("tiny"))
    monkeypatch.setattr(engine_module, "CONVERSION_FORMAT", engine_module.CONVERSION_FORMAT + 1)
    assert engine.describe(tiny_encoder("tiny")) != before


FIRST_ARRAYS = """
import sys, threading
import numpy as np
from mmsent_cli.extras import load_openvino

def give_array(request):
    tensor, ones = request.get_input_tensor(), np.ones((1, 3), dtype=np.float32)
    together.wait()
    tensor.data[:] = ones

network = load_openvino().Core().compile_model(sys.argv[1], "CPU")
together = threading.Barrier(2)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=give_array, args=[network.create_infer_request()]) for _ in range(2)]
for thread in threads:
    thread.start()
"""


def test_threads_give_openvino_their_first_arrays_at_the_same_time(tmp_path):
    """OpenVINO 2026.4 then waits for ever, in three of four attempts, unless one thread gives it an array before."""
    values = openvino.opset13.parameter([1, 3], np.float32)
    openvino.save_model(openvino.Model([openvino.opset13.relu(values)], [values]), tmp_path / "relu.xml")
    attempts = [subprocess.Popen([sys.executable, "-c", FIRST_ARRAYS, tmp_path / "relu.xml"]) for _ in range(2)]
    try:
        assert [attempt.wait(timeout=60) for attempt in attempts] == [0, 0]
    finally:
        for attempt in attempts:
            attempt.kill()
