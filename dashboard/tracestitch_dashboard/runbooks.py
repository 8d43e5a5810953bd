"""The runbooks as blocks for a page, read from the Markdown that is shipped beside this module: headings,
paragraphs and lists, with `code` and nothing else within them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("runbooks.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    text: str
    is_code: bool


Pieces = tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph, or the items of a list."""

    items: tuple[Pieces, ...]
    is_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    name: str
    """Of the alert; empty for the introduction. It is the section's anchor."""
    blocks: tuple[Block, ...]


def read(markdown: str) -> tuple[Runbook, ...]:
    sections = markdown.split("\n## ")
    introduction = sections[0].partition("\n")[2]
    found = [Runbook(name="", blocks=_blocks(introduction))]
    for section in sections[1:]:
        name, _, text = section.partition("\n")
        found.append(Runbook(name=name.strip(), blocks=_blocks(text)))
    return tuple(found)


def _blocks(text: str) -> tuple[Block, ...]:
    return tuple(_block(part) for part in text.strip().split("\n\n") if part.strip())


def _block(text: str) -> Block:
    if not text.startswith("- "):
        return Block(items=(_pieces(text),), is_list=False)
    return Block(items=tuple(_pieces(item) for item in text[2:].split("\n- ")), is_list=True)


def _pieces(text: str) -> Pieces:
    joined = " ".join(text.split()).replace("**", "")
    parts = enumerate(joined.split("`"))
    return tuple(Piece(text=part, is_code=place % 2 == 1) for place, part in parts if part)
