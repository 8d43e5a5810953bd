"""ARCHITECTURE.md and the tree say the same."""

from __future__ import annotations

from tests.support.module_table import PACKAGES, ROOT, first_sentence, modules, rewrite, table


def test_the_module_table_is_the_tree() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert page == rewrite(page, table()), "run `make docs` and commit ARCHITECTURE.md"


def test_every_module_says_what_lives_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for _, package in PACKAGES
        for path in modules(ROOT / package)
        if not first_sentence(path)
    ]
    assert silent == []


def test_no_module_is_named_after_nothing() -> None:
    banned = {"utils", "util", "helpers", "common", "misc", "manager", "base"}
    found = [str(path) for _, package in PACKAGES for path in modules(ROOT / package) if path.stem in banned]
    assert found == []
