"""Dockerfile and compose file: by their linters and schemas, and what compose says of our server done to a real process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support import container as engine
from tests.support.container import Container
from tests.support.kubernetes import compose_schema
from tests.support.parts import missing
from tracestitch_collector.settings import TABLE

STACK = Path(__file__).parents[2] / "stack"
TOKEN = "a-token-for-this-test-only"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((STACK / "compose.yaml").read_text(encoding="utf-8"))
    return found


def stages() -> list[tuple[str, str]]:
    """Base and text of each stage of the Dockerfile, in order."""
    text = (STACK / "Dockerfile").read_text(encoding="utf-8")
    parts = re.split(r"^FROM (\S+)", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, STACK / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_only_the_stage_that_builds_has_a_compiler_and_no_image_is_root() -> None:
    with_compiler = [text for _, text in stages() if "gcc" in text]
    assert [" AS build" in text for text in with_compiler] == [True]
    for base, text in stages():
        if re.search(r"^(CMD|ENTRYPOINT)", text, re.MULTILINE):
            assert re.search(r"^USER 10001:10001$", text, re.MULTILINE), text
        assert re.search(r":(\d+\.\d+\.\d+|\$\{PYTHON\})$", base), base


def test_the_image_copies_what_the_wheel_needs_and_installs_by_hash() -> None:
    for _, text in stages():
        for line in re.findall(r"^(?:RUN|    &&) .*pip install.*-r.*$", text, re.MULTILINE):
            assert "--require-hashes" in line
    kept = {
        line[1:]
        for line in (STACK / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    assert {"collector", "dashboard", "instrumentation", "stack/demo", "pyproject.toml", "README.md"} <= kept
    for path in kept:
        assert (STACK.parent / path).exists(), path


@pytest.mark.server
def test_compose_takes_the_file() -> None:
    schema = compose_schema()
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(compose())] == []
    assert list(validator.iter_errors({"services": {"a": {"imagge": "x"}}})) != []


def test_settings_of_the_server_are_settings() -> None:
    service = compose()["services"]["tracestitch"]
    assert set(service["environment"]) <= {setting.variable for setting in TABLE}


def test_what_is_mounted_and_built_exists_and_ports_are_open_to_this_machine_only() -> None:
    file = compose()
    for name, service in file["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (STACK / source).exists() if source.startswith(".") else source in file["volumes"], source
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        if "build" in service:
            assert (STACK / service["build"]["context"] / service["build"]["dockerfile"]).exists()
            target = service["build"].get("target")
            assert target is None or any(f" AS {target}\n" in text for _, text in stages())


def test_every_service_is_limited_confined_and_waits_for_what_is_healthy() -> None:
    services = compose()["services"]
    for name, service in services.items():
        assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys(), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for other, needed in service.get("depends_on", {}).items():
            assert needed["condition"] == "service_healthy", name
            # Ours is in its image.
            assert "healthcheck" in services[other] or other == "tracestitch", other


def test_profiles_are_those_of_the_page() -> None:
    page = (STACK.parent / "docs" / "containers.md").read_text(encoding="utf-8")
    profiles = {
        profile for service in compose()["services"].values() for profile in service.get("profiles", [])
    }
    assert profiles == {"elk", "metrics", "demo"}
    assert all(f"`--profile {profile}`" in page for profile in profiles)


@pytest.mark.server
def test_the_server_runs_as_compose_says_and_shows_what_it_is_sent() -> None:
    if not engine.are_namespaces_allowed():
        missing("mount and network namespaces cannot be made here: run as root, or allow them")
    _, image = stages()[-1]
    (command,) = re.findall(r"^CMD (\[.*\])$", image, re.MULTILINE)
    (check,) = re.findall(r"urlopen\('([^']+)'", image)
    service = compose()["services"]["tracestitch"]
    writable = [volume.split(":")[1] for volume in service["volumes"]] + service["tmpfs"]

    seen = engine.run(
        Container(
            arguments=tuple(json.loads(command)),
            environment={name: interpolated(text) for name, text in service["environment"].items()},
            user=int(re.findall(r"^USER (\d+)", image, re.MULTILINE)[0]),
            writable=tuple(writable),
            probes=(check,),
            sends=(("http://127.0.0.1:4318/v1/traces", json.dumps(one_span())),),
            asks=("http://127.0.0.1:4380/traces.json?range=1h",),
        )
    )

    assert set(seen.answers.values()) == {200}, seen.output
    (document,) = seen.documents.values()
    assert document["traces"][0]["root_name"] == "GET /basket"
    assert (seen.exit_code, seen.wrote_outside) == (0, False), seen.output


def interpolated(text: str) -> str:
    """As compose does, with nothing but the token set."""
    text = re.sub(r"\$\{TRACESTITCH_TOKEN(:\?[^}]*)?\}", TOKEN, text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def one_span() -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "GET /basket",
        "kind": 2,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
