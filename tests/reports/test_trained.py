"""What was trained: parts with licences and formulas, settings, class counts; in a page, in Chinese and in files."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import AxesImage

from mmsent_cli.config import ModelConfig, TrainConfig, to_dict
from mmsent_cli.config.build import PRESETS
from mmsent_cli.config.defaults import Facts, resolve
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.reports.confidence import MOST_CURVES, Confidence, draw_precision_recall
from mmsent_cli.reports.examples import MOST_VARIANTS, AugmentedImage, augmented_images, draw_augmented
from mmsent_cli.reports.lines import CONNECTOR
from mmsent_cli.reports.outputs import run_files
from mmsent_cli.stats import answered_shares, calibration_bins, precision_recall
from mmsent_cli.training.describe import encoder_parts, fusion_part, model_parts
from tests.reports.pages import Page, particulars
from tests.reports.pictures import cut, faint, overlapping
from tests.reports.test_translate import Prose, english

COUNTS = {"training": {"negative": 95, "positive": 190}, "validation": {"negative": 24, "positive": 48}}


def resolved(**changes):
    """A resolved configuration, as `config.json` has it."""
    given = TrainConfig(model=ModelConfig(**changes))
    facts = Facts(device_type="cpu", auto="compact", has_folds=False)
    model, fit = resolve(given.model, given.fit, facts)
    return model, to_dict(given) | {"model": to_dict(model), "fit": to_dict(fit)}


@pytest.fixture(scope="module")
def page_of(train_result):
    def made(language="en", **changes):
        model, config = resolved(**changes)
        result = replace(train_result, parts=model_parts(model), source="pairs.csv")
        parts = particulars(
            config=config, counts=COUNTS, date="2026-01-02", language=language, environment={"mmsent": "0.1.0"}
        )
        return run_files(result, parts)["report.html"]

    return made


def test_every_encoder_and_fusion_names_its_source(page_of):
    for table in (TEXT_ENCODERS, IMAGE_ENCODERS):
        assert [name for name, spec in table.items() if not spec.licence] == []
        assert [n for n, spec in table.items() if spec.is_pretrained and not spec.source] == [
            name for name in ("timm", "hf") if name in table
        ]
    assert [name for name, spec in FUSIONS.items() if not (spec.summary and spec.formula and spec.source)] == []


@pytest.mark.usefixtures("unpainted")
def test_a_page_says_what_was_trained(page_of):
    page = Page(page_of(encoders="compact", fusion="gmu", freeze_text="3", freeze_image="all"))
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["Text encoder"][0] == "minilm"
    assert rows["Text encoder"][3] == "embeddings and first 3 layers frozen, the others trained"
    assert rows["Text encoder"][4].startswith("Apache-2.0; all-MiniLM-L6-v2")
    assert rows["Image encoder"][3] == "frozen"
    assert rows["Fusion"][2].replace("\u2212", "-") == FUSIONS["gmu"].formula
    assert rows["Head"][1].startswith("256 hidden units")
    assert rows["Learning rates"] == ["0.001 for fusion and head; 5e-05 for the encoders"]
    assert rows["Batch"] == ["16\u00a0pairs"]
    assert rows["Split"] == ["grouped; 20\u00a0% for validation; seed 42"]
    assert rows["Seed"] == ["0"]
    assert rows["Data"] == ["pairs.csv"]
    assert (rows["Date"], rows["Version"]) == (["2026-01-02"], ["0.1.0"])
    assert ["negative", "95", "24"] in page.rows
    assert ["All", "285", "72"] in page.rows


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("fusion", FUSIONS)
def test_formulas_are_kept_and_words_translated(page_of, fusion):
    page = Prose(page_of("zh", encoders="compact", fusion=fusion))
    formula = FUSIONS[fusion].formula.replace(" - ", " \u2212 ")
    assert any(formula in (cell, cell.replace("-", "\u2212")) or FUSIONS[fusion].formula == cell for cell in page.prose)
    assert english(FUSIONS[fusion].summary)
    assert FUSIONS[fusion].summary not in page.prose


@pytest.mark.usefixtures("unpainted")
def test_an_ensemble_names_its_members(folds_result):
    model, config = resolved(encoders="compact")
    config["split"]["folds"], config["model"]["models_per_fold"], config["model"]["probes"] = 5, 2, ["mpnet", "image"]
    result = replace(folds_result, parts=model_parts(replace(model, probes=("mpnet", "image"))))
    rows = [row[:2] for row in Page(run_files(result, particulars(config=config))["report.html"]).rows]
    assert ["Ensemble", "10 networks; 2 probes; weights of all members by a stacker"] in rows
    assert ["Probe", "mpnet"] in rows


def test_encoders_that_the_user_names_and_probes_are_parts_too():
    model, _ = resolved(encoders="compact", text_encoder="hf:me/mine", fusion="text-only")
    (text, fusion, _) = model_parts(model)
    assert (text.part, text.licence, text.source) == ("text encoder", "", "me/mine on the hub or in a folder")
    assert fusion.formula == "t"
    best = next(iter(PRESETS.values()))
    assert best is not None
    probed = replace(model, probes=("mpnet", "lexicon"))
    probes = [part for part in model_parts(probed) if part.part == "probe"]
    assert [(one.name, one.licence) for one in probes] == [("mpnet", "Apache-2.0"), ("lexicon", "")]
    assert len(encoder_parts(model)) == 2
    assert fusion_part("logit-ensemble").formula.startswith("exp(a)")


def random_confidence(classes=3, pairs=200):
    draws = np.random.default_rng(0)
    targets = np.arange(pairs) % classes
    logits = draws.normal(size=(pairs, classes)) + 1.5 * np.eye(classes)[targets]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = tuple(f"class-{number}" for number in range(classes))
    right = shares.argmax(axis=1) == targets
    return Confidence(
        bins=calibration_bins(shares, targets),
        answered=answered_shares(shares.max(axis=1), right, (0.5, 1.0)),
        majority=1 / classes,
        curves=precision_recall(shares, targets, labels),
    )


@pytest.mark.parametrize("classes", [2, 3, 12, 30])
def test_precision_recall_curves_have_names_at_their_ends_and_differ_without_color(classes):
    confidence = random_confidence(classes)
    figure = draw_precision_recall(confidence.curves)
    assert cut(figure) == faint(figure) == overlapping(figure) == []
    (axes,) = figure.axes
    lines = [line for line in axes.get_lines() if line.get_gid() != CONNECTOR]
    assert len(lines) == min(classes, MOST_CURVES)
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines)
    names = [text.get_text() for text in axes.texts]
    assert sorted(names) == sorted(f"class-{number}" for number in range(len(lines)))


def test_a_page_has_the_average_precision_of_each_class(train_result):
    files = run_files(train_result, particulars(confidence=random_confidence()))
    assert {"calibration.png", "answered.png", "precision-recall.png"} <= files.keys()
    rows = {row[0]: row for row in Page(files["report.html"]).rows}
    assert rows["class-1"][1:2] == ["67"]
    assert rows["class-1"][3] == "0.335"
    assert "class-1,67," in files["tables/average-precision.csv"]


def images(count=3, side=12):
    from io import BytesIO

    from PIL import Image

    made = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        made.append(
            Pair(
                guid=str(number),
                tag=f"c{number}",
                text=f"text{number}",
                image=buffer.getvalue(),
                image_digest=f"{number:032x}",
            )
        )
    return made


def test_augmented_images_are_those_of_the_policies_next_to_their_originals(train_result):
    pairs = [*images(5), Pair(guid="x", tag="c0", text="no image", image=None)]
    policies = [Augmentation("flip", 0, 2), Augmentation("color", 0, 9)]
    shown = augmented_images(pairs, policies)
    assert [one.policy for one in shown] == ["flip", "color"] * 2
    assert [len(one.variants) for one in shown] == [2, MOST_VARIANTS] * 2
    assert all(one.variants[0].shape == one.original.shape for one in shown)
    flipped = [one for one in shown if one.policy == "flip"]
    assert all(
        np.array_equal(view, one.original) or np.array_equal(view, one.original[:, ::-1])
        for one in flipped
        for view in one.variants
    )
    assert augmented_images(pairs, []) == []


def test_the_page_shows_the_sheet_with_an_alternative_text_and_does_not_invert_it(train_result):
    pixels = np.full((8, 8, 3), 99, dtype=np.uint8)
    sheet = [AugmentedImage("strong", pixels, [pixels] * 3), AugmentedImage("flip", pixels, [pixels])]
    figure = draw_augmented(sheet)
    assert {"original", "strong", "flip"}.isdisjoint(cut(figure))
    assert sum(isinstance(part, AxesImage) for axes in figure.axes for part in axes.get_children()) == 6
    page = Page(run_files(train_result, particulars(augmented=sheet))["report.html"])
    (image,) = [image for image in page.images if "strong, flip" in image["alt"]]
    assert "class" not in image
    assert "Augmented images" in page.words
