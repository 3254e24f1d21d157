"""Find the columns of a table: by the name or number that the user gave, or else by a usual name."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from mmsent_cli.config import SENTIMENTS, DataConfig
from mmsent_cli.data.pairs import MODALITIES
from mmsent_cli.errors import DataError, listed

FIELDS = ("guid", *MODALITIES, "tag")
USUAL = {
    "guid": "guid id uuid uid index idx postid tweetid pairid sampleid itemid docid messageid rowid recordid mid"
    " 编号 序号 标识 帖子id 微博id unnamed0",
    "text": "text texts tweet tweettext caption captions content sentence post posttext message body comment review"
    " textcontent fulltext rawtext 文本 文字 内容 正文 微博 微博正文 微博内容 句子 评论 推文",
    "image": "image images img imagepath imgpath imagefile imagefilename imagename imgname imageid imgid filename file"
    " filepath photo photopath photofile picture picturepath pic picpath imageurl imgurl photourl pictureurl 图片 图像"
    " 照片 图片路径 图像路径 图片名 图片名称 配图",
    "tag": "tag tags label labels sentiment sentimentlabel emotion polarity class classlabel category mood annotation"
    " 标签 情感 情绪 类别 极性 分类 情感标签 情感类别 情感倾向",
}
"""Usual names of columns, reduced to lower-case letters and digits."""
GUESSES = {name: tuple(names.split()) for name, names in USUAL.items()}
KNOWN = frozenset(name for names in GUESSES.values() for name in names)
"""All usual names, which help to find the delimiter of a table."""
IMAGE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?)$", re.IGNORECASE)
DOUBLED = re.compile(r"(.+)\.(\d+)")
PLACEHOLDER = "NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The column number of each field, counted from 0. None if the table has no such column.

    Attributes:
        guid, text, image, tag: the fields.
        target: the column with the aspect of a tweet. The aspect replaces `$T$` in the tweet (see `lab.with_target`).
        notes: notes on columns that were guessed, and on pairs that got a number as guid.
    """

    guid: int | None = None
    text: int | None = None
    image: int | None = None
    tag: int | None = None
    target: int | None = None
    notes: tuple[str, ...] = ()


def choose_columns(
    source: str,
    names: Sequence[str],
    config: DataConfig,
    is_labelled: bool,
    needs: Iterable[str] = (),
    has_index: bool = False,
) -> Columns:
    """Find the columns of a table.

    Args:
        source: the name of the table for messages.
        names: the columns of the table, in order; a name may occur twice.
        config: the settings with the column names, given by the user or default.
        is_labelled: True if a tag is needed.
        needs: the modalities whose columns must exist. If `needs` is empty, the text column or the image column may be
            missing. But in a table with labels, one of these two conditions must then be true: all columns of the table
            were recognised, or the user gave an empty name for the missing column.
        has_index: True if the rows have an index, which replaces a missing guid column.

    Raises:
        DataError: a column does not exist, or two columns have the same name.
    """
    found = {
        name: column_named(source, names, getattr(config, f"{name}_column"), f"--{name}-column") for name in FIELDS
    }
    guessed = {}
    for name in FIELDS[has_index:]:
        if found[name] is None and is_default(config, name):
            candidates = [place for place in candidates_of(names, name) if place not in found.values()]
            if len(candidates) == 1 or (name == "guid" and candidates):
                found[name] = guessed[name] = candidates[0]
    _require(source, names, config, found, is_labelled, needs)
    notes = []
    if guessed:
        chosen = ", ".join(f"{name} from {names[place] or place + 1!r}" for name, place in guessed.items())
        notes.append(
            f"{source}: columns found by their usual names: {chosen}; to choose others: {_options(guessed, names)}"
        )
    if found["guid"] is None and not has_index:
        notes.append(f"{source} has no column {config.guid_column!r}: its rows are numbered from 1")
    return Columns(**found, notes=tuple(notes))


def is_default(config: DataConfig, name: str) -> bool:
    """Return True if the user did not name the column of a field."""
    field = f"{name}_column"
    return getattr(config, field) == next(each.default for each in fields(DataConfig) if each.name == field)


