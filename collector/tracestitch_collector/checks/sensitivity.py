"""How much a check must have seen before it speaks: on a developer's machine once is enough, elsewhere a
pattern has to show.
"""

from __future__ import annotations

from dataclasses import dataclass

DEVELOPMENT = frozenset({"", "development", "dev", "local", "test", "demo"})
"""Values of `deployment.environment.name` that mean a developer is looking; unset is one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    development: bool
    eligible: int
    """Requests of the kind that must have been seen."""
    affected: int
    """Of these, how many must show the pitfall."""

    def allows(self, affected: int, eligible: int) -> bool:
        return affected >= self.affected and eligible >= self.eligible


def in_environment(environment: str) -> Sensitivity:
    if is_development(environment):
        return Sensitivity(development=True, eligible=1, affected=1)
    return Sensitivity(development=False, eligible=20, affected=3)


def is_development(environment: str) -> bool:
    return environment.strip().lower() in DEVELOPMENT
