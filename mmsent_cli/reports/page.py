"""Make the HTML page of a report."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmsent_cli.reports.ablation import methods_text
from mmsent_cli.reports.facts import seeds_text
from mmsent_cli.reports.format import percent

NO_TEXT = re.compile(r"(<style\b.*?</style>|<pre\b.*?</pre>|<title\b.*?</title>|<[^>]*>)", re.DOTALL)
UNBROKEN = re.compile(r"(?<![\w-])(?:--[a-z][\w-]*|\d[\d.]*e-\d+)")
"""Options and numbers such as 1e-05, which must not break at a hyphen."""


def render_page(template: str, **values: Any) -> str:
    """Make a self-contained HTML page from a template of this folder. All values are escaped."""
    return _environment().get_template(template).render(**values)


def settings_rows(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Convert a configuration to rows. Each row has the name and the value of a setting."""
    rows: list[tuple[str, str]] = []
    for section, values in config.items():
        nested = values if isinstance(values, Mapping) else {"": values}
        rows += [(f"{section} {name}", value) for name, value in flat_rows(nested)]
    return rows


def flat_rows(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Convert nested values to rows. Each row has a name with dots, such as `a.b`, and the value as text."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flat_rows(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            rows.append((f"{prefix}{name}", text))
    return rows


def keep_options_whole(page: str) -> str:
    """Prevent line breaks at the hyphens of options (`--head-lr`) and numbers (`1e-05`) in the text of a page."""
    parts = NO_TEXT.split(page)
    parts[::2] = [UNBROKEN.sub(r'<span class="option">\g<0></span>', text) for text in parts[::2]]
    return "".join(parts)


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _typeset(text: str) -> str:
    """Write a true minus sign before numbers, and no-break spaces before units."""
    text = re.sub(r"(?<![\w-])-(?=\d)", "\u2212", text)
    return re.sub(r"(?<=\d) (?=%|points\b|pairs\b)", "\u00a0", text)


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: percent(share).replace(" ", "\u00a0"),
        seeds=seeds_text,
        removals=methods_text,
        typeset=_typeset,
        marked=lambda text: re.sub(r"(?<=[✔⚠✘]) ", "\u00a0", text),
        jpeg=lambda content: _data_uri(content, "jpeg"),
        png=lambda content: _data_uri(content, "png"),
    )
    return environment
