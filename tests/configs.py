"""Resolved configurations for tests that build a model or a trainer by hand."""

from mmsent_cli.config import Facts, FitConfig, ModelConfig, resolve


def resolved_model(device="cpu", **settings):
    return resolve(ModelConfig(**settings), FitConfig(), Facts(device_type=device))[0]


def resolved_fit(encoders="light", **settings):
    return resolve(ModelConfig(encoders=encoders), FitConfig(**settings), Facts())[1]
