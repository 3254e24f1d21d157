"""Translate reports (pages, figures and terminal tables) by a table whose keys are English texts.

A key may contain fields. The fields `{n}`, `{n1}`, … match a number. The fields in `LONG_FIELDS`, such as `{t}`, match
any text within a sentence. All other fields match a text without semicolons. The texts in the fields are translated
too. A text that is not in the table is divided into sentences and clauses. If these are not in the table either, they
stay English.

Chosen: translating the finished texts, since notes come from results, which are English in `result.json`. Rejected:
gettext calls around each text, which cannot translate such notes.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Translate = Callable[[str], str]
FOLDER = Path(__file__).parent / "translations"
NUMBER = r"[-+−<]?\d[\d.,]*(?:e-?\d+)?"
FIELD = re.compile(r"\{(\w+)\}")
PHRASE, CLAUSE = r"(?:(?!\. ).)+?", r"(?:(?!\. |; ).)+?"
"""Patterns for any text within a sentence, and for any text within a clause."""
LONG_FIELDS = frozenset({"t", "g", "x", "why", "o"})
"""Fields that may contain semicolons."""
CLAUSES = {"; ": "；", " · ": " · ", ", ": "，"}
"""Separators of clauses, with the separators of their translations."""
UNTRANSLATED_TAGS = ("style", "code", "pre", "b")
VOID_TAGS = ("meta", "img", "br", "hr", "link", "input", "col")


def language_of(setting: str) -> str:
    """Return the language for a value of `--lang`; `auto` follows the locale of the environment."""
    if setting != "auto":
        return setting
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def translator(language: str, names: Collection[str] = ()) -> Translate:
    """Make a function that translates English texts.

    Args:
        language: `en`, which changes nothing, or a language with a table.
        names: names and texts that must not be translated, such as class names.
    """
    if language == "en":
        return lambda text: text
    table = _Table(language, frozenset(names))
    return table.translate


def translated(part: Any, translate: Translate) -> Any:
    """Translate every text in a dataclass, a tuple or a list."""
    if isinstance(part, str):
        return translate(part)
    if isinstance(part, tuple | list):
        return type(part)(translated(each, translate) for each in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{each.name: translated(getattr(part, each.name), translate) for each in fields(part)})
    return part


def translate_figure(figure: "Figure", translate: Translate) -> None:
    """Translate the texts of a figure. A text stays English if no installed font can show its translation."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator

    from mmsent_cli.reports.plot_style import undrawable, write_names

    def drawn(text: str) -> str:
        new = _keep_last_line(text, translate)
        return text if undrawable([new]) else new

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_locator(), FixedLocator):
            names = [drawn(label.get_text()) for label in axis.get_ticklabels()]
            axis.set_ticks(axis.get_ticklocs(), names)
            write_names(axis.get_ticklabels(), names)
    for text in figure.findobj(Text):
        if isinstance(text, Text) and drawn(text.get_text()) != text.get_text():
            text.set_text(drawn(text.get_text()))
            write_names([text], [text.get_text()])


def _keep_last_line(text: str, translate: Translate) -> str:
    """Translate a text. Keep its last line separate if the whole translation ends with the translation of this line."""
    new, (start, _, last) = translate(text), text.rpartition("\n")
    end = translate(last)
    return f"{new.removesuffix(end).rstrip()}\n{end}" if start and new.endswith(end) else new


def translate_page(page: str, language: str, translate: Translate) -> str:
    """Translate a page. Code, bold names, and elements with `translate="no"` are not changed."""
    parser = _Page(language, translate)
    parser.feed(page)
    parser.close()
    return "".join(parser.parts)


