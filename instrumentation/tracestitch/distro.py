"""The agent as OpenTelemetry's distro and configurator, for those who start their app with
`opentelemetry-instrument`; `tracestitch run` goes without, since importing its machinery takes 70 ms.

OpenTelemetry takes the first distro that it finds among those installed. Where nobody has asked for this one
(OTEL_PYTHON_DISTRO=tracestitch), it does what OpenTelemetry's own does: installing it takes nobody's telemetry away.
"""

import os
from importlib import import_module
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # ships no types

from tracestitch.agent import start
from tracestitch.foreign import REPLACED


class TracestitchDistro(BaseDistro):  # type: ignore[misc]  # ships no types
    def _configure(self, **kwargs: Any) -> None:
        """Everything is started by the configurator, which runs next."""
        if not _is_asked_for("OTEL_PYTHON_DISTRO"):
            _stock("OpenTelemetryDistro")._configure(**kwargs)

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Instrumentors of other packages for what this agent observes itself would double every span."""
        if not _is_asked_for("OTEL_PYTHON_DISTRO") or entry_point.name not in REPLACED:
            super().load_instrumentor(entry_point, **kwargs)


class TracestitchConfigurator:
    """Loaded by `opentelemetry-instrument`, by name."""

    def configure(self, **options: Any) -> None:
        if _is_asked_for("OTEL_PYTHON_CONFIGURATOR"):
            start()
        else:
            _stock("OpenTelemetryConfigurator").configure(**options)


def _is_asked_for(variable: str) -> bool:
    return os.environ.get(variable) == "tracestitch"


def _stock(name: str) -> Any:
    return getattr(import_module("opentelemetry.distro"), name)()
