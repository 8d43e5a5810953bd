"""How a timeline is looked at: what is shown, zoomed, opened and selected. All of it stands in the address.

static/js/timeline/view.js is the same in the browser; a browser test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tracestitch_dashboard.errors import BadQuery
from tracestitch_dashboard.timeline.row import TOP, Row

NS_PER_MS = 1_000_000
SWITCHES = ("logs", "path", "fold", "gaps")
"""On unless the address says `=0`."""
TABS = ("summary", "attributes", "call", "logs", "stack", "profile", "raw")
VIEWS = ("timeline", "table")
PARAMETERS = (*SWITCHES, "skew", "zoom", "toggled", "span", "tab", "filter", "view")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    logs: bool = True
    path: bool = True
    fold: bool = True
    gaps: bool = True
    skew: bool = False
    """Apply the estimated clock offsets."""
    zoom: tuple[float, float] | None = None
    """Milliseconds since the timeline's start."""
    toggled: frozenset[str] = frozenset()
    """Rows that are not as they were at first: opened, or closed."""
    span: str = ""
    """The selected row."""
    tab: str = TABS[0]
    filter: str = ""
    view: str = VIEWS[0]

    def parameters(self) -> dict[str, str]:
        """What differs from the default, as it stands in the address."""
        found = {name: "0" for name in SWITCHES if not getattr(self, name)}
        if self.skew:
            found["skew"] = "1"
        if self.zoom:
            found["zoom"] = f"{self.zoom[0]:g}-{self.zoom[1]:g}"
        if self.toggled:
            found["toggled"] = ",".join(sorted(self.toggled))
        if self.span:
            found["span"] = self.span
        if self.tab != TABS[0]:
            found["tab"] = self.tab
        if self.filter:
            found["filter"] = self.filter
        if self.view != VIEWS[0]:
            found["view"] = self.view
        return found

    def selecting(self, row_id: str, tab: str = TABS[0]) -> View:
        return replace(self, span=row_id, tab=tab)

    def with_toggled(self, row_id: str) -> View:
        return replace(self, toggled=self.toggled ^ {row_id})


def parse(parameters: Mapping[str, str]) -> View:
    """Raises BadQuery for what no link of ours says."""
    tab = parameters.get("tab") or TABS[0]
    view = parameters.get("view") or VIEWS[0]
    if tab not in TABS or view not in VIEWS:
        raise BadQuery(
            f"There is no tab “{tab[:40]}” in a view “{view[:40]}”; tabs are {', '.join(TABS)}, views {', '.join(VIEWS)}."
        )
    return View(
        **{name: parameters.get(name) != "0" for name in SWITCHES},
        skew=parameters.get("skew") == "1",
        zoom=_zoom(parameters.get("zoom", "")),
        toggled=frozenset(part for part in parameters.get("toggled", "").split(",") if part),
        span=parameters.get("span", ""),
        tab=tab,
        filter=parameters.get("filter", "").strip(),
        view=view,
    )


def _zoom(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        start, end = (float(part) for part in text.split("-", 1))
    except ValueError as error:
        raise BadQuery(
            f"The zoom is “{text[:40]}”; it is two numbers of milliseconds, such as 12.5-300."
        ) from error
    if not 0 <= start < end < 1e15:
        raise BadQuery(f"The zoom is “{text[:40]}”; it begins at 0 or later and ends after that.")
    return start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    place: int
    """In Timeline.rows."""
    level: int
    is_open: bool


def visible(rows: Sequence[Row], view: View) -> tuple[Shown, ...]:
    """The rows that are seen, in order. A repeat that is not folded lends its place to its members."""
    matching = _matching(rows, view.filter)
    hides = [False] * len(rows)
    level = [0] * len(rows)
    shown = []
    for place, row in enumerate(rows):
        under = row.parent != TOP
        level[place] = level[row.parent] + 1 if under else 0
        if (
            (under and hides[row.parent])
            or _is_off(row, view)
            or (matching is not None and not matching[place])
        ):
            hides[place] = True
            continue
        if row.kind == "repeat" and not view.fold:
            level[place] -= 1
            continue
        is_open = row.folded == (row.id in view.toggled) or (matching is not None and row.kind != "repeat")
        hides[place] = row.has_children and not is_open
        shown.append(Shown(place=place, level=level[place], is_open=is_open))
    return tuple(shown)


def _is_off(row: Row, view: View) -> bool:
    if row.kind in ("log", "exception"):
        return not view.logs
    return row.kind == "gap" and not view.gaps


def _matching(rows: Sequence[Row], words: str) -> list[bool] | None:
    """Rows that contain the words, and those above them; None when there is nothing to look for."""
    if not words:
        return None
    wanted = words.lower()
    matching = [
        wanted in row.name.lower() or wanted in row.service.lower() or wanted in row.badge.lower()
        for row in rows
    ]
    for place in range(len(rows) - 1, -1, -1):
        if matching[place] and rows[place].parent != TOP:
            matching[rows[place].parent] = True
    return matching
