"""What a statement's span says again each time one database runs one statement from one line of code."""

import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import NamedTuple

from opentelemetry.util.types import AttributeValue

from tracestitch import frames, sql
from tracestitch.attributes import Shared

MOST_KNOWN = 1_000
_ASKED = ("tracestitch.django.model", "tracestitch.django.lazy_relation", "tracestitch.django.lazy_loader")


class Shape(NamedTuple):
    summary: str
    operation: str
    attributes: Shared
    # Kept, so that no other location gets its address while the shape is known.
    location: frames.CodeLocation | None


class Statements:
    """Those of one database. Threads may make the same shape at once, and either will do."""

    def __init__(self, database: Mapping[str, AttributeValue]) -> None:
        self._database = database
        self._known: dict[tuple[str, bool | None, int, tuple[str, str, str] | None], Shape] = {}
        # By the text: how it was asked last, and how far up the stack the line of user code was.
        self._last: dict[str, tuple[int, CodeType, int, bool | None, tuple[str, str, str] | None, Shape]] = {}

    def here(
        self,
        text: str,
        in_transaction: bool | None,
        asked: tuple[str, str, str] | None,
        otherwise: Callable[[], frames.CodeLocation | None],
    ) -> Shape:
        """The shape of a statement that the code which calls this sends; `otherwise` tells the line where no user
        code is in the stack. That the same line asks at the same depth as last time is seen without a walk."""
        last = self._last.get(text)
        if last is not None:
            depth, code, instruction, transaction, relation, shape = last
            try:
                frame = sys._getframe(depth)
                if (
                    frame.f_code is code
                    and frame.f_lasti == instruction
                    and transaction is in_transaction
                    and relation == asked
                ):
                    return shape
            except ValueError:
                pass  # the stack is not so deep this time
        found = frames.nearest()
        if found is None:
            return self.shape(text, in_transaction, frames.user_frame() or otherwise(), asked)
        depth, frame = found
        shape = self.shape(text, in_transaction, frames.frame_location(frame), asked)
        if len(text) <= sql.LONGEST_CACHED:
            if len(self._last) >= MOST_KNOWN:
                self._last.clear()
            self._last[text] = (depth, frame.f_code, frame.f_lasti, in_transaction, asked, shape)
        return shape

    def shape(
        self,
        text: str,
        in_transaction: bool | None,
        location: frames.CodeLocation | None,
        asked: tuple[str, str, str] | None = None,
    ) -> Shape:
        """`asked`: for which model, along which relation, and what would have loaded it with the list."""
        key = (text, in_transaction, id(location), asked)
        known = self._known.get(key)
        if known is None:
            known = self._made(text, in_transaction, location, asked)
            if len(text) <= sql.LONGEST_CACHED:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[key] = known
        return known

    def _made(
        self,
        text: str,
        in_transaction: bool | None,
        location: frames.CodeLocation | None,
        asked: tuple[str, str, str] | None,
    ) -> Shape:
        operation, table = sql.operation_and_table(text)
        summary = f"{operation} {table}".strip() or str(self._database["db.system.name"])
        attributes: dict[str, AttributeValue] = {
            **self._database,
            "db.query.text": sql.template(text),
            "db.query.summary": summary,
        }
        if in_transaction is not None:
            attributes["tracestitch.db.in_transaction"] = in_transaction
        if operation:
            attributes["db.operation.name"] = operation
        if table:
            attributes["db.collection.name"] = table
        if asked is not None:
            attributes.update((key, value) for key, value in zip(_ASKED, asked, strict=True) if value)
        if location is not None:
            attributes.update(frames.location_attributes(location))
        return Shape(summary, operation, Shared(attributes), location)
