"""`mmsent inspect-encoding`: which encoding the corpus is in, and how sure that is."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsent_cli.commands.options import Force, Json, options
from mmsent_cli.config import DataConfig

if TYPE_CHECKING:
    from mmsent_cli.charsets.decision import EncodingDecision
    from mmsent_cli.data.layouts import Source

ConvertTo = Annotated[Path | None, typer.Option(help="Write UTF-8 copies of the texts to this folder")]


@options(DataConfig, omit={"labels", "on_bad", "limit"})
def inspect_encoding(data: DataConfig, convert_to: ConvertTo = None, force: Force = False, json: Json = False) -> None:
    """Decide the text encoding of a whole corpus and show the evidence."""
    from dataclasses import replace

    from mmsent_cli.charsets.decide import decide
    from mmsent_cli.charsets.report import illustrate
    from mmsent_cli.data.layouts import locate
    from mmsent_cli.reports.console import notice, print_json
    from mmsent_cli.reports.encoding import print_encoding

    source = locate(data.data)
    notice(source.notice)
    documents, forced = _documents(source, data)
    report = decide(documents, forced)
    result = illustrate(report.result, report.decision, documents)
    if convert_to is not None:
        converted = _convert(source, convert_to, report.decision, force)
        result = replace(result, converted_to=str(convert_to), converted_files=converted)
    print_json(result) if json else print_encoding(result)


def _documents(source: "Source", data: DataConfig) -> tuple[Iterable[tuple[str, bytes]], str]:
    """The texts as bytes, and the encoding that is given: a manifest that is UTF-8 leaves nothing to decide."""
    from mmsent_cli.charsets.decide import Files
    from mmsent_cli.data.layouts import has_raw_texts, inline_texts, text_paths
    from mmsent_cli.data.manifests import read_rows

    if source.kind == "lab":
        return Files(text_paths(source)), data.encoding
    if has_raw_texts(source, data):
        return inline_texts(source, data), data.encoding
    rows = read_rows(source.path, data, [])
    return [(row.where, row.text.encode("utf-8", errors="replace")) for row in rows if row.text], "utf-8"


def _convert(source: "Source", target: Path, decision: "EncodingDecision", force: bool) -> int:
    """Write the copies, and name the files in which something was lost."""
    from mmsent_cli.charsets.convert import convert
    from mmsent_cli.data.layouts import text_paths
    from mmsent_cli.errors import DataError, summarize
    from mmsent_cli.reports.console import notice

    if source.kind == "manifest":
        raise DataError(f"{source.path} is one file, not a folder of texts", "--convert-to needs the lab layout")
    copies = list(convert(text_paths(source), source.path, target, decision, force))
    lossy = [f"{name} ({replaced})" for name, replaced in copies if replaced]
    if lossy:
        notice(f"warning: characters replaced by U+FFFD in {len(lossy)} files: {summarize(lossy, 'files')}")
    return len(copies)
