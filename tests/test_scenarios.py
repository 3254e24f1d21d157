"""Where rooms meet: small data whose answer is known, from files to metrics, ablations and predictions."""

import csv
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mmsent_cli import api
from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, SplitConfig, TrainConfig
from mmsent_cli.experiments.ablation.ablate import Predictions, _shapley
from mmsent_cli.experiments.ablation.perturb import MISSING, EncodedModel, mean_features
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import SentimentModel, build_head
from mmsent_cli.stats import accuracy_scores, compare_scores, verdict
from tests.commands.running import succeed
from tests.data.builders import TAGS, image_bytes
from tests.experiments.test_ablate import examined_of, run_ablate
from tests.experiments.test_perturb import FP32
from tests.training.builders import LABELS, OUT_DIM, tiny_encoder, tiny_table
from tests.training.test_run import run_once

pytestmark = pytest.mark.shared_cache
PAIRS = 120
CUES = dict(zip(TAGS, ("dreadful", "ordinary", "splendid"), strict=True))
CONFIG = TrainConfig(
    model=ModelConfig(encoders="light", fusion="text-only", image_size_px=32),
    fit=FitConfig(epochs=6, batch_size=8, encoder_lr=0.02, head_lr=0.005, class_weights="none"),
    split=SplitConfig(val_size=0.4),
    runtime=RuntimeConfig(device="cpu", precision="fp32"),
)


def noise(draw, words=4):
    return " ".join(f"word{draw.randrange(30)}" for _ in range(words))


