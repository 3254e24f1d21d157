"""Find the text encoding of a source, and write UTF-8 copies of its texts."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mmsent_cli.charsets.convert import convert
from mmsent_cli.charsets.decide import EncodingDecision, Files, decide
from mmsent_cli.charsets.report import illustrate
from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import Source, documents, locate, table_rows, text_paths
from mmsent_cli.errors import DataError, summarize
from mmsent_cli.results import EncodingResult


def inspect(
    config: DataConfig, convert_to: Path | None = None, force: bool = False, source: Source | None = None
) -> EncodingResult:
    """Decide the encoding of a source.

    Args:
        config: the data source, and the encoding if the user chose one.
        convert_to: folder for UTF-8 copies of the texts, or None.
        force: overwrite existing copies.
        source: texts in memory; None reads the data in `config.data`.

    Raises:
        DataError: texts cannot be read, or `convert_to` is given but the source is not a folder.
    """
    source = source or locate(config.data)
    documents, forced = _documents(source, config)
    report = decide(documents, forced)
    result = replace(illustrate(report.result, report.decision, documents), notes=(source.notice,))
    if convert_to is None:
        return result
    if source.kind != "lab":
        raise DataError(
            f"--convert-to works only with a folder of texts, and {source.name} is not a folder",
            "set --data to a folder of <guid>.txt files, or leave out --convert-to",
        )
    count, lossy = _convert(source, convert_to, report.decision, force)
    notes = (*result.notes, *lossy)
    return replace(result, converted_to=str(convert_to), converted_files=count, notes=notes)


def _documents(source: Source, config: DataConfig) -> tuple[Iterable[tuple[str, bytes]], str]:
    """Return the texts as bytes, and the encoding that the user chose. For decoded texts, the encoding is UTF-8."""
    if source.kind == "lab":
        return Files(text_paths(source, config)), config.encoding
    if source.frame is not None:
        texts, is_decoded = frames.raw_texts(source.frame, config)
        return texts, "utf-8" if is_decoded else config.encoding
    lines = documents(source, config)
    if lines:
        return lines, config.encoding
    rows = table_rows(source, config)
    return [(row.where, row.text.encode("utf-8", errors="replace")) for row in rows if row.text], "utf-8"


def _convert(source: Source, target: Path, decision: EncodingDecision, force: bool) -> tuple[int, list[str]]:
    """Write UTF-8 copies of the texts. Return the number of copies, and a warning if files lost characters."""
    copies = list(convert(text_paths(source, DataConfig()), source.path, target, decision, force))
    lossy = [f"{name} ({replaced})" for name, replaced in copies if replaced]
    warning = f"warning: characters replaced by U+FFFD in {len(lossy)} files: {summarize(lossy, 'files')}"
    return len(copies), [warning] if lossy else []
