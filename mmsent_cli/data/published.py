"""Read data sets of this field in their published form.

- MVSA-Single and MVSA-Multiple: `labelResultAll.txt` with the judgements of one or three annotators on text and image,
  and `data/<ID>.txt`, `data/<ID>.jpg`. Source: Niu et al. 2016, Sentiment Analysis on Multi-View Social Data.
- Twitter-2015 and Twitter-2017: tables of aspects. `$T$` in the tweet stands for the aspect, which has a column of its
  own under the same name. Source: Yu and Jiang 2019, TomBERT.
"""

import re
from collections import Counter
from collections.abc import Sequence

from mmsent_cli.config import SENTIMENTS, DataConfig
from mmsent_cli.data.fields import FIELDS, Columns, is_default, plain_name
from mmsent_cli.data.tags import OPPOSITE, merged_judgement, tag_key

MVSA_LIST = "labelResultAll.txt"
NO_MAJORITY = "without a majority of the annotators"
ASPECT_COLUMNS = ["index", "label", "imageid", "string", "string"]
ASPECT_CLASSES = SENTIMENTS
"""The names of the classes 0, 1 and 2 of the aspect tables."""
TARGET = "$T$"


def aspect_columns(source: str, names: Sequence[str], config: DataConfig) -> Columns | None:
    """Return the columns of an aspect table. None for any other table, and if the user names columns."""
    is_aspect = [plain_name(name) for name in names] == ASPECT_COLUMNS
    if not is_aspect or not all(is_default(config, name) for name in FIELDS):
        return None
    note = (
        f"{source} is an aspect table of Twitter-2015 or -2017: each text is the aspect, then the tweet with the aspect"
        f" in place of {TARGET}"
    )
    return Columns(guid=0, tag=1, image=2, text=3, target=4, notes=(note,))


def with_target(text: str, target: str) -> str:
    """Return the text of an aspect: the aspect, then the tweet that contains it."""
    return f"{target}: {text.replace(TARGET, target)}" if target else text


def mvsa_words(cells: Sequence[str]) -> list[str]:
    """Return the ID and the judgements of a row of `labelResultAll.txt`, which mixes tabs and commas."""
    return [word for cell in cells for word in re.split(r"[,;\s]+", cell.strip()) if word]


def mvsa_judgement(words: Sequence[str]) -> str:
    """Return the sentiment of one row of `labelResultAll.txt`, or why it has none.

    First, the majority of the annotators is found for the text and for the image. Then both are merged: equal
    judgements give that sentiment, a neutral one gives the other, opposite ones give no sentiment.

    Args:
        words: the result of `mvsa_words`, without the ID.

    Returns:
        A sentiment, `OPPOSITE` or `NO_MAJORITY`.

    Raises:
        ValueError: the judgements are not pairs of sentiments.
    """
    words = [tag_key(word) for word in words]
    if len(words) < 2 or len(words) % 2 or not set(words) <= set(SENTIMENTS):
        raise ValueError(f"{','.join(words)!r} holds no pairs text,image of {', '.join(SENTIMENTS)}")
    majorities = [_majority(words[part::2]) for part in (0, 1)]
    if None in majorities:
        return NO_MAJORITY
    return merged_judgement([word for word in majorities if word]) or OPPOSITE


def _majority(words: Sequence[str]) -> str | None:
    word, count = Counter(words).most_common(1)[0]
    return word if 2 * count > len(words) else None