def candidates_of(names: Sequence[str], name: str) -> list[int]:
    """Return the numbers of the columns that have a usual name for a field."""
    places = [place for place, column in enumerate(names) if plain_name(column) in GUESSES[name]]
    unnamed = [0] if name == "guid" and not places and names and not names[0] else []
    return places or unnamed


def plain_name(column: str) -> str:
    """Reduce a column's name to lower-case letters and digits, without a leading number such as `#1`."""
    return re.sub(r"[\W_]+", "", re.sub(r"^#\d+", "", column.casefold().strip()))


def column_named(source: str, names: Sequence[str], wanted: str, option: str) -> int | None:
    """Find a column by its name, or by its number counted from 1. `name.1` means the second column with this name.

    Args:
        source: the name of the source for messages.
        names: the columns of the table, in order.
        wanted: the user's name or number.
        option: the option that names the column, for messages.

    Returns:
        The number of the column, from 0, or None.

    Raises:
        DataError: several columns have this name.
    """
    wanted = wanted.strip()
    places = [place for place, column in enumerate(names) if column == wanted]
    if len(places) > 1:
        numbers = " and ".join(str(place + 1) for place in places)
        raise DataError(
            f"{source}: columns {numbers} are both called {wanted!r}",
            f"give the number of one of them, as in {option} {places[0] + 1}; {option} '{wanted}.1' means the second",
        )
    if places:
        return places[0]
    doubled = DOUBLED.fullmatch(wanted)
    if doubled:
        same = [place for place, column in enumerate(names) if column == doubled[1]]
        if int(doubled[2]) < len(same) > 1:
            return same[int(doubled[2])]
    is_number = wanted.isdecimal() and 1 <= int(wanted) <= len(names)
    return int(wanted) - 1 if is_number else None


def _require(
    source: str,
    names: Sequence[str],
    config: DataConfig,
    found: dict[str, int | None],
    is_labelled: bool,
    needs: Iterable[str],
) -> None:
    """Check that all needed columns exist."""
    missing = {name for name in MODALITIES if found[name] is None}
    wrong = {name for name in FIELDS[:3] if found[name] is None and getattr(config, f"{name}_column")}
    wrong -= {name for name in wrong if is_default(config, name)}
    is_unclear = is_labelled and not needs and len(names) > sum(place is not None for place in found.values())
    unclear = {name for name in missing if is_unclear and getattr(config, f"{name}_column")}
    needed = {*needs, *wrong, *unclear, *(["tag"] if is_labelled else [])}
    needed |= missing if len(missing) == len(MODALITIES) else set()
    lacking = [name for name in FIELDS if found[name] is None and name in needed]
    if not lacking:
        return
    if _is_data(names):
        shown = ", ".join(names)[:60]
        raise DataError(
            f"{source} has no header line: its first row is {shown!r}",
            f"add a first line with the names of the {len(names)} columns, such as guid,text,image,tag",
        )
    wanted = " and ".join(repr(getattr(config, f"{name}_column")) for name in lacking)
    places = {name: next(iter(candidates_of(names, name)), None) for name in lacking}
    hint = f"give the names of the columns: {_options(places, names)}"
    alone = ""
    if len(lacking) == 1 and lacking[0] in MODALITIES and not wrong:
        other = next(name for name in MODALITIES if name != lacking[0])
        alone = (
            f"; or --{lacking[0]}-column '' if there is none" if unclear else f"; or train with --fusion {other}-only"
        )
    column = "column" if len(lacking) == 1 else "columns"
    raise DataError(f"{source} has no {column} {wanted}; its columns are {listed(names)}", hint + alone)


def _options(places: dict[str, int | None] | dict[str, int], names: Sequence[str]) -> str:
    """Return options that name columns, to copy into a command."""
    shown = {name: PLACEHOLDER if place is None else names[place] or str(place + 1) for name, place in places.items()}
    return " ".join(f"--{name}-column {shlex.quote(column)}" for name, column in shown.items())


def _is_data(names: Sequence[str]) -> bool:
    """Return True if a header is probably a row of data: it has a number, a sentiment, or the name of an image file."""
    return any(
        name.strip().isdecimal() or name.strip().casefold() in SENTIMENTS or IMAGE.search(name.strip())
        for name in names
    )
