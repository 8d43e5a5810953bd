"""Run by the interpreter at start because `tracestitch run` put this folder first on PYTHONPATH: runs the user's
own sitecustomize, as if this one were not there, then starts the agent. Written for any Python 3, since an app
may start an interpreter other than its own.
"""


def _run_the_users():
    # type: () -> None
    import importlib.machinery
    import importlib.util
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None or spec.origin == __file__:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _start_the_agent():
    # type: () -> None
    try:
        import os

        from tracestitch.settings import disabled_by

        if disabled_by(os.environ):
            return
        from tracestitch.agent import start
    except Exception:
        # This interpreter has no agent, or one it cannot load: then it is simply not observed.
        return
    start()


try:
    _run_the_users()
finally:
    _start_the_agent()
