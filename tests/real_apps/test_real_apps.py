"""Apps that nobody here wrote answer with the agent as they do without it, and each request is seen exactly once."""

import sys
from pathlib import Path

import pytest

from tests.real_apps.app import RealApp, install, prepare
from tests.real_apps.catalogue import APPS
from tests.real_apps.comparing import Comparison, compare
from tests.support.apart import build_wheel
from tests.support.apart import install as install_agent

pytestmark = [pytest.mark.real_apps, pytest.mark.processes]
# Of a walk on a busy machine; what the agent costs is measured by tests/bench.
MOST_CPU_RATIO = 1.6
MOST_ADDED_MB = 40


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the agent and what it needs, beside the apps."""
    folder = tmp_path_factory.mktemp("agent")
    install_agent(build_wheel(tmp_path_factory.mktemp("wheel")), "--target", str(folder))
    return folder


@pytest.mark.parametrize("app", [pytest.param(app, id=app.name) for app in APPS])
def test_a_real_app_answers_as_without_the_agent_and_is_seen_exactly(
    app: RealApp, agent: Path, tmp_path: Path
) -> None:
    if app.repository and not app.source.exists():
        pytest.skip(f"clone {app.repository} into {app.source} first: it is not on the package index")
    install(app)
    prepare(app, tmp_path / "prepared")
    found = compare(app, tmp_path / "prepared", tmp_path, agent)
    sys.stdout.write(f"\n{row(found)}\n")
    assert found.unequal == [], "\n".join(found.unequal)
    assert found.without_server_span == []
    assert found.orphans == []
    assert found.miscounted == []
    assert not [line for line in found.said if "tracestitch" in line.lower()], found.said
    assert found.end_dead_s <= found.end_bare_s + 1.5
    assert found.cpu_ratio < MOST_CPU_RATIO
    assert found.added_mb < MOST_ADDED_MB


def row(found: Comparison) -> str:
    """A line of the table in docs/agent-real-apps.md."""
    cells = (
        found.app.title,
        f"{found.requests:,}",
        f"{found.hashed}, {len(found.unequal)} differ",
        f"{found.requests - len(found.without_server_span):,}",
        f"{found.statements:,}, {len(found.miscounted)} differ",
        f"{100 * found.with_line / found.statements:.0f} %" if found.statements else "–",
        f"{found.cpu_ratio:.2f}× of {found.cpu_ms:.1f} ms",
        f"{found.added_mb:.0f} MB",
        f"{found.end_bare_s:.1f} s / {found.end_dead_s:.1f} s",
    )
    return "| " + " | ".join(cells) + " |"
