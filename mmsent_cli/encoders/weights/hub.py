"""Models of the Hugging Face hub: check the cache, check the connection, and load a model."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from mmsent_cli.errors import WeightsUnavailable

HUB = "https://huggingface.co"
CLIP = "openai/clip-vit-base-patch32"
"""The model with both towers: `text/clip.py` loads one, `image/clip.py` the other."""
TIMEOUT_SECONDS = 5.0
INCOMPLETE_HINT = "download the model again, or give another folder with --weights-dir"


def is_cached(name: str) -> bool:
    """Return True if the configuration of the model is in the hub cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        return False


def is_reachable(url: str) -> bool:
    """Return True if a host sends any HTTP response within `TIMEOUT_SECONDS`, including DNS and proxy."""
    outcome: list[bool] = []

    def request() -> None:
        try:
            urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS).close()
            outcome.append(True)
        except urllib.error.HTTPError:
            outcome.append(True)
        except OSError:
            outcome.append(False)

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return outcome == [True]


def strict_from_pretrained(from_pretrained: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `from_pretrained` to raise WeightsUnavailable if weights are missing, instead of initializing them randomly.

    Many published models have no pooler. If it is missing, it is removed from the model.
    """

    def load(place: str, local_files_only: bool) -> Any:
        model, found = from_pretrained(place, local_files_only=local_files_only, output_loading_info=True)
        missing = sorted(found["missing_keys"])
        needed = [name for name in missing if not name.startswith("pooler.")]
        if needed:
            what = f"{len(needed)} of the model's weights, such as {needed[0]}"
            raise WeightsUnavailable(f"the files of {place} lack {what}", INCOMPLETE_HINT)
        if missing:
            model.pooler = None
        return model

    return load


def quiet_transformers() -> None:
    """Turn off the progress bars and load reports of transformers; failures still raise."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
