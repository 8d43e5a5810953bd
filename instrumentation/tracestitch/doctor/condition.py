"""What the doctor can find: a condition has a name, a meaning and exactly one remedy; a finding is one that was met."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    name: str
    # In general, for the table in docs/doctor.md.
    meaning: str
    # What to do, with {names} that a finding fills in.
    remedy: str
    # A note is worth knowing and no reason for exit status 1.
    is_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    condition: Condition
    # What was met here, with its values.
    text: str
    remedy: str

    @property
    def name(self) -> str:
        return self.condition.name


def met(condition: Condition, text: str, **values: object) -> Finding:
    """The finding, its remedy filled in."""
    return Finding(condition=condition, text=text, remedy=condition.remedy.format_map(_Shown(values)))


class _Shown(dict[str, object]):
    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__({name: printable(str(value), 600) for name, value in values.items()})


def printable(text: str, longest: int = 200) -> str:
    """What somebody else wrote, fit for a terminal: one line, no control characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * longest])
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
