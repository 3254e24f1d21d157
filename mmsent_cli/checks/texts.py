"""Checks of the texts: character set, texts without content, lengths, unknown tokens, scripts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mmsent_cli.checks.reading import ReadPairs
from mmsent_cli.checks.rows import FIRST
from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.lab import composed, list_files
from mmsent_cli.data.language import ENGLISH_ENCODERS, WARN_SHARE, Coverage, measure
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import clean, says_nothing
from mmsent_cli.encoders.inputs import UNKNOWN_TOKENS, TextInputs
from mmsent_cli.errors import counted
from mmsent_cli.features.builder import UNKNOWN_SHARE
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, ListedPair

CUT_SHARE = 0.05
OTHER_ENCODER = "use a text encoder for this language or these signs"
RARE_WORDS = "add pairs: the vocabulary of light has only words that occur twice in training"


def text_outcomes(
    data: ReadPairs, model: ResolvedModel, readers: Mapping[str, TextInputs], lengths: Mapping[str, Sequence[int]]
) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of the texts.

    Args:
        data: all pairs.
        model: the model that would be trained.
        readers: the tokenizers of the text encoders by name, that of the model itself first.
        lengths: number of tokens of each text, uncut, by the same names.
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
    """The usable pairs that have a text."""
    return [pair for pair in data.pairs if pair.text is not None]


def token_counts(inputs: TextInputs, texts: Iterable[str]) -> list[int]:
    """Number of tokens of each text before it is cut, special tokens included."""
    from tokenizers import Tokenizer

    whole = Tokenizer.from_str(inputs.tokenizer.to_str())
    whole.no_truncation()
    return [len(each.ids) for each in whole.encode_batch([clean(text, inputs.cleaning) for text in texts])]


def coverage_of(data: ReadPairs, model: ResolvedModel) -> Coverage:
    """The scripts of all texts."""
    return measure((pair.text or "" for pair in data.pairs), model.text_cleaning)


def encodings_of(data: ReadPairs) -> dict[str, int]:
    """Number of texts by character set, the most frequent first; of a table, only that of the file."""
    if data.source.kind != "lab":
        return {data.decision.encoding: len(texts_of(data))}
    files = list_files(data.source.path).texts
    codecs: Counter[str] = Counter()
    for pair in texts_of(data):
        with open(files[composed(pair.guid)], "rb") as file:  # noqa: PTH123 names of 4,000 files, no Paths
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
        pairs=tuple(_listed(pair, f"{counted(pair.replaced, 'character')} became U+FFFD") for pair in lossy),
    )


def _without_words(pairs: Sequence[Pair], model: ResolvedModel) -> CheckOutcome:
    found = [pair for pair in pairs if says_nothing(pair.text or "", model.text_cleaning)]
    return CheckOutcome(
        check="texts without words",
        level=WARNING if found else OK,
        message=f"{len(found):,} of {len(pairs):,} texts have no words, such as links alone",
        rule=FIRST,
        advice="they count as missing: the image decides; look at them" if found else "",
        pairs=tuple(_listed(pair, pair.text or "") for pair in found),
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
        advice="raise --max-length-tokens, or put what matters first" if is_much else "",
        pairs=tuple(_listed(pair, f"{length} tokens") for pair, length in found),
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
        pairs=tuple(_listed(pair, f"{count} of {total} tokens") for pair, count, total in found),
    )


def _scripts(pairs: Sequence[Pair], model: ResolvedModel) -> CheckOutcome:
    """Texts that are not mostly in Latin letters, which matters to an encoder that was trained on English."""
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
        pairs=tuple(_listed(pair, pair.text or "") for pair in found),
    )


def _listed(pair: Pair, detail: str) -> ListedPair:
    return ListedPair(guid=pair.guid, tag=pair.tag or "", detail=" ".join(detail.split()))
