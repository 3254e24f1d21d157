"""Experiments' results built by hand, with numbers chosen so that no two are alike."""

from mmsent_cli.results import (
    AblateResult,
    AblationArm,
    Agreement,
    ClassMetrics,
    ComparedArm,
    CompareResult,
    Difference,
    Emap,
    EpochScore,
    Published,
    PublishedArm,
    PublishedTrial,
    SeedScores,
    Shapley,
    SharedSetup,
    TrialResult,
    TuneResult,
)

LABELS = ("negative", "neutral", "positive")
SEVEN = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


def setting(**changes):
    values = {
        "encoders": "compact",
        "labels": LABELS,
        "train_pairs": 3200,
        "val_pairs": 800,
        "split": "grouped, digest 0123abcd",
        "epochs": 5,
        "seeds": (0, 1, 2),
        "majority_accuracy": 0.577,
        "encoder_runs": {"text": 3987, "image": 4000},
        "device": "cpu",
        "precision": "fp32",
    }
    return SharedSetup(**(values | changes))


def curve(best_accuracy, best_epoch, epochs=5, gates=None, shift=0.0):
    """A learning curve whose best epoch is `best_epoch`; the gates drift away from each other."""
    return tuple(
        EpochScore(
            epoch=epoch,
            train_loss=1.05 * 0.82**epoch + shift,
            train_objective=1.5 * 0.82**epoch + shift,
            val_loss=0.72 + 0.02 * abs(epoch - best_epoch) + shift,
            accuracy=best_accuracy - 0.009 * abs(epoch - best_epoch),
            macro_f1=best_accuracy - 0.09 - 0.008 * abs(epoch - best_epoch),
            gates={name: value + 0.02 * epoch for name, value in (gates or {}).items()},
        )
        for epoch in range(1, epochs + 1)
    )


def class_metrics(labels=LABELS, first=0.6):
    return tuple(
        ClassMetrics(
            label=label, precision=first + 0.031 * i, recall=first + 0.047 * i, f1=first + 0.039 * i, support=90 + i
        )
        for i, label in enumerate(labels)
    )


def scores(accuracies, macro_f1s, accuracy_sd, macro_f1_sd):
    return SeedScores(
        accuracies=accuracies,
        macro_f1s=macro_f1s,
        accuracy_mean=sum(accuracies) / len(accuracies),
        accuracy_sd=accuracy_sd,
        macro_f1_mean=sum(macro_f1s) / len(macro_f1s),
        macro_f1_sd=macro_f1_sd,
    )


def compared_arm(name, accuracy, *, is_reference=False, seeds=3, labels=LABELS, gates=None, epochs=5, **changes):
    """An arm around an accuracy; `difference` and the rest through `changes`."""
    best_epochs = tuple(1 + (2 + seed) % epochs for seed in range(seeds))
    best = tuple(accuracy + 0.011 + 0.004 * seed for seed in range(seeds))
    curves = tuple(
        curve(share, epoch, epochs, gates, 0.8 - accuracy + 0.01 * seed)
        for seed, (share, epoch) in enumerate(zip(best, best_epochs, strict=True))
    )
    values = {
        "name": name,
        "fusion": name,
        "augmentation": "none",
        "is_reference": is_reference,
        "seeds": tuple(range(seeds)),
        "trainable_parameters": 123_456,
        "nested": scores((accuracy,) * seeds, (accuracy - 0.1,) * seeds, 0.004, 0.006),
        "best": scores(best, tuple(share - 0.09 for share in best), 0.0041, 0.0042),
        "last": scores((accuracy - 0.003,) * seeds, (accuracy - 0.113,) * seeds, 0.007, 0.008),
        "accuracy_interval": (accuracy - 0.031, accuracy + 0.029),
        "macro_f1_interval": (accuracy - 0.133, accuracy - 0.068),
        "best_epochs": best_epochs,
        "best_train_losses": tuple(curves[seed][epoch - 1].train_loss for seed, epoch in enumerate(best_epochs)),
        "best_val_losses": tuple(curves[seed][epoch - 1].val_loss for seed, epoch in enumerate(best_epochs)),
        "per_class": class_metrics(labels, accuracy - 0.2),
        "curves": curves,
    }
    return ComparedArm(**(values | changes))


