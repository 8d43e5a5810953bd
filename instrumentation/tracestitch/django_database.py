"""Django's statements, seen by an execute wrapper on every connection: all backends alike, no driver patched."""

from collections.abc import Sized
from types import ModuleType
from typing import Any

from opentelemetry import trace

from tracestitch import briefs, calls, contexts, databases, django_relations, timeouts, tracebacks
from tracestitch.briefs import Brief
from tracestitch.safety import guard
from tracestitch.spans import Span
from tracestitch.statements import Statements
from tracestitch.tracing import current_span
from tracestitch.transactions import DJANGO_KEY

_STARTING, _ENDING = guard("starting a statement's span"), guard("ending a statement's span")
_CONNECTING = guard("observing a database connection")


def patch_signals(module: ModuleType) -> None:
    module.connection_created.connect(_observe, weak=False, dispatch_uid="tracestitch")


def _observe(connection: Any, **_: Any) -> None:
    with _CONNECTING:
        wrappers = connection.execute_wrappers
        if not any(isinstance(wrapper, StatementObserver) for wrapper in wrappers):
            wrappers.insert(0, StatementObserver(connection))


class StatementObserver:
    """Stands around each statement of one connection."""

    def __init__(self, connection: Any) -> None:
        database = databases.of_django(connection)
        limits = timeouts.of_connection(database.system, connection.settings_dict.get("OPTIONS") or {})
        self._statements = Statements({**database.attributes(), **limits})
        databases.SEEN.add(database)
        # SQLite's driver never knows, and is asked most.
        self._counts = connection.vendor != "sqlite"

    def __call__(self, execute: Any, statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        # Statements outside of any request or task (migrations, shells) would each be a trace of their own.
        span = None
        try:
            current = contexts.current().get(contexts.SPAN_KEY)
            if type(current) is Span:
                if current.end_time is None:
                    span = self._start(current, statement, params, many, context)
            elif current_span().is_recording():
                span = self._start(None, statement, params, many, context)
        except Exception as error:
            _STARTING.caught(error)
        try:
            result = execute(statement, params, many, context)
        except BaseException as error:
            with _ENDING:
                if span is not None:
                    briefs.fail(span, error)
                tracebacks.hide_own_frames(error)
            raise
        if span is None:
            return result
        try:
            if self._counts and statement[:6].upper() == "SELECT":
                briefs.end(span, _rows(context))
            else:
                span.end()
        except Exception as error:
            _ENDING.caught(error)
        return result

    def _start(
        self, parent: Span | None, statement: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Brief | trace.Span:
        text = statement if isinstance(statement, str) else str(statement)
        connection = context["connection"]
        asked = django_relations.sending(connection) if text[:6] == "SELECT" else None
        shape = self._statements.here(text, bool(connection.in_atomic_block), asked, calls.given_at)
        transaction = connection.__dict__.get(DJANGO_KEY)
        if transaction is not None:
            transaction.asked(shape.operation, text)
        if many:
            return briefs.begin_many(parent, shape, len(params) if isinstance(params, Sized) else None)
        return briefs.begin(parent, shape)


def _rows(context: dict[str, Any]) -> int | None:
    """Drivers that fetch all at once know; the others say -1."""
    count = getattr(getattr(context.get("cursor"), "cursor", None), "rowcount", -1)
    return count if isinstance(count, int) and count >= 0 else None
