"""Run by the interpreter of somebody's app, with `-c` and in the app's environment: says what this interpreter is
and whether the agent is in it. Written for any Python 3.
"""

import json
import os
import re
import sys

MARK = "\x1etracestitch-doctor:"


_PINNED = re.compile(r"^(opentelemetry[A-Za-z0-9._-]*)\s*\(?\s*==\s*([0-9][0-9A-Za-z.]*)\)?\s*$")


def _packages():
    # type: () -> tuple[dict[str, str], list[list[str]]]
    """Names to versions, and which packages of OpenTelemetry's ask for exactly one version of another."""
    try:
        from importlib.metadata import distributions
    except ImportError:
        return {}, []
    found = {}  # type: dict[str, str]
    pins = []  # type: list[list[str]]
    for one in distributions():
        name = _normalised(one.metadata["Name"] or "")
        if not name or name in found:
            continue
        found[name] = one.version
        if name.startswith("opentelemetry"):
            pinned = [_PINNED.match(wanted) for wanted in one.requires or ()]
            pins += [[name, _normalised(match[1]), match[2]] for match in pinned if match]
    return found, pins


def _normalised(name):
    # type: (str) -> str
    return re.sub(r"[-_.]+", "-", name).lower()


def _why_not(home):
    # type: (str) -> str
    """What stops the agent from being loaded here, in Python's words."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the app may run on any
        return ""
    sys.path.append(home)
    try:
        import tracestitch.agent  # noqa: F401
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _unusable(agent):
    # type: (object) -> str
    """The environment's own agent, where the one beside it had to be started in its place."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the app may run on any
        return ""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("tracestitch")
    own = spec.origin if spec is not None else None
    started = os.path.dirname(os.path.realpath(getattr(agent, "__file__", "") or ""))
    return own if own and os.path.dirname(os.path.realpath(own)) != started else ""


def _logging(settings):
    # type: (str) -> dict[str, object]
    """The levels after Django has configured logging as the project wants it."""
    import logging

    sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = settings
    from django.conf import settings as project
    from django.utils.log import configure_logging

    configure_logging(project.LOGGING_CONFIG, project.LOGGING)
    levels = {"": logging.root.level}
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and logger.level:
            levels[name] = logger.level
    module = sys.modules.get(settings)
    return {"levels": levels, "settings_file": getattr(module, "__file__", None) or settings}


def look(home, settings):
    # type: (str, str) -> dict[str, object]
    agent = sys.modules.get("tracestitch.agent")
    packages, pins = _packages()
    active = agent is not None and agent._AGENT.resource is not None
    told = {
        "version": list(sys.version_info[:3]),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "isolated": bool(sys.flags.isolated),
        "ignores_environment": bool(sys.flags.ignore_environment),
        "no_site": bool(sys.flags.no_site),
        "active": active,
        "agent_file": getattr(agent, "__file__", "") or "",
        "unusable": _unusable(agent) if active else "",
        "sitecustomize": getattr(sys.modules.get("sitecustomize"), "__file__", "") or "",
        "modules": sorted(sys.modules),
        "packages": packages,
        "pins": pins,
        "why": "" if active else _why_not(home),
    }  # type: dict[str, object]
    if settings:
        try:
            told["logging"] = _logging(settings)
        except BaseException as error:
            told["logging_error"] = f"{type(error).__name__}: {error}"
    return told


if __name__ == "__main__":
    told = look(sys.argv[1], sys.argv[2])
    sys.stdout.write("\n" + MARK + json.dumps(told) + "\n")