def against_baseline(difference, verdict="not distinguishable", p_adjusted=0.31, detectable=0.034, seeds=3):
    """What a tested arm has beside its own scores."""
    return {
        "accuracy_difference": Difference(
            difference=difference,
            interval=(difference - 0.022, difference + 0.021),
            p=p_adjusted / 6,
            detectable=detectable,
        ),
        "macro_f1_difference": Difference(
            difference=difference - 0.004, interval=(difference - 0.034, difference + 0.033), p=0.2, detectable=0.05
        ),
        "p_adjusted": p_adjusted,
        "verdict": verdict,
        "macro_f1_p_adjusted": 0.62,
        "macro_f1_verdict": "not distinguishable",
        "mcnemar": tuple(0.2 + 0.1 * seed for seed in range(seeds)),
    }


def compare_result(**changes):
    """The seven fusions and the two references: one arm worse, five not distinguishable."""
    differences = {"weighted": 0.009, "self-attention": 0.004, "early": -0.011, "blip": -0.004, "blip-advanced": 0.0}
    arms = [
        compared_arm("concat", 0.741),
        *(
            compared_arm(
                name,
                0.741 + gap,
                gates={"text": 0.5, "image": 0.4} if name == "weighted" else None,
                **against_baseline(gap),
            )
            for name, gap in differences.items()
        ),
        compared_arm("clip", 0.7, **against_baseline(-0.041, "worse", 0.0004, 0.028)),
        compared_arm("text-only", 0.703, is_reference=True),
        compared_arm("image-only", 0.618, is_reference=True),
    ]
    values = {"experiment": "compare-fusions", "baseline": "concat", "setup": setting(), "arms": tuple(arms)}
    return CompareResult(**(values | changes))


def ablate_result(**changes):
    """Both modalities, and each alone by the sources' way and by the training mean."""
    shares = {
        ("both", "both", "none"): 0.741,
        ("text only, zero", "text", "zero"): 0.683,
        ("image only, zero", "image", "zero"): 0.591,
        ("text only, mean", "text", "mean"): 0.702,
        ("image only, mean", "image", "mean"): 0.617,
    }
    arms = tuple(
        AblationArm(
            name=name,
            inputs=inputs,
            method=method,
            accuracy=share,
            macro_f1=share - 0.11,
            interval=(share - 0.032, share + 0.028),
            macro_f1_interval=(share - 0.147, share - 0.074),
            per_class=class_metrics(first=share - 0.2),
        )
        for (name, inputs, method), share in shares.items()
    )
    gap = Difference(difference=0.0045, interval=(-0.006, 0.015), p=0.4, detectable=0.0155)
    values = {
        "checkpoint": "runs/20250102-030405-train-compact-weighted/best_model.pt",
        "trained_by": "mmsent train",
        "epoch": 4,
        "encoders": "compact",
        "fusion": "weighted",
        "labels": LABELS,
        "source": "the validation pairs of the run",
        "val_pairs": 800,
        "majority_accuracy": 0.577,
        "arms": arms,
        "agreements": tuple(
            Agreement(
                method=method, both_right=0.5, only_text_right=right, only_image_right=0.09, neither_right=0.41 - right
            )
            for method, right in (("zero", 0.183), ("mean", 0.202))
        ),
        "shapley": tuple(
            Shapley(method=method, nothing=0.577, text=text, image=0.164 - text)
            for method, text in (("zero", 0.128), ("mean", 0.1245))
        ),
        "emap": Emap(
            pairs=400,
            accuracy=0.7325,
            macro_f1=0.6205,
            full_accuracy=0.737,
            full_macro_f1=0.631,
            changed=0.0275,
            difference=gap,
        ),
    }
    return AblateResult(**(values | changes))


