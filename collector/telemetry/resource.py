"""What identifies this process in telemetry: `service.name` and its kin."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote
from uuid import uuid4


def resource(configured: Mapping[str, str | None], environment: Mapping[str, str], version: str) -> dict[str, str]:
    """Return the resource attributes of this process.

    Weakest first: a random `service.instance.id` and our name and version, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_SERVICE_NAME`, the configuration; a configured null leaves an attribute out.
    """
    attributes: dict[str, str | None] = {
        "service.name": "ottery",
        "service.instance.id": str(uuid4()),
        "service.version": version,
    }
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, separator, value = pair.partition("=")
        if separator and key.strip():
            attributes[key.strip()] = unquote(value.strip())
    if name := environment.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = name
    attributes.update(configured)
    return {key: value for key, value in attributes.items() if value is not None}
