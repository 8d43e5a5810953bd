"""Which traces are recorded: the samplers of OTEL_TRACES_SAMPLER."""

from collections.abc import Callable, Mapping

from opentelemetry.trace import SpanContext

# (the valid parent, or None at a root; the id of the trace) to whether the span is recorded
Sampler = Callable[[SpanContext | None, int], bool]

_LOW_64_BITS = (1 << 64) - 1


def sampler_of(environ: Mapping[str, str]) -> Sampler | None:
    """None: everything is recorded, which is the default here; an unknown name counts as OpenTelemetry's default."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name in ("", "always_on"):
        return None
    if name == "always_off":
        return _never
    if name == "traceidratio":
        return _ratio(_rate(environ))
    if name == "parentbased_traceidratio":
        return _parent_based(_ratio(_rate(environ)))
    return _parent_based(_never if name == "parentbased_always_off" else _always)


def _rate(environ: Mapping[str, str]) -> float:
    try:
        rate = float(environ.get("OTEL_TRACES_SAMPLER_ARG", ""))
    except ValueError:
        return 1.0
    return rate if 0 <= rate <= 1 else 1.0


def _always(_parent: SpanContext | None, _trace_id: int) -> bool:
    return True


def _never(_parent: SpanContext | None, _trace_id: int) -> bool:
    return False


def _ratio(rate: float) -> Sampler:
    bound = round(rate * (_LOW_64_BITS + 1))

    def by_id(_parent: SpanContext | None, trace_id: int) -> bool:
        return trace_id & _LOW_64_BITS < bound

    return by_id


def _parent_based(root: Sampler) -> Sampler:
    def as_the_parent(parent: SpanContext | None, trace_id: int) -> bool:
        return root(None, trace_id) if parent is None else parent.trace_flags.sampled

    return as_the_parent
