"""Celery: a producer span where a task is sent and a consumer span where it runs, in one trace, through Celery's
own signals; and a flush before a pool process ends, since it ends without Python's exit handlers."""

from types import ModuleType
from typing import Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from tracestitch import apart, calls, contexts, export, frames, inventory, tracing, transactions
from tracestitch.exceptions import record_exception
from tracestitch.patching import replace
from tracestitch.profiler import PROFILER
from tracestitch.safety import guard, safely

_RUNNING = "_tracestitch_running"
_FLUSH_SECONDS = 1.0
_PRODUCING = guard("Celery producer")


class _RequestFields(Getter[Any]):
    """The headers of the message are attributes of the task's request."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = getattr(carrier, key, None)
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Any) -> list[str]:
        return list(vars(carrier))


def patch_app(module: ModuleType) -> None:
    from celery import signals

    replace(module.Celery, "send_task", _observed)
    receivers = (
        (signals.before_task_publish, _about_to_publish),
        (signals.task_prerun, _started),
        (signals.task_failure, _failed),
        (signals.task_retry, _retried),
        (signals.task_postrun, _ended),
        (signals.worker_ready, _first_processes_started),
        (signals.worker_process_init, _process_started),
        (signals.worker_process_shutdown, _process_ends),
    )
    for signal, receiver in receivers:
        signal.connect(receiver, weak=False)


def _observed(original: Any) -> Any:
    def send_task(self: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        span = token = None
        with _PRODUCING:
            span = _producer(str(name))
            token = contexts.attach(contexts.with_span(span)) if span is not None else None
        if span is None or token is None:
            return original(self, name, *args, **kwargs)
        try:
            return original(self, name, *args, **kwargs)
        except BaseException as error:
            with _PRODUCING:
                contexts.detach(token)
                token = None
                calls.fail(span, error)
            raise
        finally:
            with _PRODUCING:
                if token is not None:
                    contexts.detach(token)
            with _PRODUCING:
                span.end()

    return send_task


def _producer(name: str) -> Span | None:
    if calls.suppressed():
        return None
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "celery",
        "messaging.operation.type": "send",
        "tracestitch.celery.task": name,
    }
    attributes.update(transactions.going_out())
    return calls.start(f"send {name}", SpanKind.PRODUCER, attributes)


@safely("Celery producer")
def _about_to_publish(headers: Any = None, routing_key: Any = None, declare: Any = None, **_: Any) -> None:
    """The last moment before the message leaves: its id and queue are known now, and headers may be added."""
    if not isinstance(headers, dict):
        return
    apart.inject(headers)
    span = tracing.current_span()
    if span.is_recording():
        queue = getattr(declare[0], "name", "") if declare else routing_key
        span.set_attribute("messaging.destination.name", str(queue or ""))
        span.set_attribute("messaging.message.id", str(headers.get("id", "")))


@safely("Celery consumer")
def _started(task: Any = None, task_id: Any = None, **_: Any) -> None:
    request = task.request
    # An eager task runs inside its caller: the current span is its parent already.
    parent = (
        None if request.is_eager else propagate.extract(request, context=Context(), getter=_RequestFields())
    )
    span = tracing.tracer().start_span(
        f"process {task.name}",
        context=parent,
        kind=SpanKind.CONSUMER,
        attributes=_task_attributes(task, str(task_id)),
    )
    token = contexts.attach(contexts.with_span(span, parent))
    setattr(request, _RUNNING, (span, token))
    if PROFILER.on and not request.is_eager:  # an eager task is part of its caller's profile
        PROFILER.began(span)


def _task_attributes(task: Any, task_id: str) -> dict[str, AttributeValue]:
    request = task.request
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "celery",
        "messaging.operation.type": "process",
        "messaging.message.id": task_id,
        "tracestitch.celery.task": task.name,
        "tracestitch.celery.retries": int(request.retries or 0),
    }
    queue = (request.delivery_info or {}).get("routing_key")
    if queue:
        attributes["messaging.destination.name"] = str(queue)
    location = frames.function_location(task.run)
    if location is not None:
        attributes.update(frames.location_attributes(location))
    return attributes


@safely("Celery consumer")
def _failed(sender: Any = None, exception: Any = None, **_: Any) -> None:
    running = getattr(sender.request, _RUNNING, None)
    if running is not None and isinstance(exception, BaseException):
        span = running[0]
        record_exception(span, exception, handled=False)
        calls.note_failure(span, exception)


@safely("Celery consumer")
def _retried(sender: Any = None, reason: Any = None, **_: Any) -> None:
    running = getattr(sender.request, _RUNNING, None)
    cause = getattr(reason, "exc", None)
    if running is not None and isinstance(cause, BaseException):
        record_exception(running[0], cause, handled=True)


@safely("Celery consumer")
def _ended(task: Any = None, state: Any = None, **_: Any) -> None:
    running = task.request.__dict__.pop(_RUNNING, None)
    if running is None:
        return
    span, token = running
    contexts.detach(token)
    # No state means that the task was left by an exception that Celery did not turn into one.
    span.set_attribute("tracestitch.celery.state", str(state or "FAILURE"))
    if state is None:
        span.set_status(Status(StatusCode.ERROR))
    if PROFILER.on:
        PROFILER.ended(span)
    span.end()
    inventory.schedule(task.app)


@safely("Celery worker")
def _first_processes_started(**_: Any) -> None:
    # With --max-tasks-per-child 1 there is a process for each task: they do not each repeat the inventory.
    inventory.stand_for_forks()


@safely("Celery worker")
def _process_started(**_: Any) -> None:
    export.flush_on_sigterm()


@safely("Celery worker")
def _process_ends(**_: Any) -> None:
    export.flush(_FLUSH_SECONDS)
