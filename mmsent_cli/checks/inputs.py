"""Check texts and images, and how the encoders read them. Nothing is downloaded for a check."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from mmsent_cli.checks.rows import FIRST, ReadPairs
from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.images import BROKEN, image_bytes, open_image
from mmsent_cli.data.lab import composed, list_files
from mmsent_cli.data.language import ENGLISH_ENCODERS, WARN_SHARE, Coverage, measure
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import clean, says_nothing
from mmsent_cli.encoders.inputs import UNKNOWN_TOKENS, TextInputs, build_vocabulary
from mmsent_cli.encoders.registry import (
    auxiliary_place,
    build_auxiliary_encoder,
    build_image_encoder,
    build_text_encoder,
)
from mmsent_cli.encoders.text.light import MAX_WORDS, MIN_COUNT
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import auxiliary_encoders
from mmsent_cli.errors import WeightsUnavailable, counted
from mmsent_cli.features.builder import UNKNOWN_SHARE
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, ListedPair

FROM_THE_HUB = ("bert", "clip", "hf", "resnet18", "timm", "twitter-roberta")
"""Encoders whose weights training downloads if they are missing."""


@dataclass(slots=True)
class Readers:
    """The text encoders' tokenizers and the image encoder's image size.

    Attributes:
        texts: for each text encoder, its tokenizer. The model's own encoder is first; only probes use the others.
        image_size_px: side of the image encoder's input; None if it is unknown.
        problems: a message for each encoder that cannot be loaded.
        stops: True if training would fail too, since it could not load one of the encoders.
    """

    texts: dict[str, TextInputs] = field(default_factory=dict)
    image_size_px: int | None = None
    problems: list[str] = field(default_factory=list)
    advice: str = ""
    stops: bool = False

    def outcome(self, model: ResolvedModel) -> CheckOutcome:
        """Check that the weights of all encoders are on this machine."""
        loaded = [name for name in (model.text_encoder, model.image_encoder) if name != "light"]
        return CheckOutcome(
            check="weights",
            level=ERROR if self.stops else WARNING if self.problems else OK,
            message="; ".join(self.problems)
            or (f"the weights of {' and '.join(loaded)} are on this machine" if loaded else "light needs no weights"),
            rule="error if weights can neither be found nor downloaded",
            advice=self.advice,
        )


def open_readers(
    model: ResolvedModel, weights: WeightSource, needs: Sequence[str], training_texts: Sequence[str]
) -> Readers:
    """Load the encoders that a training would use, and return their tokenizers and the size of the images.

    Args:
        model: the model that would be trained.
        weights: where to look for weights.
        needs: the modalities that the model reads (text, image).
        training_texts: texts of the training pairs. The encoder `light` builds its vocabulary from these texts.
    """
    readers, here = Readers(), replace(weights, offline=True)
    if "text" in needs:
        _open_text(readers, model, here, weights, training_texts)
    if "image" in needs:
        try:
            readers.image_size_px = build_image_encoder(model, here).inputs.image_size_px
        except WeightsUnavailable as error:
            _note(readers, error, model.image_encoder, weights)
    for name in auxiliary_encoders(model.probes):
        encoder = auxiliary_place(name)[1]
        try:
            inputs = build_auxiliary_encoder(name, model, here).inputs
        except WeightsUnavailable as error:
            _note(readers, error, encoder, weights)
        else:
            readers.texts |= {encoder: inputs} if isinstance(inputs, TextInputs) else {}
    return readers


def _open_text(
    readers: Readers, model: ResolvedModel, here: WeightSource, weights: WeightSource, texts: Sequence[str]
) -> None:
    vocabulary = None
    if model.text_encoder == "light":
        vocabulary = build_vocabulary(texts, model.text_cleaning, MAX_WORDS, MIN_COUNT)
    try:
        readers.texts[model.text_encoder] = build_text_encoder(model, here, vocabulary).inputs
    except WeightsUnavailable as error:
        _note(readers, error, model.text_encoder, weights)


def _note(readers: Readers, error: WeightsUnavailable, encoder: str, weights: WeightSource) -> None:
    """Record why an encoder cannot be loaded, and whether training would download its weights from the hub."""
    is_downloaded = encoder.partition(":")[0] in FROM_THE_HUB and not weights.offline
    more = "; training downloads them, if the hub can be reached" if is_downloaded else ""
    readers.problems.append(f"{error.message}{more}; the input of {encoder} was not checked")
    readers.advice = "see mmsent env" if is_downloaded else error.hint
    readers.stops = readers.stops or not is_downloaded


CUT_SHARE = 0.05
OTHER_ENCODER = "use a text encoder that was trained on such texts"
RARE_WORDS = "add pairs: the vocabulary of light has only words that occur twice in training"


def text_outcomes(
    data: ReadPairs, model: ResolvedModel, readers: Mapping[str, TextInputs], lengths: Mapping[str, Sequence[int]]
) -> Iterator[CheckOutcome]:
    """Make all checks of the texts.

    Args:
        data: all pairs.
        model: the model that would be trained.
        readers: for each text encoder, its tokenizer. The model's own encoder is first.
        lengths: for each text encoder, the number of tokens of each text before truncation.
    """
    pairs = texts_of(data)
    yield _charset(data)
    yield _without_words(pairs, model)
    for name, inputs in readers.items():
        is_first = name == next(iter(readers))
        yield _cut(pairs, name, inputs, lengths[name], is_first)
        yield _unknown(pairs, name, inputs, is_first)
    yield _scripts(pairs, model)


def texts_of(data: ReadPairs) -> list[Pair]:
    """Return the usable pairs that have a text."""
    return [pair for pair in data.pairs if pair.text is not None]


def token_counts(inputs: TextInputs, texts: Iterable[str]) -> list[int]:
    """Return the number of tokens of each text before truncation, special tokens included."""
    from tokenizers import Tokenizer

    whole = Tokenizer.from_str(inputs.tokenizer.to_str())
    whole.no_truncation()
    return [len(each.ids) for each in whole.encode_batch([clean(text, inputs.cleaning) for text in texts])]


def coverage_of(data: ReadPairs, model: ResolvedModel) -> Coverage:
    """Measure the share of each script, such as Latin, in the letters of all texts."""
    return measure((pair.text or "" for pair in data.pairs), model.text_cleaning)


def encodings_of(data: ReadPairs) -> dict[str, int]:
    """Count the texts in each encoding, the most frequent one first. All texts of a table have the same encoding."""
    if data.source.kind != "lab":
        return {data.decision.encoding: len(texts_of(data))}
    files = list_files(data.source.path).texts
    codecs: Counter[str] = Counter()
    for pair in texts_of(data):
        with open(files[composed(pair.guid)], "rb") as file:  # noqa: PTH123 thousands of Paths are slow
            codecs[data.decision.codec_of(file.read())] += 1
    return dict(codecs.most_common())


def _charset(data: ReadPairs) -> CheckOutcome:
    decision = data.decision
    lossy = [pair for pair in data.pairs if pair.replaced]
    count = sum(pair.replaced for pair in lossy)
    unsure = "" if decision.decided else "; the texts are too few to be sure"
    return CheckOutcome(
        check="character set",
        level=ERROR if not decision.decided else WARNING if lossy else OK,
        message=f"{decision.encoding}{unsure}; {counted(count, 'character')} in {counted(len(lossy), 'text')} "
        "could not be decoded",
        rule="error if undecided; warning if any character could not be decoded",
        advice=f"give the encoding, such as --encoding {decision.encoding}; see mmsent inspect-encoding"
        if not decision.decided
        else "see mmsent inspect-encoding, or name it with --encoding"
        if lossy
        else "",
        pairs=tuple(_listed_text(pair, f"{counted(pair.replaced, 'character')} became U+FFFD") for pair in lossy),
    )


def _without_words(pairs: Sequence[Pair], model: ResolvedModel) -> CheckOutcome:
    found = [pair for pair in pairs if says_nothing(pair.text or "", model.text_cleaning)]
    return CheckOutcome(
        check="texts without words",
        level=WARNING if found else OK,
        message=f"{len(found):,} of {len(pairs):,} texts have no words, such as links alone",
        rule=FIRST,
        advice="look at these texts: they count as missing, so only the image is used" if found else "",
        pairs=tuple(_listed_text(pair, pair.text or "") for pair in found),
    )


def _cut(pairs: Sequence[Pair], name: str, inputs: TextInputs, lengths: Sequence[int], is_first: bool) -> CheckOutcome:
    limit = inputs.max_length_tokens
    found = [(pair, length) for pair, length in zip(pairs, lengths, strict=True) if length > limit]
    share = len(found) / max(len(pairs), 1)
    is_much = share > CUT_SHARE
    return CheckOutcome(
        check="cut texts" if is_first else f"cut texts, {name}",
        level=WARNING if is_much else OK,
        message=f"{len(found):,} of {len(pairs):,} texts ({100 * share:.1f} %) are longer than "
        f"the {limit} tokens of {name}, and are cut",
        rule=f"warning above {100 * CUT_SHARE:.0f} %",
        advice="raise --max-length-tokens" if is_much else "",
        pairs=tuple(_listed_text(pair, f"{length} tokens") for pair, length in found),
    )


def _unknown(pairs: Sequence[Pair], name: str, inputs: TextInputs, is_first: bool) -> CheckOutcome:
    numbers = {number for token in UNKNOWN_TOKENS if (number := inputs.tokenizer.token_to_id(token)) is not None}
    arrays = inputs.arrays([pair.text or "" for pair in pairs])
    counts = [sum(int(number) in numbers for number in ids) for ids in arrays]
    found = [(pair, count, len(ids)) for pair, count, ids in zip(pairs, counts, arrays, strict=True) if count]
    share = inputs.unknown_share(arrays)
    is_much = share >= UNKNOWN_SHARE
    return CheckOutcome(
        check="unknown tokens" if is_first else f"unknown tokens, {name}",
        level=WARNING if is_much else OK,
        message=f"{100 * share:.1f} % of all tokens are unknown to {name}, in {len(found):,} of {len(pairs):,} texts",
        rule=f"warning from {100 * UNKNOWN_SHARE:.0f} % on",
        advice=(RARE_WORDS if name == "light" else OTHER_ENCODER) if is_much else "",
        pairs=tuple(_listed_text(pair, f"{count} of {total} tokens") for pair, count, total in found),
    )


def _scripts(pairs: Sequence[Pair], model: ResolvedModel) -> CheckOutcome:
    """Count the texts that are not mostly in Latin script. An encoder that was trained on English cannot read them."""
    found = [pair for pair in pairs if measure([pair.text or ""], model.text_cleaning).foreign]
    share = len(found) / max(len(pairs), 1)
    is_much = model.text_encoder in ENGLISH_ENCODERS and share > WARN_SHARE
    return CheckOutcome(
        check="scripts",
        level=WARNING if is_much else OK,
        message=f"{len(found):,} of {len(pairs):,} texts ({100 * share:.1f} %) are not in Latin script",
        rule=f"warning above {100 * WARN_SHARE:.0f} % with a text encoder that was trained on English",
        advice="use a multilingual text encoder, such as --text-encoder hf:xlm-roberta-base, or --encoders light"
        if is_much
        else "",
        pairs=tuple(_listed_text(pair, pair.text or "") for pair in found),
    )


def _listed_text(pair: Pair, detail: str) -> ListedPair:
    return ListedPair(guid=pair.guid, tag=pair.tag or "", detail=" ".join(detail.split()))


SMALL_SHARE = 0.1
LONG_SIDES = 3.0
LONG_SHARE = 0.05
MOVING = ("GIF", "WEBP", "PNG")
"""Image formats that may contain several frames."""


class Header(NamedTuple):
    """The format and the size of an image, from the header of its file."""

    pair: Pair
    kind: str
    width: int
    height: int
    kilobytes: float
    is_moving: bool

    @property
    def shorter(self) -> int:
        """The length of the shorter side in pixels."""
        return min(self.width, self.height)


def headers_of(pairs: Sequence[Pair]) -> list[Header]:
    """Return the headers of all images that need no repair. No pixel is decoded."""
    return [header for pair in pairs if pair.image is not None and (header := _header(pair))]


def image_kinds(headers: Sequence[Header]) -> dict[str, int]:
    """Count the images by format, the most frequent first."""
    return dict(Counter(header.kind for header in headers).most_common())


def image_outcomes(headers: Sequence[Header], size_px: int | None) -> Iterator[CheckOutcome]:
    """Make all checks of the images. `size_px` is the side of the encoder's input; None if unknown."""
    yield _kinds(headers)
    if size_px is not None:
        yield _small(headers, size_px)
    yield _long(headers)


