"""SQLAlchemy: one client span for each statement that reaches a driver, around the methods that all of them pass.

A statement counts as inside a transaction when the user began one (`begin()`, a savepoint) or when the connection
has written since its last commit: SQLAlchemy opens a transaction before the first SELECT, so that one says nothing.
"""

import sys
from types import FrameType, ModuleType
from typing import Any

from opentelemetry import trace

from tracestitch import (
    briefs,
    calls,
    commits,
    databases,
    frames,
    sql,
    timeouts,
    tracebacks,
    tracing,
    transactions,
)
from tracestitch.briefs import Brief
from tracestitch.frames import CodeLocation
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.spans import Span
from tracestitch.statements import Statements

_STARTED, _KNOWN = "_tracestitch_started", "_tracestitch_statements"
_PARAMETERS = "_tracestitch_parameters"
# What a driver is given to connect with, without anything secret.
_KEPT = timeouts.PARAMETERS | {"host", "port", "dbname", "database", "db", "unix_socket"}


_STATEMENT, _TRANSACTION = guard("SQLAlchemy statement"), guard("SQLAlchemy transaction")


class Listeners:
    """What is done before and after each statement."""

    def before(
        self, connection: Any, _cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool
    ) -> None:
        try:
            transaction = transactions.of(connection)
            current = tracing.current_span()
            parent = current if type(current) is Span else None
            if execution is None or (parent is None and not calls.in_trace()) or calls.suppressed():
                operation = sql.operation_and_table(statement)[0]
            else:
                known = _of_engine(connection.engine)
                shape = known.here(statement, transaction is not None, None, _line_elsewhere)
                operation = shape.operation
                setattr(execution, _STARTED, (briefs.begin(parent, shape), operation))
            if operation in transactions.WRITES and not _autocommits(connection):
                transaction = transactions.opened(connection)
            if transaction is not None:
                transaction.asked(operation, statement)
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
                briefs.end(span, cursor.rowcount)
            else:
                span.end()
        except Exception as error:
            _STATEMENT.caught(error)

    def failed(self, failure: Any) -> None:
        """Of 1.4."""
        self.raised(failure.execution_context, failure.original_exception, failure.sqlalchemy_exception)

    def raised(self, execution: Any, error: BaseException, seen: BaseException | None) -> None:
        with _STATEMENT:
            span, _ = _taken(execution)
            if span is not None:
                briefs.fail(span, error, seen)


_LISTENERS = Listeners()


def _of_engine(engine: Any) -> Statements:
    known = engine.__dict__.get(_KNOWN)
    if not isinstance(known, Statements):
        parameters = vars(engine.dialect).get(_PARAMETERS, {})
        database = databases.of_url(engine.dialect.name, engine.url, parameters)
        databases.SEEN.add(database)
        limits = timeouts.of_connection(database.system, parameters)
        known = engine.__dict__[_KNOWN] = Statements({**database.attributes(), **limits})
    return known


def patch_engine(module: ModuleType) -> None:
    import sqlalchemy.engine.default as default

    if hasattr(module.Connection, "_exec_single_context"):
        _replace_methods(module.Connection)
    else:  # 1.4, which has no single place for this
        _listen(module.Engine)
    replace(module.Connection, "begin", _noting_explicit_begin)
    replace(default.DefaultDialect, "connect", _noting_parameters)
    replace(module.Connection, "_commit_impl", _ending("COMMIT"))
    replace(module.Connection, "_rollback_impl", _ending("ROLLBACK"))


def _replace_methods(connection: Any) -> None:
    """Not by events: one listener of this kind makes SQLAlchemy prepare and dispatch all events of every statement and
    connection, at three times the cost of what the agent does itself."""
    for name in ("_exec_single_context", "_exec_insertmany_context"):
        replace(connection, name, _observed)
    replace(connection, "_cursor_execute", _observed_cursor)
    for name in ("_commit_twophase_impl", "_rollback_twophase_impl"):
        replace(connection, name, _before(_ended))
    replace(connection, "_savepoint_impl", _before(_began))


def _listen(engine: Any) -> None:
    import sqlalchemy.event as event

    event.listen(engine, "handle_error", _LISTENERS.failed)
    event.listen(engine, "before_cursor_execute", _LISTENERS.before)
    event.listen(engine, "after_cursor_execute", _LISTENERS.after)
    for name in ("commit_twophase", "rollback_twophase"):
        event.listen(engine, name, _ended)
    event.listen(engine, "savepoint", _began)


