"""The JSON Schema of a whole configuration, for editors and for checks outside Ottery."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind, models_json_schema

from collector.api.component import Factory, Kind
from collector.api.config import ConfigModel
from collector.config.service import ServiceConfig
from collector.config.unapplied import PUSHED, UNAPPLIED
from collector.pipeline.catalogue import CATALOGUE, Catalogue

Schema = dict[str, Any]

_REFERENCE: Final = {"$ref": "#/$defs/Reference"}
_NOTHING: Final = {"type": "null"}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


_UNTOLD: Final = {"skipped-choice", "non-serializable-default"}


class _Generator(GenerateJsonSchema):
    """Leaves out defaults that JSON cannot say."""

    def render_warning_message(self, kind: JsonSchemaWarningKind, detail: str) -> str | None:
        return None if kind in _UNTOLD else super().render_warning_message(kind, detail)


def json_schema(catalogue: Catalogue = CATALOGUE) -> Schema:
    """Return the schema (draft 2020-12) of every component that can be loaded here.

    Wherever the configuration takes a reference such as `${env:PORT}` in place of a value, or nothing for the
    default, the schema does.
    """
    factories = list(catalogue.factories())
    models: list[type[ConfigModel]] = list(dict.fromkeys([*(factory.config for factory in factories), ServiceConfig]))
    modes: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    references, generated = models_json_schema(modes, schema_generator=_Generator, ref_template="#/$defs/{model}")
    definitions = generated.get("$defs", {})
    for definition in definitions.values():
        _widen_properties(definition)
    _allow_unapplied(definitions)
    definitions["Reference"] = {
        "type": "string",
        "pattern": r"\$\{.+\}",
        "description": "A reference: ${env:NAME}, ${env:NAME:-default} or ${file:PATH}.",
    }
    refs = {model: references[model, "validation"] for model in models}
    sections = {kind.value: _section(kind, factories, refs, catalogue) for kind in Kind}
    return {
        "$schema": _DIALECT,
        "title": "Ottery configuration",
        "type": "object",
        "properties": {**sections, "service": refs[ServiceConfig]},
        "required": ["service"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _allow_unapplied(definitions: dict[str, Schema]) -> None:
    """Let an editor accept what the loader accepts and leaves out."""
    for path, reason in UNAPPLIED.items():
        block = definitions["TelemetryConfig"]
        for key in path[:-1]:
            block = definitions[block["properties"][key]["anyOf"][0]["$ref"].removeprefix("#/$defs/")]
        block["properties"][path[-1]] = _left_out(reason)
    reader = definitions["Reader"]
    reader["properties"]["periodic"] = _left_out(PUSHED)
    reader["anyOf"] = [{"required": reader.pop("required")}, {"required": ["periodic"]}]


def _left_out(reason: str) -> Schema:
    return {"deprecated": True, "description": f"Accepted, but not applied: {reason}."}


def _section(kind: Kind, factories: list[Factory], refs: dict[Any, Schema], catalogue: Catalogue) -> Schema:
    """Return the schema of one section: ids are `type` or `type/name`."""
    patterns: Schema = {}
    for factory in factories:
        if factory.kind is kind:
            block = {"description": factory.summary, "anyOf": [refs[factory.config], _REFERENCE, _NOTHING]}
            patterns[f"^{factory.name}(/.+)?$"] = block
            older = [alias for alias, name in catalogue.aliases.get(kind, {}).items() if name == factory.name]
            patterns.update({f"^{alias}(/.+)?$": {**block, "deprecated": True} for alias in older})
    return {"type": ["object", "null"], "patternProperties": patterns, "additionalProperties": False}


def _widen_properties(definition: Schema) -> None:
    for name, schema in definition.get("properties", {}).items():
        definition["properties"][name] = _widened(schema)


def _widened(schema: Schema) -> Schema:
    """Return the schema of a value that may also be a reference, or nothing."""
    about: Schema = {key: schema[key] for key in ("title", "description", "default", "deprecated") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    if isinstance(about.get("default"), int | float) and rest.get("type") == "string":
        about["default"] = f"{about['default']:g}s"
    if not rest or rest == {"type": "string"}:
        return schema
    choices = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    extra = [choice for choice in (_REFERENCE, _NOTHING) if choice not in choices]
    return {**about, "anyOf": [*choices, *extra]}
