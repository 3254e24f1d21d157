"""A trained model over new pairs: order, missing modalities, a stream."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from mmsent_cli.compute.device import Compute, Resources
from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import DataConfig, RuntimeConfig, TrainConfig, to_dict
from mmsent_cli.data.flaws import Flaws
from mmsent_cli.data.layouts import locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations, Encoded
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Ensemble
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.pipeline import CHUNK_BATCHES
from mmsent_cli.inference.finished_output import NOTHING_TO_DO, checkpoint_of, finished_before, remember
from mmsent_cli.inference.loaded import LoadedModel
from mmsent_cli.inference.predictor import Predictor, _with_own_weights
from mmsent_cli.inference.rows import PARQUET, PredictionFile, Tally, open_rows, prediction_table, row_columns
from mmsent_cli.inference.stream import _write_rows, done_before, findings_of_counts, finished, unread_labels
from mmsent_cli.model import MODALITIES, build_model
from mmsent_cli.progress import Stage
from mmsent_cli.results import NEVER_ANSWERED, PredictedBy, Prediction, UnusablePair
from mmsent_cli.run_folders import Run
from mmsent_cli.training.checkpoints import Description
from tests.configs import resolved_model
from tests.data.builders import image_bytes

LABELS = ("negative", "neutral", "positive")
WORDS = ("good", "day", "bad")
CPU = Compute("cpu", "fp32")
CHUNK = CHUNK_BATCHES * CPU.predict_batch


@pytest.fixture(scope="module")
def predictor():
    """An untrained light model; what it says does not matter here."""
    model = resolved_model(encoders="light", image_size_px=32)
    torch.manual_seed(0)
    built = build_model(model, 3, WeightSource(), WORDS).eval()
    with torch.no_grad():
        built.missing_text.fill_(0.3)
    description = Description(
        model=model, labels=LABELS, vocabulary=WORDS, encoding={}, run="r", precision="fp32", frozen={}
    )
    return Predictor(Ensemble((built,)), description, Resources(CPU, WeightSource(), Path()))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(image_bytes(3, (60, 40)))
    return path


def pair(number, text: str | None, image: Path | None):
    return Pair(guid=str(number), tag=None, text=text, image=image)


def test_answers_keep_the_order_and_do_not_depend_on_company(predictor, picture):
    texts = ["good " * (1 + number * 7 % 11) + "bad" * (number % 2) for number in range(CPU.predict_batch * 2 + 3)]
    pairs = [pair(number, text, picture) for number, text in enumerate(texts)]
    together = list(predictor.predict(pairs))
    assert [answer.guid for answer in together] == [one.guid for one in pairs]
    for one, answer in zip(pairs, together, strict=True):
        (alone,) = predictor.predict([one])
        assert list(alone.probabilities.values()) == pytest.approx(list(answer.probabilities.values()), abs=1e-5)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert answer.tag == max(answer.probabilities, key=lambda tag: answer.probabilities[tag])


def test_a_missing_modality_is_marked_and_its_stand_in_does_not_matter(predictor, picture):
    both, no_image, no_text = predictor.predict(
        [pair(1, "good day", picture), pair(2, "good day", None), pair(3, None, picture)]
    )
    assert (both.missing, no_image.missing, no_text.missing) == ("", "image", "text")
    assert both.probabilities != no_image.probabilities
    (among_long,) = list(predictor.predict([pair(3, None, picture), pair(4, "bad " * 60, picture)]))[:1]
    assert list(among_long.probabilities.values()) == pytest.approx(list(no_text.probabilities.values()), abs=1e-5)


def test_who_takes_the_answers_keeps_all_threads(predictor, picture, monkeypatch):
    monkeypatch.setattr(Compute, "streams_for", lambda *_: 2)
    with torch_threads(2):
        for _ in predictor.predict([pair(1, "good", picture), pair(2, "bad", picture)]):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2


def test_pairs_are_taken_a_chunk_at_a_time(predictor):
    taken = []

    def stream():
        for number in range(10 * CHUNK):
            taken.append(number)
            yield pair(number, "good day", None)

    answers = predictor.predict(stream())
    next(answers)
    assert len(taken) == CHUNK
    answers.close()


def test_an_image_in_memory_is_predicted_as_its_file_is(predictor, picture):
    in_memory = Pair(guid="1", tag=None, text="good", image=picture.read_bytes())
    from_file, from_memory = predictor.predict([pair(1, "good", picture), in_memory])
    assert from_memory == from_file
    assert from_memory.missing == ""


@pytest.mark.parametrize("side", ["text", "image"])
def test_a_missing_modality_is_masked(predictor, picture, side):
    """The answer is that of a complete pair whose feature is the learned one, put there by hand."""
    model, number = predictor.model, MODALITIES.index(side)
    halves = {"text": (None, picture), "image": ("good day", None)}
    whole, lacking = predictor.predict([pair(1, "good day", picture), pair(2, *halves[side])])
    assert [whole.missing, lacking.missing] == ["", side]
    ids = torch.from_numpy(model.text.inputs.arrays(["good day"])[0]).long()[None]
    pixels = torch.from_numpy(model.image.inputs.arrays([picture])[0])[None]
    with torch.no_grad():
        features = [model.text.encode(Activations(ids, torch.ones_like(ids, dtype=torch.bool)))]
        features.append(model.image.encode(Activations(pixels)))
        expected = model.classify(*features, torch.ones(1, 2, dtype=torch.bool)).main.softmax(dim=1)[0]
        features[number] = Encoded(getattr(model, f"missing_{side}")[None])
        alone = model.classify(*features, torch.ones(1, 2, dtype=torch.bool)).main.softmax(dim=1)[0]
    assert list(whole.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert list(lacking.probabilities.values()) == pytest.approx(alone.tolist(), abs=1e-5)
    assert (expected - alone).abs().max() > 1e-3


def test_a_row_written_before_is_the_prediction_of_its_pair():
    pair, row = Pair(guid="7", tag=None, text="a", image=None), ("7", "neutral", "image", 0.1, 0.7, 0.2)
    expected = {"positive": 0.1, "neutral": 0.7, "negative": 0.2}
    found = done_before(row, pair, Path("out.csv"), ("positive", "neutral", "negative"))
    assert found == Prediction(guid="7", tag="neutral", probabilities=expected, missing="image")
    for other in (None, Pair(guid="8", tag=None, text="a", image=None)):
        with pytest.raises(ConfigError):
            done_before(row, other, Path("out.csv"), LABELS)


def test_a_loaded_model_predicts_a_frame_under_its_index(predictor, picture, monkeypatch):
    monkeypatch.setattr(Predictor, "load", lambda *_: predictor)
    model, events = LoadedModel(Path("m.pt"), RuntimeConfig(device="cpu")), []
    frame = pd.DataFrame({"words": ["good day", None], "image": str(picture)}, index=["x", "y"])
    found = model.predict(frame, progress=events.append, text_column="words")
    pairs = [pair("x", "good day", picture), pair("y", None, picture)]
    answers = list(predictor.predict(pairs))
    assert list(found.index) == ["x", "y"] and list(found["missing"]) == ["", "text"]
    assert list(found["label"]) == [answer.tag for answer in answers]
    for label in LABELS:
        assert list(found[f"probability_{label}"]) == pytest.approx([answer.probabilities[label] for answer in answers])
    assert events == [Stage("predicting", done, 2) for done in (1, 2)]
    pd.testing.assert_frame_equal(model.predict(pairs), found)
    assert model.predict_one("good day", picture).probabilities == pytest.approx(answers[0].probabilities)


def test_a_table_of_predictions_has_its_columns_and_types_even_without_a_label():
    shares = dict(zip(LABELS, (0.2, 0.3, 0.5), strict=True))
    answers = [Prediction(guid=guid, tag="positive", probabilities=shares, missing="image") for guid in "ab"]
    for is_given in (True, False):
        table = prediction_table([(answer, is_given, ("de",)) for answer in answers], LABELS, ["language"])
        assert [str(field.type) for field in table.schema] == ["string"] * 3 + ["double"] * 3 + ["string"]
        label = "positive" if is_given else None
        row = {"label": label, "missing": "image", **{f"probability_{name}": each for name, each in shares.items()}}
        assert table.to_pylist() == [{"guid": guid, **row, "language": "de"} for guid in "ab"]
        assert table.column_names == [*row_columns(LABELS, PARQUET, False), "language"]


def test_finished_predictions_are_remembered_by_their_output(tmp_path):
    """Two outputs have two records; a record is that of its identity and of the file as it was written."""
    cache = tmp_path / "new" / "cache"
    files = [PredictionFile(out=tmp_path / name, resume=True) for name in ("a.csv", "b.csv")]
    model = PredictedBy(run="r", checkpoint_digest="d", mmsent="1")
    unusable = (UnusablePair(guid="7", row="p.csv:2", reason="text is empty", outcome="dropped"),)
    for number, file in enumerate(files):
        file.out.write_text("guid,tag\n")
        tally, flaws = Tally(number), Flaws(unusable=list(unusable))
        description = SimpleNamespace(labels=LABELS, findings=(), seen=None)
        result = finished(Path(f"{number}.pt"), file.out, description, model, tally, flaws, ("note",), 0.0)
        remember(file, {"number": number}, result, cache)
    assert [checkpoint_of(file.out, cache) for file in files] == ["0.pt", "1.pt"]
    assert checkpoint_of(tmp_path / "c.csv", cache) is None
    again = finished_before(files[1], {"number": 1}, cache)
    assert again == replace(result, notes=(NOTHING_TO_DO, "note"))
    assert finished_before(replace(files[1], resume=False), {"number": 1}, cache) is None
    with pytest.raises(ConfigError, match=r"b\.csv"):
        finished_before(files[1], {"number": 2}, cache)
    files[1].out.write_text("guid,tag\nchanged,a\n")
    with pytest.raises(ConfigError, match=r"b\.csv"):
        finished_before(files[1], {"number": 1}, cache)
    assert finished_before(replace(files[1], force=True), {"number": 1}, cache) is None
    remember(files[0], {}, result, files[0].out / "no folder can be in a file")
    assert checkpoint_of(files[0].out, cache) == "0.pt"


def test_a_parquet_file_has_the_kept_columns_and_the_model(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    model, shares = PredictedBy(run="r", checkpoint_digest="d", mmsent="1"), dict.fromkeys(LABELS, 0.25)
    kept = ["who"], iter([("a", ("Ann",)), ("left out", ("Eve",)), ("b", ("Bob",))])
    with open_rows(PredictionFile(out=tmp_path / "p.parquet"), LABELS, kept, model) as rows:
        for guid in "ab":
            rows.write(Prediction(guid=guid, tag="neutral", probabilities=shares), is_given=guid == "a")
    table = parquet.read_table(tmp_path / "p.parquet")
    assert list(zip(*(table[name].to_pylist() for name in ("guid", "label", "who")), strict=True)) == [
        ("a", "neutral", "Ann"),
        ("b", None, "Bob"),
    ]
    assert json.loads(table.schema.metadata[b"predicted_by"]) == asdict(model)


def test_predictions_are_compared_with_the_classes_of_the_training(tmp_path):
    description = SimpleNamespace(findings=(), seen=SimpleNamespace(classes=np.repeat([0, 1, 2], [6, 3, 1])))

    def found(*counts):
        return findings_of_counts(tmp_path / "m.pt", description, dict(zip(LABELS, counts, strict=True)))

    assert found(60, 30, 10) == ()
    (finding,) = found(70, 1, 29)
    assert (finding.kind, "1.0 %" in finding.message, "30.0 %" in finding.message) == (NEVER_ANSWERED, True, True)


def test_the_weights_are_those_of_the_run_unless_others_are_given(tmp_path, monkeypatch):
    Run(tmp_path).write_json("config.json", to_dict(TrainConfig(runtime=RuntimeConfig(weights_dir="own"))))
    plain, given = RuntimeConfig(device="cpu"), RuntimeConfig(weights_dir="given")
    checkpoint = tmp_path / "best_model.pt"
    assert _with_own_weights(plain, checkpoint) == replace(plain, weights_dir="own")
    assert _with_own_weights(given, checkpoint) == given
    assert _with_own_weights(plain, tmp_path / "elsewhere" / "m.pt") == plain
    monkeypatch.setenv("MMSENT_WEIGHTS", "named")
    assert _with_own_weights(plain, checkpoint) == plain


def test_rows_of_an_interrupted_prediction_are_written_first_and_progress_is_reported(monkeypatch):
    monkeypatch.setattr("mmsent_cli.inference.stream.PROGRESS_STEP", 2)
    shares, written, kept, events = dict(zip(LABELS, (0.2, 0.5, 0.3), strict=True)), [], [], []
    answers = [Prediction(guid=str(number), tag="neutral", probabilities=shares) for number in range(5)]
    before = [[answer.guid, answer.tag, answer.missing, *shares.values()] for answer in answers]
    predictor = SimpleNamespace(description=SimpleNamespace(labels=LABELS), chunk_pairs=3)
    predictor.predict = lambda pairs: (answer for answer, _ in zip(answers[1:], pairs, strict=True))
    partial = SimpleNamespace(rows=lambda labels: before[:1], append=kept.append)
    rows = SimpleNamespace(write=lambda answer, is_given: written.append(answer))
    _write_rows(rows, predictor, iter(answers), Tally(6), Path("o.csv"), partial, events.append)
    assert (written, kept) == (answers, [before[1:4]])
    assert events == [Stage("predicting", done, total) for done, total in ((1, 6), (2, 6), (4, 6), (5, 5))]


@pytest.mark.parametrize(("own", "is_told"), [("sent", True), ("absent", False), (None, False)])
def test_labels_of_the_training_that_are_not_read_are_told(tmp_path, own, is_told):
    (tmp_path / "pairs.csv").write_text("guid,text,sent\n1,a text,good\n")
    description = SimpleNamespace(columns={} if own is None else {"tag_column": own})
    notes = unread_labels(locate(str(tmp_path / "pairs.csv")), DataConfig(), description)
    assert [own in note for note in notes] == [True] * is_told
