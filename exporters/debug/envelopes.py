"""The resources and scopes of a batch: rows that stand together under the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Envelope:
    """Rows `start` to `stop` (exclusive), under one resource and one scope.

    Both are numbered within the batch as a reader of OTLP would; `opens` is true for a resource's first scope.
    """

    start: int
    stop: int
    resource: dict[str, Any]
    scope: dict[str, Any]
    resource_number: int
    scope_number: int

    @property
    def opens(self) -> bool:
        """Whether the resource begins here."""
        return self.scope_number == 0


def envelopes(columns: pa.RecordBatch) -> Iterator[Envelope]:
    """Yield the envelopes of all rows, in order."""
    resources, scopes = columns.column("resource"), columns.column("scope")
    of_resource, of_scope = (side.indices.to_numpy(zero_copy_only=False) for side in (resources, scopes))
    changed = (np.diff(of_resource) != 0) | (np.diff(of_scope) != 0)
    starts = [0, *(np.flatnonzero(changed) + 1).tolist()] if columns.num_rows else []
    resource_number, scope_number, last = -1, 0, None
    for start, stop in pairwise([*starts, columns.num_rows]):
        index = int(of_resource[start])
        if index == last:
            scope_number += 1
        else:
            resource_number, scope_number, last = resource_number + 1, 0, index
        resource = resources.dictionary[index].as_py()
        scope = scopes.dictionary[int(of_scope[start])].as_py()
        yield Envelope(start, stop, resource, scope, resource_number, scope_number)
