"""The real apps are walked where `-m real_apps` asks for them, since they take minutes and much to install."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "real_apps" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("real_apps")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
