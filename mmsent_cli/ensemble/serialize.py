"""Convert probes and stacker to plain data and tensors for a checkpoint, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mmsent_cli.ensemble.kernel import Kernel
from mmsent_cli.ensemble.ngrams import Characters
from mmsent_cli.ensemble.probes import Probe, count_features, find_probe
from mmsent_cli.ensemble.stacker import Stacker

KERNEL_PARTS = ("offset", "rows")
STACKER_PARTS = ("weight", "bias", "offsets")


def probe_content(probe: Probe) -> dict[str, Any]:
    """Convert a probe to plain data."""
    characters, kernel = probe.characters, probe.kernel
    content = {
        "name": probe.name,
        "weight": torch.from_numpy(probe.weight),
        "bias": torch.from_numpy(probe.bias),
        "prior": torch.from_numpy(probe.prior),
        "ngrams": None if characters is None else list(characters.ngrams),
        "idf": None if characters is None else torch.from_numpy(characters.idf),
    }
    if kernel is not None:
        content["projections"] = list(map(torch.from_numpy, kernel.projections))
        content |= {part: torch.from_numpy(getattr(kernel, part)) for part in KERNEL_PARTS}
    return content


def read_probe(content: Mapping[str, Any], n_classes: int, pooled: Mapping[str, int]) -> Probe:
    """Make a probe from the plain data of `probe_content`.

    Args:
        content: the data of a probe.
        n_classes: number of classes C.
        pooled: number of features of each frozen encoder, with the keys of `ProbeInputs.pooled`.

    Raises:
        KeyError: a part is missing, or there is no probe of this name.
        ValueError: the parts have inconsistent sizes, or a wrong number of classes.
    """
    name = content["name"]
    weight, bias, prior = (content[part].numpy() for part in ("weight", "bias", "prior"))
    ngrams = content["ngrams"]
    characters = None if ngrams is None else Characters(tuple(ngrams), content["idf"].numpy())
    if (find_probe(name).features == "characters") != (characters is not None):
        raise ValueError(f"the probe {name} lacks n-grams, or has some that it does not use")
    if characters is not None and (
        characters.idf.shape != (len(characters.ngrams),) or len(set(characters.ngrams)) != len(characters.ngrams)
    ):
        raise ValueError(f"the probe {name} needs different n-grams, and one frequency for each")
    kernel = _read_kernel(content, pooled) if find_probe(name).features == "kernel" else None
    if not all(np.isfinite(part).all() for part in (weight, bias, prior)):
        raise ValueError(f"the weights of the probe {name} are not finite")
    shapes = (weight.shape, bias.shape, prior.shape)
    width = count_features(name, pooled, characters) if kernel is None else len(kernel.rows)
    if shapes != ((width, n_classes), (n_classes,), (n_classes,)):
        raise ValueError(f"the weights of the probe {name} do not fit its features and {n_classes} classes")
    return Probe(name, weight, bias, prior, characters, kernel)


def _read_kernel(content: Mapping[str, Any], pooled: Mapping[str, int]) -> Kernel:
    """Make the kernel of a probe; arguments and errors as for `read_probe`."""
    name = content["name"]
    kernel = Kernel(tuple(part.numpy() for part in content["projections"]), *(content[p].numpy() for p in KERNEL_PARTS))
    widths = tuple(pooled[each] for each in find_probe(name).pooled_names)
    components = (sum(part.shape[1] for part in kernel.projections),)
    if tuple(map(len, kernel.projections)) != widths or not kernel.offset.shape == kernel.rows.shape[1:] == components:
        raise ValueError(f"the parts of the kernel of the probe {name} do not fit each other")
    if not all(np.isfinite(part).all() for part in (*kernel.projections, kernel.offset, kernel.rows)):
        raise ValueError(f"the kernel of the probe {name} is not finite")
    return kernel


def stacker_content(stacker: Stacker) -> dict[str, torch.Tensor]:
    """Convert a stacker to plain data."""
    return {part: torch.from_numpy(np.ascontiguousarray(getattr(stacker, part))) for part in STACKER_PARTS}


def read_stacker(content: Mapping[str, Any], members: int, n_classes: int) -> Stacker:
    """Make a stacker from the content of a checkpoint.

    Raises:
        KeyError: a part is missing.
        ValueError: the number of members or classes is wrong.
    """
    parts = content["stacker"]
    stacker = Stacker(*(parts[part].numpy() for part in STACKER_PARTS))
    shapes = (stacker.weight.shape, stacker.bias.shape, stacker.offsets.shape)
    if shapes != ((members * n_classes, n_classes), (n_classes,), (n_classes,)):
        raise ValueError(f"the stacker does not fit {members} members and {n_classes} classes")
    return stacker
