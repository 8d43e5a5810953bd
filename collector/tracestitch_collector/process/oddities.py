"""What is odd about the times of spans, counted for the status page: they are kept as they came, but whoever looks
for them at the present time will not find them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

HOUR_NS = 3_600_000_000_000
LATE_NS = HOUR_NS
"""A span that ended so long before it was received is late."""
AHEAD_NS = 60_000_000_000
"""A span that began so long after it was received was timed by a clock that is ahead."""


def oddities(spans: pa.Table) -> Mapping[str, int]:
    """How many of the spans are so; nothing for those that none is."""
    if not len(spans):
        return {}
    received, start, duration = (
        spans[name].to_numpy() for name in ("received_ns", "start_ns", "duration_ns")
    )
    age = received - start  # cannot overflow: both are from 0 on
    counts = {
        "received late": np.count_nonzero(age - np.maximum(duration, 0) > LATE_NS),
        "from the future": np.count_nonzero(age < -AHEAD_NS),
        "ends before it begins": np.count_nonzero(duration < 0),
    }
    return {what: int(count) for what, count in counts.items() if count}
