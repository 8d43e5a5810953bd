"""The module table of ARCHITECTURE.md, made from the modules' own first sentences so that it cannot lie.

Run as a program it rewrites the table in place.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    ("The agent", "instrumentation/tracestitch"),
    ("The collector", "collector/tracestitch_collector"),
    ("The dashboard", "dashboard/tracestitch_dashboard"),
    ("The demo shop", "stack/demo/tracestitch_demo"),
)
BEGIN, END = "<!-- modules: made by `make docs` -->", "<!-- end of modules -->"


def first_sentence(path: Path) -> str:
    """What the module says of itself, up to the first full stop; empty when it says nothing."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return (sentence if stop else paragraph).rstrip(".").replace("|", "\\|")


def modules(folder: Path) -> list[Path]:
    """Every module that holds code, in reading order."""
    return sorted(
        path
        for path in folder.rglob("*.py")
        if path.read_text().strip() and "migrations" not in path.parts and "__pycache__" not in path.parts
    )


def table() -> str:
    lines: list[str] = []
    for title, package in PACKAGES:
        lines += ["", f"**{title}**, `{package}/`", "", "| module | what lives there |", "|---|---|"]
        folder = ROOT / package
        lines += [f"| `{path.relative_to(folder)}` | {first_sentence(path)} |" for path in modules(folder)]
    return "\n".join(lines).strip() + "\n"


def rewrite(document: str, content: str) -> str:
    """The document with everything between the two marks replaced."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{content}\n{END}{tail}"


if __name__ == "__main__":
    page = ROOT / "ARCHITECTURE.md"
    page.write_text(rewrite(page.read_text(), table()))
