"""Whether the faults are tried in their long form: `make test-faults` asks for it."""

from __future__ import annotations

import os

LONG = os.environ.get("TEST_FAULTS") == "long"
