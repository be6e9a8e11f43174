"""What a configuration model looks like inside: which keys a place has, and where a key would belong."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from collector.config.problems import Path

Model = type[BaseModel]


def keys(model: Model) -> dict[str, FieldInfo]:
    """Return the keys of a block by the names that users write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def models_in(annotation: Any) -> Iterator[Model]:
    """Yield the models that a value of this type may be: `TLS | None` is TLS."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from models_in(member)
    elif typing.get_origin(annotation) is Annotated:
        yield from models_in(typing.get_args(annotation)[0])


def allows_null(annotation: Any) -> bool:
    """Tell whether None is a value of this type."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(map(allows_null, typing.get_args(annotation)))
    if origin is Annotated:
        return allows_null(typing.get_args(annotation)[0])
    return annotation in (None, types.NoneType, Any)


def takes_text(annotation: Any) -> bool:
    """Tell whether text is a value of this type."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(map(takes_text, typing.get_args(annotation)))
    if origin is Annotated:
        return takes_text(typing.get_args(annotation)[0])
    return annotation in (str, SecretStr)


def element(annotation: Any, part: str | int) -> Any:
    """Return the type of a member of a list or a free mapping, or None where the type has no members."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        found = (element(member, part) for member in arguments)
        return next((member for member in found if member is not None), None)
    if origin is Annotated:
        return element(arguments[0], part)
    if not arguments or not isinstance(origin, type):
        return None
    return arguments[0] if isinstance(part, int) else arguments[-1]


def models_at(model: Model, path: Path) -> list[Model]:
    """Return the models that the block at `path` inside `model` may have."""
    annotations: list[Any] = [model]
    for part in path:
        annotations = [inner for annotation in annotations for inner in _step(annotation, part)]
    return [found for annotation in annotations for found in models_in(annotation)]


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    for model in models_in(annotation):
        if (info := keys(model).get(str(part))) is not None:
            yield info.annotation
    if (member := element(annotation, part)) is not None:
        yield member


def deeper(model: Model, key: str, levels: int = 4) -> Path | None:
    """Return where below `model` a key stands that the model itself does not have, or None."""
    if levels == 0:
        return None
    for name, info in keys(model).items():
        for inner in models_in(info.annotation):
            if key in keys(inner):
                return (name, key)
            if (found := deeper(inner, key, levels - 1)) is not None:
                return (name, *found)
    return None
