"""The Python functions: the same bytes as the command line, pairs in memory, nothing printed, progress as events."""

import json
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import mmsent_cli
from mmsent_cli import api
from mmsent_cli.errors import CheckpointError, ConfigError, DataError, WeightsUnavailable
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone, Stage, Step
from tests.commands.running import same_weights, small_lab, succeed, weights

QUICK = {"encoders": "light", "image_size_px": 32, "batch_size": 8, "epochs": 1}
TYPED = ("--encoders", "light", "--image-size-px", 32, "--batch-size", 8, "--epochs", 1)
FUSIONS = {"fusions": ["concat", "gmu"], "seeds": 1}
CLOCK = ("run", "seconds", "prepare_seconds", "history", "files")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a small lab layout, a trained run and what it reported; not to be changed."""
    folder = tmp_path_factory.mktemp("api")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MMSENT_CACHE", str(folder / "cache"))
        events = []
        run = api.train("lab", runs_dir=folder / "runs", progress=events.append, **QUICK)
    return folder, run, events


@pytest.fixture
def inside(here, monkeypatch):
    """The same, as the current folder."""
    monkeypatch.chdir(here[0])
    monkeypatch.setenv("MMSENT_CACHE", str(here[0] / "cache"))
    return here


@pytest.fixture
def model(inside):
    return api.load(inside[1])


def frame_of(lab, guids):
    """Pairs of the lab layout as a DataFrame, images as paths, with an index of its own."""
    rows = [(Path(lab, f"data/{guid}.txt").read_text(), str(Path(lab, f"data/{guid}.jpg"))) for guid in guids]
    return pd.DataFrame(rows, columns=["text", "image"], index=[f"row {guid}" for guid in guids])


def same_files(one, other, names):
    return all((Path(one) / name).read_bytes() == (Path(other) / name).read_bytes() for name in names)


def plain(result):
    """A result without what the clock and the folder say."""
    return {name: value for name, value in json.loads(json.dumps(result)).items() if name not in CLOCK}


def test_training_gives_the_same_bytes_as_the_command(inside, undrawn, tmp_path):
    _, run, _ = inside
    typed = succeed("train", "--data", "lab", *TYPED, "--runs-dir", tmp_path, "--json")
    assert {path.name for path in run.folder.iterdir()} == {path.name for path in Path(typed["run"]).iterdir()}
    assert same_weights(weights(run.folder), weights(typed["run"]))
    assert same_files(run.folder, typed["run"], ["val_predictions.csv", "config.json", "split.json"])
    assert plain(run.read_json("result.json")) == plain(typed)


def test_comparing_gives_the_same_bytes_as_the_command(inside, undrawn, tmp_path):
    written = api.compare_fusions("lab", runs_dir=tmp_path / "a", **FUSIONS, **QUICK)
    options = ("--fusions", "concat,gmu", "--seeds", 1)
    typed = succeed("compare-fusions", "--data", "lab", *TYPED, *options, "--runs-dir", tmp_path / "b", "--json")
    assert same_files(written.folder, typed["run"], ["result.json", "epochs.csv", "config.json", "experiment.json"])
    arms = written.to_frame()
    assert arms["name"].tolist()[:2] == ["concat", "gmu"]
    assert len(written.to_frame("epochs")) == len(arms)


def test_predicting_gives_the_same_bytes_as_the_command(inside, tmp_path):
    _, run, _ = inside
    api.predict("lab", out=tmp_path / "a.csv", checkpoint=run, probabilities=True)
    succeed("predict", "--data", "lab", "--checkpoint", run.folder, "--out", tmp_path / "b.csv", "--probabilities")
    assert (
        same_files(tmp_path, tmp_path, ["a.csv"])
        and (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    )


def test_a_finished_run_has_its_report_and_its_tables(inside):
    _, run, _ = inside
    assert run.is_finished and (run.folder / "report.html").is_file()
    assert run.result.accuracy == run.read_json("result.json")["accuracy"]
    assert run.to_frame()["accuracy"].tolist() == [epoch.accuracy for epoch in run.result.history]
    assert run.to_frame("classes")["label"].tolist() == list(run.result.labels)
    predictions = run.to_frame("predictions")
    assert (predictions["tag"] == predictions["label"]).mean() == pytest.approx(run.result.accuracy)
    with pytest.raises(ConfigError, match="has no table 'epoch'"):
        run.to_frame("epoch")


def test_progress_comes_as_events(inside):
    events = inside[2]
    kinds = [type(event) for event in events]
    assert {Stage, ModelBegun, Step, Epoch, ModelDone} <= set(kinds)
    assert next(event.name for event in events if isinstance(event, Stage)) == "checking pairs"
    assert sum(kind is Epoch for kind in kinds) == 1


def test_nothing_is_printed(inside, undrawn, tmp_path, capfd):
    _, run, _ = inside
    api.train("lab", runs_dir=tmp_path, **QUICK)
    api.predict("lab", out=tmp_path / "out.csv", checkpoint=run)
    api.split("lab", out=tmp_path / "split.json")
    api.inspect_encoding("lab")
    assert capfd.readouterr() == ("", "")


def test_a_model_is_loaded_from_a_run_a_path_a_name_and_the_newest(inside):
    _, run, _ = inside
    ways = (run, run.folder, str(run.folder / "best_model.pt"), run.name, "latest", None)
    assert {str(api.load(way).checkpoint) for way in ways[:2]} == {str(run.folder / "best_model.pt")}
    assert {api.load(way).checkpoint.resolve() for way in ways} == {(run.folder / "best_model.pt").resolve()}
    with pytest.raises(CheckpointError, match="no run and no file called nothing"):
        api.load("nothing")


def test_an_image_counts_the_same_as_path_bytes_and_pil_image(model):
    path = Path("lab/data/101.jpg")
    raw = path.read_bytes()
    decoded = Image.open(BytesIO(raw))
    decoded.load()
    images = (path, str(path), raw, Image.open(path), Image.open(BytesIO(raw)), decoded)
    answers = [model.predict_one(text="what a day", image=image) for image in images]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].label in model.labels and answers[0].missing == ""
    assert sum(answers[0].probabilities.values()) == pytest.approx(1)


def test_a_large_photograph_counts_the_same_as_an_opened_image(model, tmp_path):
    """A JPEG is decoded at a part of its size; an opened PIL image must not take another way."""
    noise = Image.effect_noise((900, 700), 80).convert("RGB")
    noise.save(tmp_path / "large.jpg", quality=90)
    assert model.predict_one(image=tmp_path / "large.jpg") == model.predict_one(
        image=Image.open(tmp_path / "large.jpg")
    )


def test_a_frame_comes_back_with_its_index(model):
    frame = frame_of("lab", ["103", "7", "101"])
    table = model.predict(frame)
    assert table.index.tolist() == frame.index.tolist()
    assert list(table) == ["label", "missing", *(f"probability_{label}" for label in model.labels)]
    for text, image, label in zip(frame["text"], frame["image"], table["label"], strict=True):
        assert model.predict_one(text, image).label == label
    raw = frame.assign(image=[Path(name).read_bytes() for name in frame["image"]])
    pd.testing.assert_frame_equal(model.predict(raw), table)
    partly = model.predict(frame.assign(text=["a", None, "b"]))
    assert partly["missing"].tolist() == ["", "text", ""]


def test_pairs_that_were_read_are_predicted(model):
    pairs = mmsent_cli.read_pairs("lab")
    assert model.predict(pairs).index.tolist() == ["101", "102", "103"]
    assert len(api.read_pairs("lab", labelled=True)) == 18


def test_rows_that_cannot_be_predicted_are_named(model):
    frame = frame_of("lab", ["101", "102"])
    with pytest.raises(DataError, match="row 102"):
        model.predict(frame.assign(text=["a", None], image=[None, None]))
    with pytest.raises(DataError, match="nowhere"):
        model.predict_one("a", "nowhere.jpg")
    with pytest.raises(DataError, match="not an image"):
        model.predict_one("a", b"words")


def test_a_frame_trains_as_the_files_do(inside, undrawn, tmp_path):
    _, run, _ = inside
    pairs = api.read_pairs("lab", labelled=True)
    frame = pd.DataFrame(
        {
            "text": [pair.text for pair in pairs],
            "image": [Path(pair.image).read_bytes() for pair in pairs],
            "tag": [pair.tag for pair in pairs],
        },
        index=[pair.guid for pair in pairs],
    )
    for number, data in enumerate((frame, pairs)):
        other = api.train(data, runs_dir=tmp_path / str(number), **QUICK)
        assert same_weights(weights(other.folder), weights(run.folder))
        assert same_files(other.folder, run.folder, ["val_predictions.csv", "split.json"])
    with pytest.raises(DataError, match="DataFrame"):
        api.ablate(checkpoint=other)
    ablated = api.ablate(frame, checkpoint=other, split=other.path("split.json"), runs_dir=tmp_path)
    assert ablated.to_frame()["accuracy"][0] == other.result.accuracy


def test_an_interrupted_training_on_a_frame_goes_on(inside, undrawn, tmp_path):
    pairs = api.read_pairs("lab", labelled=True)

    def interrupt(event):
        if isinstance(event, Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        api.train(pairs, runs_dir=tmp_path, progress=interrupt, **QUICK)
    (call,) = re.findall(r"go on with: (train\(.*\)), with the same data", str(caught.value))
    run = eval(call, {"train": api.train, "data": pairs})
    assert same_weights(weights(run.folder), weights(inside[1].folder))


def test_what_cannot_be_asked_for(inside):
    with pytest.raises(ConfigError, match="unknown setting 'epoch'") as caught:
        api.train("lab", epoch=3)
    assert "epochs" in caught.value.hint
    with pytest.raises(ConfigError, match="experts is now called probes"):
        api.train("lab", experts="lexicon")
    with pytest.raises(ConfigError, match="writing is now called ocr"):
        api.train("lab", probes=("writing",))
    with pytest.raises(ConfigError, match="settings of the run"):
        api.train("lab", resume="latest")
    with pytest.raises(ConfigError, match="neither an output file nor a single pair"):
        api.predict("lab")


def test_a_split_is_made_once_and_trained_on(inside, undrawn, tmp_path):
    made = mmsent_cli.split("lab", split_seed=3, val_size=0.3, out=tmp_path / "split.json")
    run = api.train("lab", split=made.path, runs_dir=tmp_path, **QUICK)
    assert run.result.val_pairs == made.val


CLASSES = ("tag", "guid", "predicted")


@pytest.mark.parametrize("folds", [None, 3])
def test_classes_may_be_called_as_columns_are(inside, tmp_path, weights_dir, folds):
    """A row of predictions is read by position, in the report and after it."""
    lab = shutil.copytree("lab", tmp_path / "lab")
    table = (lab / "train.txt").read_text()
    for old, new in zip(("negative", "neutral", "positive"), CLASSES, strict=True):
        table = table.replace(f",{old}\n", f",{new}\n")
    (lab / "train.txt").write_text(table)
    settings = {**QUICK}
    if folds:
        encoders = {
            "encoders": "bert-resnet18",
            "image_encoder": "timm:test_resnet",
            "weights_dir": weights_dir,
            "offline": True,
            "engine": "torch",
            "freeze_text": "1",
        }
        settings |= {**encoders, "freeze_image": "all", "folds": folds, "batch_size": 8}
    run = api.train(lab, labels=CLASSES, runs_dir=tmp_path, **settings)
    assert run.is_finished
    assert all(len(run.to_frame(table)) for table in run.result.TABLES)
    predictions = run.to_frame("predictions")
    assert (predictions["tag"] == predictions["label"]).mean() == pytest.approx(run.result.accuracy)
    runtime = {"weights_dir": weights_dir, "offline": True, "engine": "torch"} if folds else {}
    api.predict(lab, out=tmp_path / "out.csv", checkpoint=run, probabilities=True, **runtime)
    head, first, *_ = (tmp_path / "out.csv").read_text().splitlines()
    assert head == "guid,tag,missing,tag,guid,predicted"
    answer = api.load(run, **runtime).predict(api.read_pairs(lab)).iloc[0]
    assert answer["label"] == first.split(",")[1]
    assert [f"{answer[f'probability_{label}']:.6f}" for label in CLASSES] == first.split(",")[3:]


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, mmsent_cli; assert set(mmsent_cli.__all__) <= set(dir(mmsent_cli));"
        "print([m for m in ('torch', 'pandas', 'numpy', 'mmsent_cli.api') if m in sys.modules])"
    )
    root = Path(mmsent_cli.__file__).parents[1]
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert answer.stdout.splitlines() == ["[]"]


def test_every_public_name_is_a_documented_function():
    assert len(mmsent_cli.__all__) >= 12
    for name in set(mmsent_cli.__all__) - {"SentimentClassifier"}:
        text = getattr(mmsent_cli, name).__doc__
        assert "Args:" in text and "Returns:" in text and "Raises:" in text and "Example:" in text, name
    with pytest.raises(AttributeError):
        _ = mmsent_cli.nothing


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_the_encoding_of_texts_in_a_frame_is_decided_where_they_are_bytes(encoding, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["今天天气很好，我们去公园散步", "这部电影非常感人，值得一看", "价格太贵了，服务也不好"] * 4
    frame = pd.DataFrame({"text": [text.encode(encoding) for text in texts]})
    assert api.inspect_encoding(frame).result.encoding == encoding
    assert api.inspect_encoding(pd.DataFrame({"text": texts})).result.encoding == "utf-8"
    with pytest.raises(DataError, match="folder"):
        api.inspect_encoding(frame, convert_to="copies")
    with pytest.raises(DataError, match="'text'"):
        api.inspect_encoding(frame.rename(columns={"text": "words"}))


def test_a_prediction_finds_the_weights_of_the_run(inside, tmp_path, weights_dir):
    encoders = {
        "encoders": "bert-resnet18",
        "image_encoder": "timm:test_resnet",
        "weights_dir": weights_dir,
        "freeze_text": "all",
        "freeze_image": "all",
    }
    run = api.train("lab", runs_dir=tmp_path, **{**QUICK, **encoders}, offline=True, engine="torch")
    assert api.load(run, offline=True, engine="torch").predict_one(text="a day").missing == "image"
    with pytest.raises(WeightsUnavailable):
        api.load(run, offline=True, weights_dir=tmp_path)
