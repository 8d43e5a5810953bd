"""Templates and what they may call. Everything is escaped; nothing is ever marked as safe but our own icons."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from tracestitch_dashboard import addresses, bars, diff, figures, hours, palette
from tracestitch_dashboard.timeline import naming

_STATEMENT = re.compile(r"(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r" (FROM|(?:LEFT |INNER |OUTER |LEFT OUTER )?JOIN|WHERE|GROUP BY|ORDER BY|HAVING|LIMIT|VALUES|SET)\b"
)
FOLDER = Path(__file__).parent / "templates"


def environment(version: str) -> Environment:
    """`version` goes into the addresses of static files, so that an upgrade is seen at once."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        icon=icon,
        address=addresses.with_query,
        service_path=addresses.service_path,
        static=lambda name: f"/static/{name}?v={version}",
        moment=moment,
        icons=naming.ICONS,
        rate_unit=figures.rate_unit,
    )
    made.filters.update(
        duration=figures.duration,
        count=figures.count,
        share=figures.share,
        size=figures.size,
        short=naming.shortened,
        tone=tone,
        per_second=figures.rate,
        rate_in=figures.rate_in,
        sentence=figures.sentence,
        tail=tail,
        tail_of_name=lambda name: ".".join(naming.shortened(name, 300).split(".")[-2:]),
        marked=marked,
        laid_out=laid_out,
        hours=hours.points,
        bar_parts=bars.parts,
        diffed=lambda fix: diff.lines(fix.before, fix.after),
    )
    return made


def icon(name: str, text: str = "") -> Markup:
    """One of the icons of templates/icons.svg; without a text it is decoration for what stands beside it."""
    if not text:
        return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)
    return Markup('<svg class="icon" role="img"><title>{}</title><use href="#i-{}"/></svg>').format(
        text, name
    )


def moment(time_ns: int, now_ns: int | None = None, kind: str = "clock") -> Markup:
    """A time with the whole of it on hover; the script writes it in local time. With `now_ns` as an age."""
    text = figures.clock(time_ns) if kind == "clock" else figures.date_and_clock(time_ns)
    shown = text if now_ns is None else figures.ago(time_ns, now_ns)
    return Markup('<time datetime="{}" title="{} UTC" data-as="{}">{}</time>').format(
        figures.iso(time_ns),
        figures.date_and_clock(time_ns),
        kind if now_ns is None else "age",
        shown,
    )


def marked(text: str) -> Markup:
    """`code` between backticks as code; everything is escaped."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one of them has no partner: nothing can be told
        return Markup("{}").format(text)
    forms = (Markup("{}"), Markup("<code>{}</code>"))
    return Markup("").join(forms[place % 2].format(piece) for place, piece in enumerate(pieces))


def laid_out(text: str) -> str:
    """A long statement with its clauses on lines of their own; any other text as it is."""
    if len(text) < 60 or not _STATEMENT.match(text):
        return text
    return _CLAUSE.sub(r"\n\1", " ".join(text.split()))


def tone(service: str, colours: Mapping[str, int]) -> str:
    """The class that gives a service its colour."""
    return f"service-{colours.get(service, palette.preferred(service))}"


def html(text: str, status: int = 200) -> Response:
    """Not cached: it is about now. Text that UTF-8 has no form for is replaced, not refused."""
    return Response(
        text.encode("utf-8", "replace"),
        status,
        headers={"cache-control": "no-store"},
        media_type="text/html; charset=utf-8",
    )


def as_json(document: Any, status: int = 200) -> Response:
    """NaN and infinities never get here as numbers: plain.py writes them as objects."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(
        text.encode("utf-8", "replace"),
        status,
        headers={"cache-control": "no-store"},
        media_type="application/json",
    )


def tail(path: str, parts: int = 2) -> str:
    """The last parts of a path: enough to know the file by."""
    return "/".join(naming.shortened(path, 200).split("/")[-parts:])
