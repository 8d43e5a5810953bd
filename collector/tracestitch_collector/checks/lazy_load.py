"""A lazy load of Django's whose relation the agent saw: which list it goes with, and the fix by the names of the
app's own models. Nothing here is guessed from tables and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracestitch_collector.checks import statements, wording
from tracestitch_collector.checks.finding import Fix, Location
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import place

MODEL = "tracestitch.django.model"
RELATION = "tracestitch.django.lazy_relation"
LOADER = "tracestitch.django.lazy_loader"

_LOADERS = ("select_related", "prefetch_related", "Prefetch", "only")

DEEPEST = 5
"""Relations in a row that are followed back to the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyLoad:
    model: str
    """Whose list is to be mended, without its app: `Order`."""
    rows: str
    """How that list is come by: `Order.objects`, or `customer.orders` where it is the rows of one relation."""
    path: tuple[str, ...]
    """From there to what was loaded: `customer`, `region`."""
    loader: str
    """`select_related`, `prefetch_related`, `Prefetch` or `only`."""
    related: str
    """The model that was loaded; empty when it cannot be told."""
    source: Span | None = field(repr=False)
    """The query that brought the list, where it was one of this model's own."""

    @property
    def lookup(self) -> str:
        return "__".join(self.path)

    @property
    def queries_needed(self) -> int:
        """With the list's own."""
        return 1 if self.loader in ("select_related", "only") else 2


def of(repeated: Span, asked: Sequence[Span]) -> LazyLoad | None:
    """`asked`: all that the ORM asked in the same request, in time order. None where the agent saw no relation."""
    owner, attribute = _relation(repeated)
    if not owner or not attribute or repeated.text(LOADER) not in _LOADERS:
        return None
    earlier = [span for span in asked if span.end_ns <= repeated.start_ns]
    times = Counter(span.text(RELATION) for span in asked)
    path, seen, loader = [attribute], {repeated.text(RELATION)}, repeated.text(LOADER)
    above = _brought(owner, earlier, times)
    while above is not None and len(path) < DEEPEST and times[above.text(RELATION)] > 1 and _is_lazy(above):
        if above.text(RELATION) in seen:
            break
        seen.add(above.text(RELATION))
        owner, attribute = _relation(above)
        path.insert(0, attribute)
        if loader == "select_related" and above.text(LOADER) != "select_related":
            loader = "prefetch_related"
        above = _brought(owner, earlier, times)
    rows = _name(owner) + ".objects"
    if above is not None and _is_lazy(above):
        of_one, attribute = _relation(above)
        rows = f"{_name(of_one).lower()}.{attribute}"
    return LazyLoad(
        model=_name(owner),
        rows=rows,
        path=tuple(path),
        loader=loader,
        related=_name(repeated.text(MODEL)),
        source=above,
    )


def _relation(span: Span) -> tuple[str, str]:
    owner, _, attribute = span.text(RELATION).rpartition(".")
    return owner, attribute


def _name(label: str) -> str:
    return label.rpartition(".")[2]


def _is_lazy(span: Span) -> bool:
    return span.text(RELATION) != ""


def _brought(model: str, earlier: Sequence[Span], times: Counter[str]) -> Span | None:
    """What brought the rows of this model: the latest list of them, or what looked them up again and again. A single
    row that was looked up on the way is neither, nor is a field of one."""
    for span in reversed(earlier):
        if span.text(MODEL) != model or span.text(LOADER) == "only":
            continue
        if span.text(LOADER) != "select_related" or times[span.text(RELATION)] > 1:
            return span
    return None


def fix_for(load: LazyLoad, repeated: Span, location: Location | None) -> Fix:
    if statements.is_figure(repeated.text("db.query.text")) and load.loader != "select_related":
        return _figure(load, _asked(repeated, location))
    if load.loader == "Prefetch":
        return _part(load, _asked(repeated, location))
    if load.loader == "only":
        return _deferred(load, _asked(repeated, location))
    return _whole(load, _asked(repeated, location))


def _asked(repeated: Span, location: Location | None) -> str:
    line = place(location)
    text = wording.shortened(" ".join(repeated.text("db.query.text").split()), 90)
    return f"{line}: {text}" if line else text


def _whole(load: LazyLoad, asked: str) -> Fix:
    row, mended = load.model.lower(), f'{load.rows}.{load.loader}("{load.lookup}")'
    saving = (
        "one join instead of a query per row"
        if load.loader == "select_related"
        else "one more query whatever the length"
    )
    use = f"{row}.{'.'.join(load.path)}"
    use = f"list({use}.all())" if load.loader == "prefetch_related" and len(load.path) == 1 else use
    return Fix(
        text=f"Load {_of(load)} with the list: {mended}, {saving}. Put it on the queryset that the loop, the view "
        "(its queryset or get_queryset) or the serializer's view starts from.",
        before=f"for {row} in {load.rows}.all():\n    {use}  # {asked}",
        after=f"for {row} in {mended}:\n    {use}  # no further query",
    )


def _part(load: LazyLoad, asked: str) -> Fix:
    row, related = load.model.lower(), load.related or "Related"
    return Fix(
        text=f"Load the rows of {related} that are wanted with the list: Prefetch({load.lookup!r}) with the filter in "
        "its queryset. A filter, order or slice on the relation itself asks again for each row, prefetched or not.",
        before=f"for {row} in {load.rows}.all():\n    {row}.{'.'.join(load.path)}.filter(…)  # {asked}",
        after=f'wanted = Prefetch("{load.lookup}", {related}.objects.filter(…), to_attr="wanted")\n'
        f"for {row} in {load.rows}.prefetch_related(wanted):\n    {row}.wanted  # no further query",
    )


def _figure(load: LazyLoad, asked: str) -> Fix:
    row = load.model.lower()
    lookup = load.lookup.removesuffix(
        "_set"
    )  # what a relation without a name of its own is called in queries
    return Fix(
        text=f"Let the list's own query bring the figure: annotate(…) with Count, Sum or Exists over {lookup!r}, one "
        "query instead of one per row.",
        before=f"for {row} in {load.rows}.all():\n    {row}.{'.'.join(load.path)}.count()  # {asked}",
        after=f'for {row} in {load.rows}.annotate(number=Count("{lookup}")):\n'
        f"    {row}.number  # no further query",
    )


def _deferred(load: LazyLoad, asked: str) -> Fix:
    row, name = load.model.lower(), load.path[-1]
    return Fix(
        text=f"The list leaves out {name!r} by only(…) or defer(…), and it is then read for each row: add it to "
        "only(…), or take it out of defer(…).",
        before=f'for {row} in {load.rows}.defer("{name}"):\n    {row}.{name}  # {asked}',
        after=f"for {row} in {load.rows}.all():\n    {row}.{name}  # no further query",
    )


def _of(load: LazyLoad) -> str:
    return f"{load.model}.{'.'.join(load.path)}"
