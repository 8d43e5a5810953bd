"""Whether the packages in the app's environment fit together and are new enough. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tracestitch.doctor import conditions
from tracestitch.doctor.condition import Finding, met

# The oldest that tests/matrix runs.
OLDEST = {"django": "4.2", "flask": "2.3", "sqlalchemy": "1.4"}
_API = "opentelemetry-api"
_OLDEST_API, _OLDEST_WRAPT = "1.16", "1.14"
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of OpenTelemetry's asks for another, of exactly one version."""

    package: str
    wants: str
    version: str


def look(packages: Mapping[str, str], pins: Sequence[Pin], python: str) -> Iterator[Finding]:
    """`packages` are names, lower-case with dashes, to versions."""
    api = packages.get(_API, "")
    if api and _numbers(api) < _numbers(_OLDEST_API):
        text = f"opentelemetry-api is {api}; the agent needs {_OLDEST_API}."
        yield met(conditions.OPENTELEMETRY_TOO_OLD, text, python=python)
    wrapt = packages.get("wrapt", "")
    if wrapt and _numbers(wrapt) < _numbers(_OLDEST_WRAPT):
        text = f"wrapt is {wrapt}; on Python 3.11 it must be {_OLDEST_WRAPT} or newer."
        yield met(conditions.WRAPT_TOO_OLD, text, python=python)
    yield from _mixed(packages, pins, python)
    for name, oldest in OLDEST.items():
        version = packages.get(name, "")
        if version and _numbers(version) < _numbers(oldest):
            text = f"{name} is {version}; the agent is tested with {oldest} and newer."
            yield met(conditions.FRAMEWORK_TOO_OLD, text, python=python, package=name, oldest=oldest)


def _mixed(packages: Mapping[str, str], pins: Sequence[Pin], python: str) -> Iterator[Finding]:
    """Its releases pin each other exactly; pip leaves a mixed set behind where it is asked for one after the other."""
    broken = [pin for pin in pins if packages.get(pin.wants, pin.version) != pin.version]
    if not broken:
        return
    shown = "; ".join(
        f"{pin.package} {packages.get(pin.package, '')} wants {pin.wants} {pin.version}, and "
        f"{packages[pin.wants]} is there"
        for pin in broken[:_MOST_SHOWN]
    )
    more = f"; and {len(broken) - _MOST_SHOWN} more" if len(broken) > _MOST_SHOWN else ""
    names = sorted({name for pin in broken for name in (pin.package, pin.wants)})
    yield met(conditions.OPENTELEMETRY_MIXED, f"{shown}{more}.", python=python, packages=" ".join(names))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
