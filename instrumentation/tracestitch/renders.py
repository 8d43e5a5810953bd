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
            stages, begun_ns = None, perf_counter_ns()
            with _TIMING:
                stages = server.current_stages()
                if stages is not None and stages.rendering:
                    stages = None
                if stages is not None:
                    stages.rendering = True
            if stages is None:
                return original(*args, **kwargs)
            try:
                return original(*args, **kwargs)
            finally:
                with _TIMING:
                    stages.rendering = False
                    stages.add("template", str(name_of(args) or "(text)"), perf_counter_ns() - begun_ns)

        return render

    return make