def _observed(original: Any) -> Any:
    def execute(self: Any, dialect: Any, context: Any, *arguments: Any) -> Any:
        try:
            _LISTENERS.before(self, None, context.statement, None, context, False)
        except Exception as error:
            _STATEMENT.caught(error)
        try:
            result = original(self, dialect, context, *arguments)
        except BaseException as error:
            with _STATEMENT:
                _raised(context, error)
            raise
        try:
            _LISTENERS.after(self, context.cursor, "", None, context, False)
        except Exception as error:
            _STATEMENT.caught(error)
        return result

    return execute


def _observed_cursor(original: Any) -> Any:
    """What SQLAlchemy asks for itself, such as the next value of a sequence."""

    def _cursor_execute(self: Any, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        try:
            _LISTENERS.before(self, cursor, statement, parameters, context, False)
        except Exception as error:
            _STATEMENT.caught(error)
        try:
            original(self, cursor, statement, parameters, context)
        except BaseException as error:
            with _STATEMENT:
                _raised(context, error)
            raise
        try:
            _LISTENERS.after(self, cursor, statement, parameters, context, False)
        except Exception as error:
            _STATEMENT.caught(error)

    return _cursor_execute


def _raised(context: Any, error: BaseException) -> None:
    """SQLAlchemy raises an error of its own and keeps the driver's in it."""
    with _STATEMENT:
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            _LISTENERS.raised(context, original, error)
        else:
            _LISTENERS.raised(context, error, None)
        tracebacks.hide_own_frames(error)


def _before(note: Any) -> Any:
    def make(original: Any) -> Any:
        def noting(self: Any, *arguments: Any, **options: Any) -> Any:
            try:
                note(self)
            except Exception as error:
                _TRANSACTION.caught(error)
            return original(self, *arguments, **options)

        return noting

    return make


def _noting_parameters(original: Any) -> Any:
    """Not by the event `do_connect`: a listener there makes each statement of each engine dearer."""

    def connect(self: Any, *cargs: Any, **cparams: Any) -> Any:
        with _STATEMENT:
            vars(self)[_PARAMETERS] = {name: value for name, value in cparams.items() if name in _KEPT}
        return original(self, *cargs, **cparams)

    return connect


def patch_orm(module: ModuleType) -> None:
    import sqlalchemy.event as event

    event.listen(module.Session, "after_begin", _session_began)


def _taken(execution: Any) -> tuple[Brief | trace.Span | None, str]:
    started: tuple[Brief | trace.Span, str] | None = getattr(execution, _STARTED, None)
    if started is None:
        return None, ""
    setattr(execution, _STARTED, None)
    return started


def _ending(name: str) -> Any:
    """Of a transaction that counts: SQLAlchemy ends one after every reading, too."""

    def make(original: Any) -> Any:
        def end(self: Any, *how: Any, **options: Any) -> Any:  # 1.4 has `autocommit`
            transaction = location = None
            database: dict[str, Any] = {}
            try:
                transaction = transactions.of(self)
                if transaction is not None:
                    database = databases.of_url(self.engine.dialect.name, self.engine.url).attributes()
                    location = calls.location(_awaiting_frame)
                _ended(self)
            except Exception as error:
                _TRANSACTION.caught(error)
            if transaction is None:
                return original(self, *how, **options)
            return commits.ending(
                name, transaction, database, location, lambda: original(self, *how, **options)
            )

        return end

    return make


def _ended(connection: Any, *_: Any) -> None:
    try:
        transactions.closed(connection)
    except Exception as error:
        _TRANSACTION.caught(error)


def _began(connection: Any, *_: Any) -> None:
    with _TRANSACTION:
        transactions.opened(connection)


def _session_began(_session: Any, transaction: Any, connection: Any) -> None:
    try:
        # 1.4 does not tell why a session began; there only writes and savepoints count.
        origin = getattr(getattr(transaction, "origin", None), "_name_", "AUTOBEGIN")
        if origin != "AUTOBEGIN":
            transactions.opened(connection)
    except Exception as error:
        _TRANSACTION.caught(error)


def _noting_explicit_begin(original: Any) -> Any:
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        transaction = original(self, *args, **kwargs)
        try:
            if _is_explicit(sys._getframe().f_back):
                transactions.opened(self)
        except Exception as error:
            _TRANSACTION.caught(error)
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


def _line_elsewhere() -> CodeLocation | None:
    return calls.location(_awaiting_frame)


def _awaiting_frame() -> FrameType | None:
    """Asynchronous engines run the statement in a greenlet of its own; the user waits in its parent."""
    module = sys.modules.get("greenlet")
    parent = module.getcurrent().parent if module is not None else None
    return parent.gr_frame if parent is not None else None
