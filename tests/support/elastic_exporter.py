"""The OpenTelemetry Collector with Elastic's own exporter, built from its Go modules into `.tools/peers/`: what our
documents, and what they cost, are compared with. `python -m tests.support.elastic_exporter` builds it (three minutes,
once).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.agent import free_port

VERSION = "0.120.0"
STABLE_VERSION = "1.26.0"
"""Of the same release, as the modules that count as stable are numbered."""
HOME = Path(__file__).parents[2] / ".tools" / "peers" / "elastic-exporter"
PROGRAM = HOME / "otelcol"
START_S = 30

COMPONENTS = (
    (
        "exporters",
        "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/elasticsearchexporter",
        VERSION,
    ),
    ("processors", "go.opentelemetry.io/collector/processor/batchprocessor", VERSION),
    ("receivers", "go.opentelemetry.io/collector/receiver/otlpreceiver", VERSION),
    ("providers", "go.opentelemetry.io/collector/confmap/provider/envprovider", STABLE_VERSION),
    ("providers", "go.opentelemetry.io/collector/confmap/provider/fileprovider", STABLE_VERSION),
)
MODULES = (
    *((module, version) for _, module, version in COMPONENTS),
    ("go.opentelemetry.io/collector/otelcol", VERSION),
)

CONFIGURATION = """\
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
processors:
  batch:
    send_batch_size: 8192
    timeout: 200ms
exporters:
  elasticsearch:
    endpoints: ["{url}"]
    user: "{user}"
    password: "{password}"
    mapping:
      mode: otel
    logs_dynamic_index: {{enabled: true}}
    traces_dynamic_index: {{enabled: true}}
    flush: {{interval: {flush}}}
service:
  telemetry:
    logs: {{level: warn}}
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [elasticsearch]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [elasticsearch]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """A running one: its process and where it takes OTLP over HTTP."""

    process: subprocess.Popen[bytes]
    otlp_http: str


def build() -> str:
    """Why there is no program, in one line; empty once there is one."""
    if PROGRAM.exists():
        return ""
    go = shutil.which("go")
    if go is None:
        return "no Go to build Elastic's exporter with"
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "builder.yaml").write_text(_builder_configuration())
    try:
        _run([go, "install", f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"], HOME)
        _run(
            ["./builder", "--config", "builder.yaml", "--skip-compilation", "--skip-get-modules"],
            HOME,
        )
        _take_over_sums(go, HOME / "build")
        _run([go, "build", "-mod=mod", "-o", str(PROGRAM), "."], HOME / "build")
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or b""
        return f"Elastic's exporter does not build: {error} {said.decode(errors='replace')[-300:]}"
    return ""


def _builder_configuration() -> str:
    lines = ["dist: {name: otelcol, module: tracestitch.example/otelcol, output_path: ./build}"]
    for kind in dict.fromkeys(kind for kind, _, _ in COMPONENTS):
        lines.append(f"{kind}:")
        lines += [f"  - gomod: {module} v{version}" for of, module, version in COMPONENTS if of == kind]
    return "\n".join(lines) + "\n"


def _take_over_sums(go: str, folder: Path) -> None:
    """The checksums that the modules themselves were released with."""
    lines: set[str] = set()
    for module, version in MODULES:
        told = _run([go, "mod", "download", "-json", f"{module}@v{version}"], folder)
        lines |= set(Path(json.loads(told)["Dir"], "go.sum").read_text().splitlines())
    (folder / "go.sum").write_text("\n".join(sorted(lines)) + "\n")


def _run(command: Sequence[str], folder: Path) -> bytes:
    environment = {**os.environ, "GOBIN": str(HOME)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=1800, check=True)
    return done.stdout


@contextlib.contextmanager
def exporting(url: str, folder: Path, flush: str = "1s") -> Iterator[Collector]:
    """It writes to Elasticsearch at this address, whose credentials stand in it, until the block ends; what it still
    held is written then."""
    parts, port = urlsplit(url), free_port()
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    configuration = folder / "exporter.yaml"
    configuration.write_text(
        CONFIGURATION.format(
            port=port, url=address, user=parts.username or "", password=parts.password or "", flush=flush
        )
    )
    with (folder / "exporter.log").open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, "--config", f"file:{configuration}"], stdout=output, stderr=output
        )
    try:
        _wait(process, port, folder / "exporter.log")
        yield Collector(process=process, otlp_http=f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"Elastic's exporter does not listen: {output.read_text(errors='replace')[-1000:]}")


if __name__ == "__main__":
    sys.exit(build() or 0)