class _Table:
    """The translations of a language, and the names that must not be translated."""

    def __init__(self, language: str, names: frozenset[str]) -> None:
        self.texts, self.patterns = _read(language)
        self.names = {" ".join(name.split()) for name in names}

    def translate(self, text: str) -> str:
        """Return the translation of a text, or the text if there is none."""
        plain = " ".join(text.split())
        if not plain or plain in self.names or not re.search("[A-Za-z]", plain):
            return text
        return self._whole(plain) or self._divided(plain) or text

    def _whole(self, plain: str) -> str:
        if plain in self.texts:
            return self.texts[plain]
        if plain.endswith(".") and (start := self._whole(plain[:-1])):
            return f"{start}。"
        for pattern, target in self.patterns:
            found = pattern.fullmatch(plain)
            if found:
                return target.format_map({name: self._field(name, value) for name, value in found.groupdict().items()})
        return ""

    def _field(self, name: str, value: str) -> str:
        if name == "list":
            return "、".join(map(self.translate, re.split(", | and | or ", value)))
        return self.translate(value)

    def _divided(self, plain: str) -> str:
        sentences = plain.split(". ")
        if len(sentences) > 1:
            parts = [self.translate(f"{part}.") for part in sentences[:-1]] + [self.translate(sentences[-1])]
            return "".join(part if part.endswith("。") else f"{part} " for part in parts).rstrip()
        for separator, joint in CLAUSES.items():
            if separator in plain:
                return joint.join(map(self.translate, self._clauses(plain.split(separator), separator)))
        return ""

    def _clauses(self, parts: list[str], separator: str) -> Iterator[str]:
        """Yield the clauses. Neighbouring clauses are joined if the table has a translation of them together."""
        while parts:
            joined = (separator.join(parts[:count]) for count in range(len(parts), 1, -1))
            clause = next(filter(self._whole, joined), parts[0])
            yield clause
            parts = parts[clause.count(separator) + 1 :]


@cache
def _read(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """Read the table of a language: its texts without fields, and its patterns. The longest patterns come first."""
    table: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    texts = {key: value for key, value in table.items() if not FIELD.search(key)}
    with_fields = sorted(table.keys() - texts.keys(), key=lambda key: -len(FIELD.sub("", key)))
    return texts, [(_pattern(key), table[key]) for key in with_fields]


def _pattern(key: str) -> re.Pattern[str]:
    parts = FIELD.split(key)
    kinds = [f"(?P<{name}>{_kind(name)})" for name in parts[1::2]]
    literals = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(literal + kind for literal, kind in zip(literals, [*kinds, ""], strict=True)))


def _kind(name: str) -> str:
    """Return the regular expression of a field."""
    return NUMBER if re.fullmatch(r"n[0-9]*", name) else PHRASE if name in LONG_FIELDS else CLAUSE


class _Page(HTMLParser):
    """Writes a page with translated texts."""

    def __init__(self, language: str, translate: Translate) -> None:
        super().__init__(convert_charrefs=False)
        self.language, self.translate = language, translate
        self.parts: list[str] = []
        self.kept: list[bool] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        source = self.get_starttag_text() or ""
        alt = dict(attrs).get("alt")
        if alt:
            source = re.sub(r'alt="[^"]*"', lambda _: f'alt="{escape(self.translate(alt))}"', source)
        self.parts.append(source.replace('lang="en"', f'lang="{self.language}"') if tag == "html" else source)
        if tag not in VOID_TAGS:
            is_kept = tag in UNTRANSLATED_TAGS or ("translate", "no") in attrs
            self.kept.append(is_kept or (bool(self.kept) and self.kept[-1]))

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        self.parts.append(f"</{tag}>")
        self.kept.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += f"&{name};"

    def handle_charref(self, name: str) -> None:
        self.text += f"&#{name};"

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>")

    def close(self) -> None:
        super().close()
        self._flush()

    def _flush(self) -> None:
        if self.text.strip() and not (self.kept and self.kept[-1]):
            plain = unescape(self.text)
            new = self.translate(plain)
            self.text = self.text if new == plain else escape(new).replace(" %", "\u00a0%")
        self.parts.append(self.text)
        self.text = ""
