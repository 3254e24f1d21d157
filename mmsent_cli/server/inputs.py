"""Read the pairs in a request, or refuse it. Paths and addresses in a request are never opened."""

import base64
import binascii
import re
from typing import Annotated, Any

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from mmsent_cli.config.command_settings import ServeSettings
from mmsent_cli.data.images import NO_IMAGE, image_pixels, verify_image
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import counted


class Refusal(HTTPException):
    """The error of a request that is refused.

    Args:
        status: the HTTP status.
        message: what is wrong.
        hint: what to do.
        retry_s: seconds after which the client may try again.
    """

    def __init__(self, status: int, message: str, hint: str, retry_s: int | None = None) -> None:
        headers = {} if retry_s is None else {"Retry-After": str(retry_s)}
        super().__init__(status, {"error": message, "hint": hint}, headers)


DATA_URI = re.compile(r"data:[\w./+-]*;base64,", re.ASCII)
BODY_HINT = 'send JSON such as {"text": "what a day", "image": "<base64>"}, or a form with text and image'
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
IMAGE_HINT = "send the bytes of an image file: in base64 in JSON, or as a file in a form"


class PairBody(BaseModel):
    """A text, an image, or both."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str | None, Field(description="The text")] = None
    image: Annotated[str | None, Field(description="The bytes of an image file, in base64")] = None


class PredictBody(PairBody):
    """One pair, or several pairs under `pairs`."""

    pairs: Annotated[list[PairBody] | None, Field(description="Several pairs instead of one")] = None


async def read_pairs(request: Request, settings: ServeSettings) -> tuple[list[Pair], bool]:
    """Read the pairs of a request.

    Returns:
        The pairs, and True if the body contains a list of pairs.

    Raises:
        Refusal: the body contains no usable pair.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = _parse(await request.body())
        given = body.pairs if body.pairs is not None else [body]
        if body.pairs is not None and (body.text is not None or body.image is not None):
            raise Refusal(422, "pairs cannot be combined with text or image", "put each text and image into pairs")
        raw = [(each.text, _decode(each.image)) for each in given]
    elif kind in FORMS:
        body, raw = None, [await _form(request)]
    else:
        raise Refusal(
            415, f"the content type {kind} is not supported" if kind else "the request has no content type", BODY_HINT
        )
    if not 1 <= len(raw) <= settings.max_pairs:
        raise Refusal(422, f"the request has {counted(len(raw), 'pair')}", f"send 1 to {settings.max_pairs} pairs")
    is_list = body is not None and body.pairs is not None
    pairs = [
        _checked(str(number), f" of pair {number}" if is_list else "", text, image, settings)
        for number, (text, image) in enumerate(raw, 1)
    ]
    return pairs, is_list


def _parse(raw: bytes) -> PredictBody:
    try:
        return PredictBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(f"{part + 1}" if isinstance(part, int) else part for part in first["loc"])
        place = place.replace("pairs ", "pair ")
        if first["type"] == "extra_forbidden":
            where, _, name = place.rpartition(" ")
            raise Refusal(422, f"unknown field: {name}{f' of {where}' if where else ''}", BODY_HINT) from error
        raise Refusal(422, f"{place}: {first['msg']}" if place else first["msg"], BODY_HINT) from error


async def _form(request: Request) -> tuple[str | None, bytes | None]:
    """Read text and image from a form."""
    try:
        async with request.form(max_files=1, max_fields=1, max_part_size=2**62) as form:
            text, image = form.get("text"), form.get("image")
            if unknown := set(form) - {"text", "image"}:
                raise Refusal(422, f"unknown field: {', '.join(sorted(unknown))}", BODY_HINT)
            if isinstance(text, UploadFile):
                raise Refusal(422, "the field text is a file", "send the text as a plain field")
            if isinstance(image, str) and image:
                raise Refusal(422, "the field image is not a file", IMAGE_HINT)
            return text, await image.read() or None if isinstance(image, UploadFile) else None
    except (MultiPartException, UnicodeDecodeError, KeyError) as error:
        raise Refusal(422, "the form cannot be read", BODY_HINT) from error


def _decode(image: str | None) -> bytes | None:
    """Decode an image in base64, with or without the prefix of a data URI."""
    if not image:
        return None
    try:
        return base64.b64decode(DATA_URI.sub("", image, count=1), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, "the image is not valid base64; paths and addresses are not opened", IMAGE_HINT) from error


def _checked(guid: str, which: str, text: str | None, image: bytes | None, settings: ServeSettings) -> Pair:
    """Check a text and an image against the limits, and return them as a pair. `which` names the pair in errors."""
    text = text if text and text.strip() else None
    if text is None and image is None:
        raise Refusal(422, f"neither the text nor the image{which} is given", BODY_HINT)
    if text is not None and len(text) > settings.max_text:
        raise Refusal(
            413, f"the text{which} has {len(text)} characters", f"send at most {settings.max_text} characters"
        )
    if image is not None and (problem := _image_problem(image, settings.max_megapixels)):
        raise Refusal(422, f"the {'file' if problem == NO_IMAGE else 'image'}{which} {problem}", IMAGE_HINT)
    return Pair(guid=guid, tag=None, text=text, image=image)


def _image_problem(raw: bytes, max_megapixels: float) -> str | None:
    """Return the reason why an image cannot be used, or None.

    The size of the image is checked before any pixel is decoded.
    """
    try:
        pixels = image_pixels(raw)
    except ValueError as error:
        return str(error)
    if pixels > max_megapixels * 1e6:
        return f"has {pixels / 1e6:.0f} million pixels, more than {max_megapixels:g}"
    return verify_image(raw)


def body_schema() -> dict[str, Any]:
    """Return the schema of a request body, for the OpenAPI description."""
    form = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "image": {"type": "string", "format": "binary"}},
    }
    content = {
        "application/json": {"schema": PredictBody.model_json_schema(ref_template="#/components/schemas/{model}")},
        **{kind: {"schema": form} for kind in FORMS},
    }
    content["application/json"]["schema"].pop("$defs", None)
    return {"requestBody": {"required": True, "content": content}}
