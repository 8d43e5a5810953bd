"""How the agent is put together in a process, from the environment and once."""

import os
import sys
from collections.abc import Mapping

from tracestitch import apart, export, foreign, instrumentations, local_values, logs
from tracestitch.ecs_lines import OUTPUT
from tracestitch.exporter import Exporter
from tracestitch.profiler import PROFILER
from tracestitch.resource import ProcessResource
from tracestitch.safety import guard
from tracestitch.settings import disabled_by, from_environment
from tracestitch.tracing import build_provider


class Agent:
    """What lives once in a process, and whether it does yet."""

    def __init__(self) -> None:
        self.resource: ProcessResource | None = None

    def start(self, environ: Mapping[str, str]) -> None:
        if self.resource is not None or disabled_by(environ):
            return
        settings = from_environment(environ, os.getcwd())
        self.resource = ProcessResource(settings)
        exporter = Exporter(settings, self.resource)
        os.register_at_fork(after_in_child=self.resource.after_fork)
        export.install(exporter, settings.exit_budget_s)
        apart.become_global(build_provider(exporter, environ))
        OUTPUT.enable(settings.logs_way, self.resource)
        if "logging" not in settings.disabled:
            logs.install()
        local_values.SWITCH.on = settings.locals
        if settings.profiler:
            PROFILER.enable(settings.profiler_threshold_s, settings.profiler_interval_s)
        instrumentations.install(settings.disabled)
        foreign.install(sys.path, settings.disabled)


_AGENT = Agent()


def start() -> None:
    """Puts the agent into this process; the launcher calls it, and never does it raise."""
    with guard("starting the agent"):
        _AGENT.start(os.environ)


def suggest_service_name(name: str) -> None:
    """What a framework calls the app, for those who did not name their service."""
    if _AGENT.resource is not None:
        _AGENT.resource.suggest_name(name)
