"""Run by the interpreter at start because `tracestitch run` put this folder first on PYTHONPATH: runs the user's
own sitecustomize, as if this one were not there, then starts the agent. Written for any Python 3, since an app
may start an interpreter other than its own.
"""


def _run_the_users():
    # type: () -> None
    import importlib.util
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        spec = find("sitecustomize", None, None) if find is not None else None
        if spec is not None:
            break
    if spec is None or spec.loader is None or spec.origin == __file__:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _start_the_agent():
    # type: () -> None
    import sys

    if sys.version_info < (3, 11):  # noqa: UP036 - not everywhere does pip choose this interpreter
        return
    try:
        if not _started_the_apps_own():
            _start_the_one_beside()
    except Exception:
        # There is none that this interpreter can load: then it is simply not observed.
        return


def _started_the_apps_own():
    # type: () -> bool
    """False where the app's environment has no agent, or one that is too old, damaged or without what it needs."""
    import sys

    before = set(sys.modules)
    try:
        from tracestitch.interpreter import start

        start()
        return True
    except Exception:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in ("tracestitch", "opentelemetry"):
                del sys.modules[name]
        # Of an earlier look, by `tracestitch.pth`.
        for name in [name for name in sys.modules if name.partition(".")[0] == "tracestitch"]:
            del sys.modules[name]
        return False


def _start_the_one_beside():
    # type: () -> None
    """The app's environment has no agent that works: the one that this file belongs to stays where it is."""
    import importlib.util
    import os

    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location("_tracestitch_beside", os.path.join(package, "beside.py"))
    if spec is not None and spec.loader is not None:
        beside = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(beside)
        beside.start(os.path.dirname(package))


try:
    _run_the_users()
finally:
    _start_the_agent()
