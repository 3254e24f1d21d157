"""Models of the Hugging Face hub: check the cache, check the connection, and load a model."""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
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
    return status_of(url) is not None


def status_of_model(endpoint: str, name: str) -> int | None:
    """Ask a hub once for the description of a model.

    transformers itself repeats its requests for each file, which takes minutes if the hub is busy or does not respond.

    Returns:
        The HTTP status, or None if there is no response within `TIMEOUT_SECONDS`.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import build_hf_headers

    try:
        url = hf_hub_url(name, "config.json", endpoint=endpoint)
    except HFValidationError:  # a path that is no name on a hub
        return HTTPStatus.NOT_FOUND
    return status_of(urllib.request.Request(url, method="HEAD", headers=build_hf_headers()))


def status_of(request: str | urllib.request.Request) -> int | None:
    """Return the HTTP status of the response to a request, or None without one within `TIMEOUT_SECONDS`."""
    outcome: list[int] = []

    def send() -> None:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                outcome.append(response.status)
        except urllib.error.HTTPError as error:
            outcome.append(error.code)
        except (OSError, http.client.HTTPException):
            pass

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return outcome[0] if outcome else None


def strict_from_pretrained(from_pretrained: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `from_pretrained` to raise WeightsUnavailable if weights are missing, instead of initializing them randomly.

    Many published weights lack those of the pooler. The pooler is then removed from the model.
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