def trial(number, phase, settings, accuracy, state="complete", seeds=1):
    best_epoch = 1 + number % 5
    one = curve(accuracy, best_epoch, shift=0.8 - accuracy)
    return TrialResult(
        number=number,
        phase=phase,
        settings=settings,
        state=state,
        accuracy=accuracy,
        macro_f1=accuracy - 0.12,
        interval=(accuracy - 0.033, accuracy + 0.027),
        best_epoch=best_epoch,
        train_loss=one[best_epoch - 1].train_loss,
        val_loss=one[best_epoch - 1].val_loss,
        curves=(one[:2] if state == "pruned" else one,) * seeds,
    )


def tune_result(**changes):
    """The sources' sequence: four rates, then three decays."""
    rates = {1e-5: 0.7275, 2e-5: 0.731, 3e-5: 0.739, 5e-5: 0.7512}
    decays = {1e-4: 0.7512, 3e-4: 0.7537, 5e-4: 0.735}
    trials = [
        *(trial(n, "rates", {"encoder_lr": r, "weight_decay": 1e-4}, a) for n, (r, a) in enumerate(rates.items())),
        *(
            trial(4 + n, "decays", {"encoder_lr": 5e-5, "weight_decay": d}, a)
            for n, (d, a) in enumerate(decays.items())
        ),
    ]
    values = {
        "strategy": "sequence",
        "fusion": "concat",
        "setup": setting(seeds=(0,)),
        "trials": tuple(trials),
        "best": 5,
        "best_config": "best_config.json",
        "runner_up": 4,
        "difference": Difference(difference=0.0025, interval=(-0.011, 0.016), p=0.72, detectable=0.0193),
        "verdict": "not distinguishable",
    }
    return TuneResult(**(values | changes))


def augment_result(**changes):
    arms = (
        compared_arm("none", 0.742),
        compared_arm("standard", 0.747, **against_baseline(0.005, p_adjusted=0.4, detectable=0.026)),
    )
    values = {"experiment": "augment-compare", "baseline": "none", "setup": setting(), "arms": arms}
    return CompareResult(**(values | changes))


def published(**changes):
    """The scores of the published BERT + ResNet18 setup."""
    rows = {
        "concat": (0.7462, 4, 0.6147, 0.7448),
        "weighted": (0.7575, 10, 0.3438, 0.7967),
        "self-attention": (0.7512, 3, 0.6687, 0.7391),
        "early": (0.7488, 9, 0.3992, 0.9907),
        "clip": (0.7063, 9, 0.4233, 0.8834),
        "blip": (0.7438, 4, 0.6333, 0.7472),
        "blip-advanced": (0.7462, 4, 0.5670, 0.7683),
    }
    values = {
        "name": "the published BERT + ResNet18 setup",
        "source": "report of a project",
        "set_up": "BERT-base and ResNet18, the last two text layers and the last image stage trained, 10 epochs, "
        "one seed",
        "val_pairs": 800,
        "tune": (
            PublishedTrial(name="learning rate 1e-5", accuracy=0.7275, trial=0),
            PublishedTrial(name="learning rate 2e-5", accuracy=None, trial=1),
            PublishedTrial(name="learning rate 5e-5", accuracy=0.7512, trial=3),
            PublishedTrial(name="weight decay 1e-4", accuracy=0.745, trial=3),
            PublishedTrial(name="weight decay 3e-4", accuracy=0.7512, trial=5),
            PublishedTrial(name="weight decay 7e-4", accuracy=0.735, trial=None),
        ),
        "train": 0.7538,
        "ablation": {"both": 0.7538, "text": 0.5988, "image": 0.6488},
        "fusions": tuple(
            PublishedArm(name=name, accuracy=row[0], epoch=row[1], train_loss=row[2], val_loss=row[3])
            for name, row in rows.items()
        ),
        "augmentation": (
            PublishedArm(name="none", accuracy=0.7438),
            PublishedArm(name="standard", accuracy=0.75),
        ),
        "repeated": (0.7512, 0.745),
    }
    return Published(**(values | changes))
