"""Finished trainings built by hand: 200 pairs, three epochs of which the second is the best."""

import pytest

from mmsent_cli.results import (
    ClassMetrics,
    EpochResult,
    FoldResult,
    FoldsResult,
    MemberResult,
    Metrics,
    PaperResult,
    TradeOff,
    TrainResult,
)
from tests.reports.evaluations import evaluate_result, models_result
from tests.reports.experiments import ablate_result, augment_result, compare_result, published, tune_result
from tests.undrawn import leave_out_pixels

LABELS = ("negative", "neutral", "positive")


@pytest.fixture
def unpainted(monkeypatch):
    """Write no pixels where nobody looks at figures."""
    leave_out_pixels(monkeypatch)


@pytest.fixture(scope="session")
def history():
    return tuple(
        EpochResult(
            epoch=epoch,
            train_loss=1.0 / epoch,
            train_objective=1.5 / epoch,
            val_loss=0.9 - 0.01 * epoch,
            accuracy=accuracy,
            macro_f1=accuracy - 0.1,
            encoder_lr=1e-5,
            head_lr=1e-3,
            skipped_steps=epoch - 1,
            seconds=3.2,
            is_best=epoch < 3,
        )
        for epoch, accuracy in ((1, 0.66), (2, 0.75), (3, 0.70))
    )


@pytest.fixture(scope="session")
def train_result(history):
    confusion = ((42, 3, 15), (4, 6, 10), (14, 4, 102))
    per_class = tuple(
        ClassMetrics(label=label, precision=0.7 + 0.01 * i, recall=0.6, f1=0.65, support=sum(row))
        for i, (label, row) in enumerate(zip(LABELS, confusion, strict=True))
    )
    best = Metrics(
        loss=0.88,
        accuracy=0.75,
        macro_f1=0.65,
        interval=(0.686, 0.805),
        macro_f1_interval=(0.55, 0.72),
        confusion=confusion,
        per_class=per_class,
    )
    last = Metrics(
        loss=0.87,
        accuracy=0.70,
        macro_f1=0.60,
        interval=(0.633, 0.759),
        macro_f1_interval=(0.55, 0.72),
        confusion=confusion,
        per_class=per_class,
    )
    return TrainResult(
        run="runs/2025-01-02-03-04-05-train",
        encoders="light",
        fusion="weighted",
        accuracy=0.75,
        macro_f1=0.65,
        majority_accuracy=0.6,
        best_epoch=2,
        epochs=3,
        seconds=9.6,
        prepare_seconds=1.5,
        labels=LABELS,
        best=best,
        last=last,
        history=history,
        train_pairs=800,
        val_pairs=200,
        trainable_parameters=40,
        total_parameters=1000,
        device="cpu",
        precision="fp32",
        encoding="gb18030",
        problems=0,
    )


@pytest.fixture(scope="session")
def folds_result(train_result):
    members = [("network", 0.73), ("image", 0.66), ("lexicon", 0.64)]
    return FoldsResult(
        run="runs/2025-01-02-03-04-05-train",
        encoders="compact",
        fusion="weighted",
        probes=("image", "lexicon"),
        accuracy=0.75,
        macro_f1=0.65,
        majority_accuracy=0.6,
        calibration_error=0.0214,
        epochs=3,
        seconds=615.0,
        prepare_seconds=40.0,
        labels=train_result.labels,
        metrics=train_result.best,
        members=tuple(
            MemberResult(name=name, accuracy=share, macro_f1=share - 0.1, interval=(0.6, 0.7), loss=0.8)
            for name, share in members
        ),
        folds=tuple(
            FoldResult(fold=n, train_pairs=133, val_pairs=67 - n, accuracy=0.7, macro_f1=0.6, seconds=60.0)
            for n in (1, 2, 3)
        ),
        class_offsets={"negative": 0.14, "neutral": 0.35, "positive": 0.0},
        pairs=200,
        trade_off=tuple(
            TradeOff(logit_adjustment=n / 10, accuracy=0.76 - n / 100, macro_f1=0.63 + n / 100) for n in range(3)
        ),
        trainable_parameters=40,
        total_parameters=1000,
        device="cpu",
        precision="fp32",
        encoding="gb18030",
        problems=0,
        notes=("data: [here]",),
    )


@pytest.fixture(scope="session")
def paper_result(train_result):
    return PaperResult(
        tune=tune_result(),
        train=train_result,
        ablate=ablate_result(notes=("only here",)),
        fusions=compare_result(notes=("in both",)),
        augmentation=augment_result(notes=("in both",)),
        published=published(),
    )


@pytest.fixture(scope="session")
def results(train_result, folds_result, paper_result):
    """One result of each kind of report, by name."""
    return {
        "train": train_result,
        "folds": folds_result,
        "compare": compare_result(),
        "augment": augment_result(),
        "ablate": ablate_result(),
        "tune": tune_result(),
        "paper": paper_result,
        "evaluate": evaluate_result(),
        "models": models_result(),
    }


@pytest.fixture(autouse=True)
def no_line_about_loading(monkeypatch):
    """On a busy machine, a test may take longer than it takes until this line comes."""
    monkeypatch.setattr("mmsent_cli.reports.progress.LOADING_SECONDS", 3600.0)
