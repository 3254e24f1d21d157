"""The JSON schema of `result.json`, made from the dataclasses. `python -m mmsent_cli.results.schema` prints it."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmsent_cli.results.data import CheckResult, EncodingResult
from mmsent_cli.results.evaluation import ExplainResult
from mmsent_cli.results.summary import MAIN_METRICS, Summary

WITHOUT_METRICS = (CheckResult, EncodingResult, ExplainResult)
"""Results without metrics, which have no summary."""
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def result_schema() -> dict[str, Any]:
    """Make the schema: an object with the keys of one kind of result, and a `summary` for results with metrics."""
    definitions: dict[str, Any] = {}
    kinds = [_schema(kind, definitions) | {"required": ["summary"]} for kind in MAIN_METRICS]
    kinds += [_schema(kind, definitions) for kind in WITHOUT_METRICS]
    summary = _schema(Summary, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "result.json of mmsent",
        "type": "object",
        "properties": {"summary": summary},
        "anyOf": kinds,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type. The schemas of dataclasses are added to `definitions`."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # reserves the name, in case the type contains itself
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(part, definitions) for part in inner]}
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return {"type": "array", "items": _schema(inner[0], definitions)}
    if origin is tuple:
        parts = [_schema(part, definitions) for part in inner]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(inner[1], definitions)}
    raise TypeError(f"no JSON schema for {kind}")


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    required = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").split("\n")[0],
        "properties": {each.name: _schema(hints[each.name], definitions) for each in fields(kind)},
        "required": required,
    }


if __name__ == "__main__":
    print(json.dumps(result_schema(), indent=1))
