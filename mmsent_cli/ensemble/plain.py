"""Experts and stacker as plain data and tensors, the form in which a checkpoint keeps them, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mmsent_cli.ensemble.characters import Characters
from mmsent_cli.ensemble.experts import EXPERTS, Expert
from mmsent_cli.ensemble.stacking import Stacker

STACKER_PARTS = ("weight", "bias", "offsets")


def expert_content(expert: Expert) -> dict[str, Any]:
    """An expert without objects."""
    characters = expert.characters
    return {
        "name": expert.name,
        "weight": torch.from_numpy(expert.weight),
        "bias": torch.from_numpy(expert.bias),
        "prior": torch.from_numpy(expert.prior),
        "ngrams": None if characters is None else list(characters.ngrams),
        "idf": None if characters is None else torch.from_numpy(characters.idf),
    }


def read_expert(content: Mapping[str, Any]) -> Expert:
    """The expert that `expert_content` wrote.

    Raises:
        KeyError: a part is missing, or the table has no expert of that name.
        ValueError: the parts do not fit each other.
    """
    name = content["name"]
    weight, bias, prior = (content[part].numpy() for part in ("weight", "bias", "prior"))
    ngrams = content["ngrams"]
    characters = None if ngrams is None else Characters(tuple(ngrams), content["idf"].numpy())
    needs_ngrams = EXPERTS[name].features == "characters"
    if needs_ngrams != (characters is not None) or (characters and len(characters.ngrams) != len(weight)):
        raise ValueError(f"the n-grams of the expert {name} do not fit its weights")
    return Expert(name, weight, bias, prior, characters)


def stacker_content(stacker: Stacker | None) -> dict[str, torch.Tensor] | None:
    """A stacker without objects."""
    if stacker is None:
        return None
    return {part: torch.from_numpy(np.ascontiguousarray(getattr(stacker, part))) for part in STACKER_PARTS}


def read_stacker(content: Mapping[str, Any]) -> Stacker | None:
    """The stacker of a checkpoint's content.

    Raises:
        KeyError: a part is missing.
    """
    parts = content["stacker"]
    return None if parts is None else Stacker(*(parts[part].numpy() for part in STACKER_PARTS))
