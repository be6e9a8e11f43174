"""The rules of the house: who may import whom, and how large a room may grow."""

import ast
from pathlib import Path

import pytest

import collector
import exporters

PACKAGES = {"collector": Path(collector.__file__).parent, "exporters": Path(exporters.__file__).parent}
MODULES = [
    pytest.param(path, id=str(path.relative_to(root.parent)))
    for root in PACKAGES.values()
    for path in root.rglob("*.py")
]
ALLOWED = {
    "exporters": ("collector.api", "collector.wire", "collector.storage", "exporters"),
    "collector/api": ("collector.api",),
    "collector/wire": ("collector.api", "collector.storage", "collector.wire"),
    "collector/storage": ("collector.api", "collector.storage"),
}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return {name for name in found if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("path", MODULES)
def test_a_module_imports_only_what_its_room_may(path: Path):
    name = path.as_posix()
    for room, allowed in ALLOWED.items():
        if f"/{room}/" in name:
            wrong = {
                found for found in _imports(path) if not any(found == a or found.startswith(f"{a}.") for a in allowed)
            }
            assert wrong == set()


@pytest.mark.parametrize("path", MODULES)
def test_a_module_stays_under_600_lines(path: Path):
    assert len(path.read_text().splitlines()) <= 600
