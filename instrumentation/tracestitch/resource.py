"""Who is sending: the resource of this process."""

import os
import platform
import socket
import sys
import uuid
from collections.abc import Mapping

from tracestitch import __version__
from tracestitch.settings import AgentSettings, default_service_name


class ProcessResource:
    """Calling it gives the attributes as they are now: a framework may still name the service, a fork
    begins a new instance."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._names: list[str] = []
        self._instance_id = self._fresh_instance_id()
        self._known: dict[str, str | int] | None = None

    def suggest_name(self, name: str) -> None:
        """A framework's own name for the app; earlier ones win, an explicit service name wins over all."""
        if name and name not in self._names:
            self._names.append(name)
            self._known = None

    def after_fork(self) -> None:
        self._instance_id = self._fresh_instance_id()
        self._known = None

    def __call__(self) -> Mapping[str, str | int]:
        if self._known is None:
            self._known = self._collect()
        return self._known

    def _fresh_instance_id(self) -> str:
        return self._settings.resource.get("service.instance.id") or str(uuid.uuid4())

    def _collect(self) -> dict[str, str | int]:
        settings = self._settings
        name = settings.service_name or default_service_name(tuple(self._names), settings.app_root)
        return {
            "telemetry.sdk.name": "tracestitch",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": __version__,
            "telemetry.distro.name": "tracestitch",
            "telemetry.distro.version": __version__,
            "host.name": socket.gethostname(),
            "process.runtime.name": sys.implementation.name,
            "process.runtime.version": platform.python_version(),
            **settings.resource,
            "process.pid": os.getpid(),
            "service.name": name,
            "service.instance.id": self._instance_id,
            "tracestitch.app.root": settings.app_root,
        }