def write_pairs(folder, rows):
    """A manifest of rows of guid, text and tag, each with an image of its own."""
    folder.mkdir(exist_ok=True)
    with (folder / "pairs.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["guid", "text", "image", "tag"])
        for number, (guid, text, tag) in enumerate(rows):
            (folder / f"{guid}.png").write_bytes(image_bytes(number, (16, 16), "PNG"))
            table.writerow([guid, text, f"{guid}.png", tag])
    return folder / "pairs.csv"


def cue_rows(draw):
    """Pairs whose class is that of one word of the text; the images tell nothing."""
    tags = [TAGS[number % 3] for number in range(PAIRS)]
    return [(f"p{n}", f"{noise(draw)} {CUES[tag]} {noise(draw)}", tag) for n, tag in enumerate(tags)]


def trained(path, folder, **sections):
    config = replace(CONFIG, data=DataConfig(data=str(path)), **sections)
    return run_once(config, folder)


@pytest.fixture(scope="module")
def cue(tmp_path_factory):
    """A model of both modalities on the pairs with a cue: manifest, result and run."""
    folder = tmp_path_factory.mktemp("cue")
    path = write_pairs(folder, cue_rows(random.Random(0)))
    return path, *trained(path, folder / "runs", model=replace(CONFIG.model, fusion="concat", auxiliary_weight=0.0))


def test_a_leak_in_the_data_shows_in_no_metric(tmp_path):
    """Each text comes four times with the same tag, which is drawn at random: who has seen one knows the answer."""
    draw = random.Random(1)
    rows = []
    for number in range(PAIRS // 4):
        text, tag = f"name{number} {noise(draw, 1)} title{number}", draw.choice(TAGS)
        variants = (text, f"RT @you: {text}", f"{text}!", text.upper())
        rows += [(f"{letter}{number}", variant, tag) for letter, variant in zip("abcd", variants, strict=True)]
    path = write_pairs(tmp_path, rows)
    leaking, _ = trained(path, tmp_path / "plain", split=SplitConfig(strategy="plain-80-20"))
    grouped, run = trained(path, tmp_path / "grouped")
    assert leaking.last.accuracy > 0.8
    assert abs(grouped.last.accuracy - 1 / 3) < 3 * (2 / 9 / grouped.val_pairs) ** 0.5 + 0.07
    split = run.read_json("split.json")["splits"][0]
    assert {guid[1:] for guid in split["train"]}.isdisjoint(guid[1:] for guid in split["val"])


def test_permuted_labels_give_chance(cue, tmp_path):
    _, result, _ = cue
    assert result.last.accuracy > 0.9
    rows = cue_rows(random.Random(0))
    tags = [tag for *_, tag in rows]
    random.Random(2).shuffle(tags)
    permuted = write_pairs(tmp_path, [(guid, text, tag) for (guid, text, _), tag in zip(rows, tags, strict=True)])
    chance, _ = trained(permuted, tmp_path / "runs")
    assert abs(chance.last.accuracy - 1 / 3) < 3 * (2 / 9 / chance.val_pairs) ** 0.5


def test_a_known_cue_is_found_by_ablation(cue, tmp_path):
    """Without its text the model knows nothing; without its image it loses next to nothing."""
    _, result, run = cue
    ablated, _ = run_ablate(examined_of(run.path("best_model.pt")), tmp_path / "ablation")
    arms = {arm.name: arm.accuracy for arm in ablated.arms}
    for method in ("zero", "mean", "permuted"):
        assert arms[f"text only, {method}"] > 0.85
        assert arms[f"image only, {method}"] < 0.55
    for shares in ablated.shapley:
        assert shares.nothing + shares.text + shares.image == pytest.approx(result.accuracy)
        assert shares.text > 0.3 and abs(shares.image) < 0.15
    assert ablated.emap.accuracy == pytest.approx(ablated.emap.full_accuracy, abs=0.07), "there is no interaction"


def test_a_duplicated_feature_gives_a_tie():
    """Two encoders with equal weights read equal numbers, and a head of equal weights adds them up: neither modality
    is worth more than the other."""
    torch.manual_seed(0)
    text, image = tiny_encoder("text"), tiny_encoder("image")
    image.load_state_dict(text.state_dict())
    fusion = FUSIONS["weighted"].build(OUT_DIM, OUT_DIM)
    model = SentimentModel(text, image, fusion, build_head(fusion.out_dim, (), (), 3))
    with torch.no_grad():
        weight = model.head[0].weight
        weight[:, OUT_DIM:] = weight[:, :OUT_DIM]
    table = tiny_table(train=10, val=60)
    table.image.values[:] = table.text.values
    means = mean_features(model, table, table.train, FP32)
    subject = EncodedModel(model, table, table.val, FP32, keeps_tokens=False, means=means)
    torch.testing.assert_close(means["text"], means["image"])
    true = table.targets[list(table.val)]
    both = subject.logits().argmax(axis=1)
    absent = ({"image": MISSING}, {"text": MISSING}, {"text": MISSING, "image": MISSING})
    parts = [subject.logits(removed=removed).argmax(axis=1) for removed in absent]
    shares = _shapley("missing", Predictions(*parts), both, true)
    assert shares.text == shares.image
    difference = compare_scores(*(accuracy_scores(true, part)[None] for part in parts[:2]))
    assert (difference.difference, difference.p, verdict(difference.difference, difference.p)) == (
        0.0,
        1.0,
        "not distinguishable",
    )


def test_a_class_that_is_never_predicted_is_reported(tmp_path):
    """40 pairs of one class, 4 of each other, and weights that never move from always saying the first."""
    draw = random.Random(3)
    tags = ["negative"] * 40 + ["neutral"] * 4 + ["positive"] * 4
    path = write_pairs(tmp_path, [(f"p{n}", noise(draw), tag) for n, tag in enumerate(tags)])
    result, run = trained(path, tmp_path / "runs", fit=replace(CONFIG.fit, epochs=2, monitor="loss"))
    never = [row for row in result.best.per_class if row.label != "negative"]
    assert [(row.precision, row.recall, row.f1) for row in never] == [(0.0, 0.0, 0.0)] * 2
    assert [row.support for row in result.best.per_class] == [16, 2, 2]
    assert [row[0] for row in result.best.confusion] == [16, 2, 2]
    assert result.best.macro_f1 == pytest.approx(2 * 16 / (16 + 20) / 3), "F1 of the first class, over all three"
    assert result.best.accuracy == result.majority_accuracy == 0.8
    assert [row["label"] for row in run.read_json("result.json")["best"]["per_class"]] == list(LABELS)


def test_a_pair_gets_one_answer_whoever_asks(cue, tmp_path, monkeypatch):
    """Alone, in a batch, in another order, without its tag, by the command line and by Python."""
    path, _, run = cue
    checkpoint = run.path("best_model.pt")
    rows = list(csv.DictReader(path.open(newline="")))[:70]
    monkeypatch.chdir(path.parent)
    orders = {"first.csv": rows, "second.csv": rows[::-1], "third.csv": random.Random(4).sample(rows, 30)}
    told = {}
    for name, order in orders.items():
        with (path.parent / name).open("w", newline="") as stream:
            table = csv.DictWriter(stream, ("guid", "text", "image"), extrasaction="ignore")
            table.writeheader()
            table.writerows(order)
        options = ("--checkpoint", checkpoint, "--out", tmp_path / name, "--probabilities")
        succeed("predict", "--data", name, *options)
        answers = list(csv.DictReader((tmp_path / name).open(newline="")))
        assert [answer["guid"] for answer in answers] == [row["guid"] for row in order]
        for answer in answers:
            told.setdefault(answer["guid"], []).append([answer["tag"], *(float(answer[label]) for label in LABELS)])
    model = api.load(checkpoint)
    frame = pd.DataFrame(rows).set_index("guid")[["text", "image"]]
    for guid, answer in model.predict(frame).iterrows():
        told[guid].append([answer["label"], *(answer[f"probability_{label}"] for label in LABELS)])
    for row in rows[:9]:
        alone = model.predict_one(row["text"], row["image"])
        told[row["guid"]].append([alone.label, *alone.probabilities.values()])
    for answers in told.values():
        assert len({label for label, *_ in answers}) == 1
        shares = np.array([numbers for _, *numbers in answers])
        np.testing.assert_allclose(shares, np.broadcast_to(shares[0], shares.shape), atol=2e-6)
    assert sum(map(len, told.values())) == 70 + 70 + 30 + 70 + 9
