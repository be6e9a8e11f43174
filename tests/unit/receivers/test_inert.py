from typing import Annotated

from collector.api import ConfigModel
from collector.receivers.inert import Inert, inert_keys


class Inner(ConfigModel):
    size: Annotated[int, Inert("sizes do not matter")] = 1
    name: str = ""


class Outer(ConfigModel):
    speed: Annotated[int, Inert("speed does not matter")] = 1
    inner: Inner = Inner()
    other: Inner | None = None


def test_a_key_without_effect_is_told_with_its_path_and_reason_once_it_is_set():
    block = Outer.model_validate({"speed": 1, "inner": {"name": "x"}, "other": {"size": 5}})
    assert list(inert_keys(block, "outer.")) == [
        ("outer.other.size", "sizes do not matter"),
        ("outer.speed", "speed does not matter"),
    ]


def test_defaults_are_not_told():
    assert list(inert_keys(Outer())) == []
