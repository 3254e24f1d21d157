"""Rank the codecs by the log-probability of the whole corpus under each codec.

A single tweet has one or two non-ASCII bytes and cannot decide. So the log-probabilities of all sampled bytes are
summed. Bytes that are invalid in a codec become U+FFFD, which is very improbable.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmsent_cli.charsets.corpus import FAMILIES, RUNS
from mmsent_cli.charsets.plausibility import joint_plausibility, log_plausibility

# Set on 1,104 draws of one to five sentences of 12 languages in 23 encodings: the 5 wrong decodings led by less than 7
# nats, and no right one scored below -7.8 a byte, where noise scores -9 to -11.
MIN_LEAD_NATS = 12.0
MIN_NATS_PER_BYTE = -8.0
MIN_HIGH_BYTES = 8
NEGLIGIBLE_SHARE = 0.02
"""A lead over another codec is large enough if the two codecs decode at most this share of the files differently."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """The samples decoded with one codec. `total` is their log-probability in nats (natural logarithm)."""

    codec: str
    total: float
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ranking of the codecs. One codec stands for each family of codecs, such as the family of big5 and cp950.

    Attributes:
        decodings: one decoding per family, best first.
        high_bytes: the number of non-ASCII bytes in the samples.
        ascii_total: the log-probability of the ASCII bytes in the samples, in nats.
    """

    decodings: tuple[Decoding, ...]
    high_bytes: int
    ascii_total: float

    @property
    def best(self) -> Decoding:
        """The decoding with the highest log-probability."""
        return self.decodings[0]

    def score(self, decoding: Decoding) -> float:
        """Return the log-probability per non-ASCII byte, in nats."""
        return (decoding.total - self.ascii_total) / max(self.high_bytes, 1)

    @property
    def rivals(self) -> tuple[Decoding, ...]:
        """The decodings whose texts differ from the texts of the best decoding."""
        return tuple(decoding for decoding in self.decodings[1:] if decoding.texts != self.best.texts)

    @property
    def margin(self) -> float:
        """The lead of the best decoding over the best one of the `rivals`, in nats; infinite without rivals."""
        return self.best.total - max(map(_total, self.rivals), default=-math.inf)

    @property
    def has_lead(self) -> bool:
        """True if the best decoding is plausible, and clearly more plausible than each of the `rivals`."""
        is_plausible = self.score(self.best) >= MIN_NATS_PER_BYTE
        return is_plausible and all(_is_beaten(self.best, rival) for rival in self.rivals)

    @property
    def is_clear(self) -> bool:
        """True if the best decoding is clearly ahead and the samples are large enough to decide."""
        return self.high_bytes >= MIN_HIGH_BYTES and self.has_lead


def vote(samples: Sequence[bytes], bonus: Mapping[str, float]) -> Outcome:
    """Decode the samples with every codec and rank the families of codecs.

    Args:
        samples: the non-ASCII bytes of each file, as `places` extracts them; at least one file.
        bonus: prior log-odds in nats, by codec.
    """
    decodings = (_best_of(family, samples, bonus) for family in FAMILIES)
    return outcome_of(samples, sorted(decodings, key=_total, reverse=True))


def outcome_of(samples: Sequence[bytes], decodings: Iterable[Decoding]) -> Outcome:
    """Make an outcome from decodings, with the number of non-ASCII bytes in the samples."""
    high_bytes = sum(len(run) for found in samples for run in RUNS.findall(found))
    ascii_total = sum(log_plausibility(RUNS.sub(b"", found).decode()) for found in samples)
    return Outcome(tuple(decodings), high_bytes, ascii_total)


def decode_all(samples: Sequence[bytes], codec: str, bonus: float = 0.0) -> Decoding:
    """Decode the samples with one codec and compute their log-probability. Invalid bytes become U+FFFD."""
    texts = tuple(found.decode(codec, errors="replace") for found in samples)
    return Decoding(codec, joint_plausibility(texts) + bonus, texts)


def _best_of(family: Sequence[str], samples: Sequence[bytes], bonus: Mapping[str, float]) -> Decoding:
    """Return the decoding with the first codec of a family, or with another of its codecs if that is clearly better."""
    usual, *variants = (decode_all(samples, codec, bonus.get(codec, 0.0)) for codec in family)
    best = max(variants, key=_total, default=usual)
    return best if best.total - usual.total >= MIN_LEAD_NATS else usual


def _total(decoding: Decoding) -> float:
    return decoding.total


def _is_beaten(winner: Decoding, rival: Decoding) -> bool:
    """Return True if the winner's lead over the rival is large enough.

    If winner and rival decode most files alike, a smaller lead is enough.
    """
    pairs = zip(winner.texts, rival.texts, strict=True)
    share = sum(mine != theirs for mine, theirs in pairs) / len(winner.texts)
    return share <= NEGLIGIBLE_SHARE or winner.total - rival.total >= MIN_LEAD_NATS * math.sqrt(share)
