"""A finished run built by hand: 200 validation pairs, three epochs of which the second is the best."""

import pytest

from mmsent_cli.results import ClassMetrics, EpochResult, Metrics, TrainResult

LABELS = ("negative", "neutral", "positive")


@pytest.fixture
def history():
    return tuple(
        EpochResult(
            epoch=epoch,
            train_loss=1.0 / epoch,
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


@pytest.fixture
def train_result(history):
    confusion = ((42, 3, 15), (4, 6, 10), (14, 4, 102))
    per_class = tuple(
        ClassMetrics(label=label, precision=0.7 + 0.01 * i, recall=0.6, f1=0.65, support=sum(row))
        for i, (label, row) in enumerate(zip(LABELS, confusion, strict=True))
    )
    best = Metrics(
        loss=0.88, accuracy=0.75, macro_f1=0.65, interval=(0.686, 0.805), confusion=confusion, per_class=per_class
    )
    last = Metrics(
        loss=0.87, accuracy=0.70, macro_f1=0.60, interval=(0.633, 0.759), confusion=confusion, per_class=per_class
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