def _header(pair: Pair) -> Header | None:
    raw = pair.image if isinstance(pair.image, bytes) else image_bytes(Path(pair.image or ""))
    try:
        image = open_image(raw)
        is_moving = image.format in MOVING and bool(getattr(image, "is_animated", False))
        return Header(pair, image.format or "", image.width, image.height, len(raw) / 1000, is_moving)
    except BROKEN:  # an image that is repaired before it is decoded
        return None


def _kinds(headers: Sequence[Header]) -> CheckOutcome:
    moving = [header for header in headers if header.is_moving]
    counts = ", ".join(f"{kind} {count:,}" for kind, count in image_kinds(headers).items())
    return CheckOutcome(
        check="image formats",
        level=WARNING if moving else OK,
        message=f"{counts or 'no image'}; {len(moving):,} are animated",
        rule="warning if any is animated",
        advice="only the first frame of an animation is used" if moving else "",
        pairs=tuple(_listed_image(header, f"{header.kind}, animated") for header in moving),
    )


def _small(headers: Sequence[Header], size_px: int) -> CheckOutcome:
    small = [header for header in headers if header.shorter < size_px]
    message = f"have a side shorter than the {size_px} pixels of the encoder's input"
    return _share_of("small images", small, headers, SMALL_SHARE, message, "use larger images")


def _long(headers: Sequence[Header]) -> CheckOutcome:
    long = [header for header in headers if max(header.width, header.height) > LONG_SIDES * header.shorter]
    message = f"are more than {LONG_SIDES:.0f} times as long as wide, or as high as wide"
    return _share_of(
        "long images",
        long,
        headers,
        LONG_SHARE,
        message,
        "they are squeezed to a square; crop them to the important part",
    )


def _share_of(
    check: str, found: Sequence[Header], headers: Sequence[Header], most: float, message: str, advice: str
) -> CheckOutcome:
    """Compute the share of the images in `found` among all images. The outcome is a warning if it is above `most`."""
    share = len(found) / max(len(headers), 1)
    is_much = share > most
    return CheckOutcome(
        check=check,
        level=WARNING if is_much else OK,
        message=f"{len(found):,} of {len(headers):,} images ({100 * share:.1f} %) {message}",
        rule=f"warning above {100 * most:.0f} %",
        advice=advice if is_much else "",
        pairs=tuple(_listed_image(header, f"{header.width} x {header.height}") for header in found),
    )


def _listed_image(header: Header, detail: str) -> ListedPair:
    return ListedPair(guid=header.pair.guid, tag=header.pair.tag or "", detail=detail)
