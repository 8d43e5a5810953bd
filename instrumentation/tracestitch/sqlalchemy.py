"""SQLAlchemy: one client span for each statement that reaches a driver, from listeners on every engine.

A statement counts as inside a transaction when the user began one (`begin()`, a savepoint) or when the connection
has written since its last commit: SQLAlchemy opens a transaction before the first SELECT, so that one says nothing.
"""

import sys
from types import FrameType, ModuleType
from typing import Any

from opentelemetry.trace import Span, SpanKind

from tracestitch import calls, databases, frames, sql, tracing, transactions
from tracestitch.patching import replace
from tracestitch.safety import guard, safely
from tracestitch.statements import Statements

_STARTED, _KNOWN = "_tracestitch_started", "_tracestitch_statements"
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY"})


_STATEMENT, _TRANSACTION = guard("SQLAlchemy statement"), guard("SQLAlchemy transaction")


class Listeners:
    """On every engine."""

    def before(
        self, connection: Any, _cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool
    ) -> None:
        try:
            in_transaction = transactions.is_open(connection)
            if execution is None or not calls.in_trace() or calls.suppressed():
                operation = sql.operation_and_table(statement)[0]
            else:
                known = _of_engine(connection.engine)
                shape = known.shape(statement, in_transaction, calls.location(_awaiting_frame))
                operation = shape.operation
                span = tracing.tracer().start_span(shape.summary, None, SpanKind.CLIENT, shape.attributes)
                setattr(execution, _STARTED, (span, operation))
            if operation in _WRITES and not _autocommits(connection):
                transactions.opened(connection)
        except Exception as error:
            _STATEMENT.caught(error)

    def after(
        self, _connection: Any, cursor: Any, _statement: str, _parameters: Any, execution: Any, _many: bool
    ) -> None:
        try:
            span, operation = _taken(execution)
            if span is None:
                return
            # Drivers that fetch while they execute know the number of rows; the others say -1.
            if operation == "SELECT" and cursor.rowcount >= 0:
                span.set_attribute("db.response.returned_rows", cursor.rowcount)
            span.end()
        except Exception as error:
            _STATEMENT.caught(error)

    def failed(self, failure: Any) -> None:
        with _STATEMENT:
            span, _ = _taken(failure.execution_context)
            if span is None:
                return
            calls.fail(span, failure.original_exception, failure.sqlalchemy_exception)
            span.end()


def _of_engine(engine: Any) -> Statements:
    known = engine.__dict__.get(_KNOWN)
    if not isinstance(known, Statements):
        database = databases.of_url(engine.dialect.name, engine.url)
        databases.SEEN.add(database)
        known = engine.__dict__[_KNOWN] = Statements(database.attributes())
    return known


def patch_engine(module: ModuleType) -> None:
    import sqlalchemy.event as event

    listeners = Listeners()
    engine = module.Engine
    event.listen(engine, "before_cursor_execute", listeners.before)
    event.listen(engine, "after_cursor_execute", listeners.after)
    event.listen(engine, "handle_error", listeners.failed)
    for name in ("commit", "rollback", "commit_twophase", "rollback_twophase"):
        event.listen(engine, name, _ended)
    event.listen(engine, "savepoint", _began)
    replace(module.Connection, "begin", _noting_explicit_begin)


def patch_orm(module: ModuleType) -> None:
    import sqlalchemy.event as event

    event.listen(module.Session, "after_begin", _session_began)


def _taken(execution: Any) -> tuple[Span | None, str]:
    started: tuple[Span, str] | None = getattr(execution, _STARTED, None)
    if started is None:
        return None, ""
    setattr(execution, _STARTED, None)
    return started


def _ended(connection: Any, *_: Any) -> None:
    with _TRANSACTION:
        transactions.closed(connection)


def _began(connection: Any, *_: Any) -> None:
    with _TRANSACTION:
        transactions.opened(connection)


@safely("SQLAlchemy transaction")
def _session_began(_session: Any, transaction: Any, connection: Any) -> None:
    # 1.4 does not tell why a session began; there only writes and savepoints count.
    origin = getattr(getattr(transaction, "origin", None), "name", "AUTOBEGIN")
    if origin != "AUTOBEGIN":
        transactions.opened(connection)


def _noting_explicit_begin(original: Any) -> Any:
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        transaction = original(self, *args, **kwargs)
        with _TRANSACTION:
            if _is_explicit(sys._getframe().f_back):
                transactions.opened(self)
        return transaction

    return begin


def _is_explicit(caller: FrameType | None) -> bool:
    """SQLAlchemy calls `begin()` for its own beginnings too. An asynchronous `begin()` starts a stack of its own."""
    while caller is not None and caller.f_code.co_qualname == "Connection.begin":
        caller = caller.f_back  # 1.4 has one in front of the other
    return caller is None or caller.f_code.co_qualname == "Engine.begin" or frames.is_user_code(caller.f_code)


def _autocommits(connection: Any) -> bool:
    level = connection.get_execution_options().get("isolation_level")
    return (level or getattr(connection.dialect, "_on_connect_isolation_level", None)) == "AUTOCOMMIT"


def _awaiting_frame() -> FrameType | None:
    """Asynchronous engines run the statement in a greenlet of its own; the user waits in its parent."""
    module = sys.modules.get("greenlet")
    parent = module.getcurrent().parent if module is not None else None
    return parent.gr_frame if parent is not None else None
