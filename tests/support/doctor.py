"""`tracestitch doctor` as people start it, and what it found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.agent import APPS, TRACESTITCH, environment, run_to_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    code: int
    # Condition to its remedy, in the order told.
    remedies: Mapping[str, str]
    texts: Mapping[str, str]
    steps: Sequence[str]

    @property
    def names(self) -> list[str]:
        return list(self.remedies)


def diagnose(
    endpoint: str | None,
    *arguments: str,
    folder: Path = APPS,
    launcher: Sequence[str] = TRACESTITCH,
    **environ: str,
) -> Diagnosis:
    done = run_to_end(
        [*launcher, "doctor", "--json", *arguments],
        environ=environment(endpoint, **environ),
        folder=folder,
        timeout_s=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    report = json.loads(done.stdout)
    found = report["findings"]
    assert len({one["condition"] for one in found}) == len(found), found
    assert all(one["remedy"] and "\n" not in one["remedy"] and "{" not in one["remedy"] for one in found), (
        found
    )
    assert done.returncode == (1 if any(one["kind"] == "problem" for one in found) else 0)
    return Diagnosis(
        code=done.returncode,
        remedies={one["condition"]: one["remedy"] for one in found},
        texts={one["condition"]: one["text"] for one in found},
        steps=report["ok"],
    )
