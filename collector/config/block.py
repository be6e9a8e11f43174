"""From one block of a document to its model, with every complaint in plain English at its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from collector.config import shape
from collector.config.document import Block, Items, Node, Scalar
from collector.config.problems import Findings, Path, Place
from collector.config.translate import Complaint, merge_complaints, translate

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_block(model: type[ModelT], node: Node, path: Path, findings: Findings) -> ModelT | None:
    """Return the model of a block, or None when something in it is wrong, which is then in the findings.

    An empty value (`batch:`) stands for a block of defaults, and for the default where a plain value belongs.
    What came from a variable or a file counts as text where text is expected, whatever it reads like.
    """
    if isinstance(node, Scalar) and node.value is None:
        node = Block(node.place)
    if not isinstance(node, Block):
        findings.problem(node.place, path, f"a block of keys was expected, not {_kind(node)}")
        return None
    data = _prepare(model, node)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        if not _restore_text(error, data, node):
            _complain(error, model, node, path, findings)
            return None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _complain(error, model, node, path, findings)
        return None


def find(node: Node, loc: Path) -> tuple[Path, Node, Place]:
    """Return the nearest place to `loc` that was written: its path, its value and where its key stands."""
    path: list[str | int] = []
    place = node.place
    for part in loc:
        if isinstance(node, Block) and part in node.entries:
            place, node = node.entries[str(part)].place, node.entries[str(part)].node
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.nodes):
            node = node.nodes[part]
            place = node.place
        else:
            continue
        path.append(part)
    return tuple(path), node, place


def _kind(node: Node) -> str:
    if isinstance(node, Items):
        return "a list"
    return "a block of keys" if isinstance(node, Block) else f"the value {node.written or node.text!r}"


def _prepare(annotation: Any, node: Node) -> Any:
    """Return plain values in which empty ones have become defaults, as the type at each place says."""
    if isinstance(node, Items):
        return [_prepare(shape.element(annotation, i), item) for i, item in enumerate(node.nodes)]
    if isinstance(node, Scalar):
        return node.value
    data: dict[str, Any] = {}
    fields = [shape.keys(model) for model in shape.models_in(annotation)]
    for key, entry in node.entries.items():
        types = [known[key].annotation for known in fields if key in known]
        inner = types[0] if types else shape.element(annotation, key)
        if not (isinstance(entry.node, Scalar) and entry.node.value is None):
            data[key] = _prepare(inner, entry.node)
        elif entry.node.written and entry.node.text and shape.takes_text(inner):
            data[key] = entry.node.text
        elif any(shape.models_in(inner)):
            data[key] = {}
        elif not types or shape.allows_null(inner):
            data[key] = None
    return data


def _restore_text(error: ValidationError, data: Any, node: Node) -> bool:
    """Put back the spelling of values from variables where text was expected; tell whether any was."""
    restored = False
    for item in error.errors(include_url=False):
        path, found, _ = find(node, item["loc"])
        if item["type"] == "string_type" and path and found.written:
            holder = data
            for part in path[:-1]:
                holder = holder[part]
            restored = restored or holder[path[-1]] != found.text
            holder[path[-1]] = found.text
    return restored


def _complain(error: ValidationError, model: type[BaseModel], node: Block, path: Path, findings: Findings) -> None:
    complaints: dict[Path, list[Complaint]] = {}
    places: dict[Path, Place] = {}
    for item in error.errors(include_url=False):
        complaint, inner, place = _complaint(item, model, node)
        complaints.setdefault(inner, []).append(complaint)
        places[inner] = place
    for inner, several in complaints.items():
        merged = merge_complaints(several)
        findings.problem(places[inner], (*path, *inner), merged.message, merged.suggestion)


def _complaint(item: Mapping[str, Any], model: type[BaseModel], node: Block) -> tuple[Complaint, Path, Place]:
    loc: Path = item["loc"]
    if item["type"] == "missing":
        inner, _, place = find(node, loc[:-1])
        return translate(item, model, inner, None), (*inner, loc[-1]), place
    inner, found, place = find(node, loc)
    if item["type"] != "extra_forbidden" and isinstance(found, Scalar):
        place = found.place
    return translate(item, model, inner, found), inner, place
