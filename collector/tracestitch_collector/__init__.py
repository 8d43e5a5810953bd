"""The collector. Says what to install where the libraries of the server are missing: the wheel brings its source to
every app, its dependencies only with `tracestitch[server]`.
"""

import sys
from importlib.util import find_spec

_NEEDED = ("duckdb", "fastapi", "grpc", "orjson", "prometheus_client", "pyarrow", "uvicorn")

if _missing := [name for name in _NEEDED if find_spec(name) is None]:
    _text = (
        f"the Tracestitch server needs {', '.join(_missing)}, which this Python does not have; "
        f"install them with: {sys.executable} -m pip install 'tracestitch[server]'"
    )
    if sys.argv[:1] == ["-m"]:  # nobody wants a traceback of runpy above it
        sys.exit(_text)
    raise ModuleNotFoundError(_text)
