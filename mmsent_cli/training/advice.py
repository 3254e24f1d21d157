"""What to try next after a training that has learned too little."""

from typing import Any

from mmsent_cli.config import ResolvedFit

MORE_EPOCHS = 3
LEAST_EPOCHS = 10
HIGHER_RATE = 5
HIGHEST_HEAD_LR = 1e-2


def next_settings(fit: ResolvedFit) -> dict[str, Any]:
    """Return settings of the training to change, with their new values: more epochs, a higher rate, weighted
    classes.
    """
    head_lr = float(f"{min(HIGHER_RATE * fit.head_lr, HIGHEST_HEAD_LR):.3g}")
    return {
        "epochs": max(MORE_EPOCHS * fit.epochs, LEAST_EPOCHS),
        **({"head_lr": head_lr} if head_lr > fit.head_lr else {}),
        **({"class_weights": "balanced"} if fit.class_weights == "none" else {}),
    }


def what_to_try(fit: ResolvedFit) -> str:
    """Describe in words the settings to try next."""
    settings = next_settings(fit)
    words = {
        "epochs": "more epochs (--epochs {})",
        "head_lr": "a higher learning rate (--head-lr {:g})",
        "class_weights": "weighted classes (--class-weights {})",
    }
    parts = [words[name].format(value) for name, value in settings.items()]
    return f"try {', '.join(parts[:-1])}{' or ' if len(parts) > 1 else ''}{parts[-1]}"
