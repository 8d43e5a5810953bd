"""Uvicorn raises the signal that ended it once more; where gunicorn reset the handlers, its worker then dies at once,
so what is queued goes out when the server has shut down.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from tracestitch import export
from tracestitch.patching import replace
from tracestitch.safety import guard

_FLUSH_SECONDS = 0.5
_FLUSHING = guard("sending at the end of uvicorn")


def patch_server(module: ModuleType) -> None:
    replace(module.Server, "shutdown", _flushing)


def _flushing(original: Callable[..., Any]) -> Callable[..., Any]:
    async def shutdown(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            await original(self, *args, **kwargs)
        finally:
            with _FLUSHING:
                export.flush(_FLUSH_SECONDS)  # nobody is served any more, so the loop may wait

    return shutdown
