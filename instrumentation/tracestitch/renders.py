"""How long the templates of a request took, Django's, Jinja's and Flask's: in numbers, by name. What a template renders
within itself, forms and inclusions, is part of it."""

from collections.abc import Callable
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from tracestitch import server
from tracestitch.patching import replace
from tracestitch.safety import guard

_TIMING = guard("timing a template")


def patch_django(module: ModuleType) -> None:
    """Of the backends, whose templates are those that views name."""
    replace(module.Template, "render", _timing(lambda args: args[0].template.name))


def patch_flask(module: ModuleType) -> None:
    replace(module, "_render", _timing(_jinja_name))


def _jinja_name(args: tuple[Any, ...]) -> Any:
    """Flask 2.1 and older say the template first, newer ones the app, which has a name of its own."""
    return next(arg for arg in args if hasattr(arg, "root_render_func")).name


def _timing(name_of: Callable[[Any], Any]) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        def render(*args: Any, **kwargs: Any) -> Any:
            stages = server.current_stages()
            if stages is None or stages.rendering:
                return original(*args, **kwargs)
            stages.rendering, begun_ns = True, perf_counter_ns()
            try:
                return original(*args, **kwargs)
            finally:
                stages.rendering = False
                with _TIMING:
                    stages.add("template", str(name_of(args) or "(text)"), perf_counter_ns() - begun_ns)

        return render

    return make
