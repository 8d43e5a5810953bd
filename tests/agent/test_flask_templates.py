"""Flask's templates by name, whichever way round its versions hand them to the function that renders them."""

from types import ModuleType, SimpleNamespace
from typing import Any

import jinja2
import pytest

from tracestitch import renders, server


class Stages:
    rendering = False

    def __init__(self) -> None:
        self.names: list[str] = []

    def add(self, kind: str, name: str, ns: int) -> None:
        self.names.append(f"{kind} {name}")


TEMPLATE = jinja2.Environment(loader=jinja2.DictLoader({"home.html": "hello"})).get_template("home.html")
APP = SimpleNamespace(name="shop")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((APP, TEMPLATE, {}), id="2.2 and newer"),
        pytest.param((TEMPLATE, {}, APP), id="2.1 and older"),
    ],
)
def test_a_rendered_template_is_told_by_its_name(
    arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages()
    monkeypatch.setattr(server, "current_stages", lambda: stages)
    module: Any = ModuleType("templating")
    module._render = lambda *_: "hello"
    renders.patch_flask(module)
    assert module._render(*arguments) == "hello"
    assert stages.names == ["template home.html"]
