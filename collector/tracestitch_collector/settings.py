"""Every setting of the server: one visible table, from which the flags, `--help`, the variables and the
reference page come, and the frozen dataclass that the processes read.

A flag beats its variable, the variable beats the default. Nothing here reads the environment by itself.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tracestitch_collector import setting_values as values
from tracestitch_collector.errors import BadConfiguration

SETTINGS_VARIABLE = "TRACESTITCH_SERVE_SETTINGS"
"""How the supervisor hands its settings to its processes, as JSON."""
SOCKETS_VARIABLE = "TRACESTITCH_SERVE_SOCKETS"
"""How it hands over the sockets it listens on: JSON, name to file descriptor (see sockets.py)."""
PROCESS_VARIABLE = "TRACESTITCH_SERVE_PROCESS"
"""The name of the process, where several run the same program: `receiver-2`."""
PART_VARIABLE = "TRACESTITCH_SERVE_PART"
"""Which form of `tracestitch serve` runs: all, collector or dashboard. The reader evaluates the checks in `all`
only; in `collector` a process of its own does."""


AGENT_VARIABLES = frozenset(
    {
        "TRACESTITCH_APP_PACKAGES",
        "TRACESTITCH_LOCALS",
        "TRACESTITCH_LOGS",
        "TRACESTITCH_PROFILER",
        "TRACESTITCH_PROFILER_INTERVAL_MS",
        "TRACESTITCH_PROFILER_THRESHOLD_MS",
        "TRACESTITCH_APP_ROOT",
        "TRACESTITCH_DEBUG",
        "TRACESTITCH_ENABLED",
        "TRACESTITCH_ENDPOINT",
        "TRACESTITCH_ENVIRONMENT",
        "TRACESTITCH_EXIT_BUDGET",
        "TRACESTITCH_SERVER",
        "TRACESTITCH_SERVICE",
        "TRACESTITCH_TOKEN",
    }
)
"""Read by the agent and the other commands, so no mistake when the server sees them."""

FOREIGN_PREFIXES = (
    "TRACESTITCH_DEMO_",
    "TRACESTITCH_TEST_",
    "TRACESTITCH_AGENT_",
    "TRACESTITCH_SERVE_",
    "TRACESTITCH_RUN_",
    "TRACESTITCH_KIBANA_API_KEY",
)

SERVICE_LINK = re.compile(
    r"TRACESTITCH(_[A-Z0-9_]+)?_(PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?|SERVICE_(HOST|PORT(_\w+)?))"
)
"""What Kubernetes and Docker set in containers beside a service that is called tracestitch: nobody's mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server process needs to know, checked."""

    data: Path
    host: str = "127.0.0.1"
    otlp_http_port: int = 4318
    otlp_grpc_port: int = 4317
    dashboard_port: int = 4380
    lines_port: int | None = None
    store: str = "embedded"
    also: str = ""
    """A second store that is written as well; empty for none."""
    elasticsearch_url: str = field(default="", repr=False)
    """May hold a password."""
    elasticsearch_api_key: str = field(default="", repr=False)
    elasticsearch_ca: str = ""
    logstash_url: str = field(default="", repr=False)
    """May hold a password."""
    token: str = field(default="", repr=False)
    """Empty: anyone who reaches the port may read and write."""
    allowed_hosts: tuple[str, ...] = ()
    kibana_url: str = ""
    """Where people reach Kibana, without a trailing slash; empty where there is none."""
    public_url: str = ""
    """Where people reach the dashboard, without a trailing slash; the supervisor fills it in."""
    retention_s: int = 7 * 86_400
    max_size_bytes: int = 10_000_000_000
    max_log_size_bytes: int = 1_000_000_000
    receivers: int = 1
    checks: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """What the supervisor handed over; without it, what the variables say."""
        text = environment.get(SETTINGS_VARIABLE)
        return cls.from_json(text) if text else build({}, environment)

    def to_json(self) -> str:
        return json.dumps(
            {
                entry.name: str(value) if isinstance(value := getattr(self, entry.name), Path) else value
                for entry in fields(self)
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Settings:
        document = json.loads(text)
        document["data"] = Path(document["data"])
        document["allowed_hosts"] = tuple(document["allowed_hosts"])
        return cls(**document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of the reference page."""

    name: str
    """The field of Settings."""
    flag: str
    parse: Callable[[str], Any]
    """Raises ValueError with what a good value looks like."""
    default: str
    help: str
    metavar: str
    repeatable: bool = False
    secret: bool = False

    @property
    def variable(self) -> str:
        return "TRACESTITCH_" + self.flag.removeprefix("--").replace("-", "_").upper()


TABLE: tuple[Setting, ...] = (
    Setting(
        name="data",
        flag="--data",
        parse=values.folder,
        default="$XDG_DATA_HOME/tracestitch",
        help="folder for everything that is kept; one server per folder",
        metavar="DIR",
    ),
    Setting(
        name="host",
        flag="--host",
        parse=values.host,
        default="127.0.0.1",
        help="address to listen on; anything wider than this machine needs --token",
        metavar="HOST",
    ),
    Setting(
        name="otlp_http_port",
        flag="--otlp-http-port",
        parse=values.port,
        default="4318",
        help="port for OTLP over HTTP, and for /metrics; 0 takes a free one",
        metavar="PORT",
    ),
    Setting(
        name="otlp_grpc_port",
        flag="--otlp-grpc-port",
        parse=values.port,
        default="4317",
        help="port for OTLP over gRPC; 0 takes a free one",
        metavar="PORT",
    ),
    Setting(
        name="dashboard_port",
        flag="--dashboard-port",
        parse=values.port,
        default="4380",
        help="port for the pages and the Jaeger query API; 0 takes a free one",
        metavar="PORT",
    ),
    Setting(
        name="lines_port",
        flag="--lines-port",
        parse=values.optional_port,
        default="off",
        help="port for log lines over TCP, from Logstash or Python's senders for it, and from Filebeat; 5044 is usual",
        metavar="PORT",
    ),
    Setting(
        name="store",
        flag="--store",
        parse=values.store,
        default="embedded",
        help="where telemetry is kept: 'embedded' in the data folder, or 'elasticsearch'",
        metavar="STORE",
    ),
    Setting(
        name="also",
        flag="--also",
        parse=values.second_store,
        default="",
        help="a second store that is written as well, at its own pace, for moving over; or 'logstash'",
        metavar="STORE",
    ),
    Setting(
        name="elasticsearch_url",
        flag="--elasticsearch-url",
        parse=values.url,
        default="",
        help="address of Elasticsearch 8.19 or 9.x; needed with --store elasticsearch",
        metavar="URL",
    ),
    Setting(
        name="elasticsearch_api_key",
        flag="--elasticsearch-api-key",
        parse=str,
        default="",
        help="API key for Elasticsearch; better given as a variable",
        metavar="KEY",
        secret=True,
    ),
    Setting(
        name="elasticsearch_ca",
        flag="--elasticsearch-ca",
        parse=str,
        default="",
        help="file with the certificates of the authorities to trust for Elasticsearch over https",
        metavar="FILE",
    ),
    Setting(
        name="logstash_url",
        flag="--logstash-url",
        parse=values.url,
        default="",
        help="address of Logstash's HTTP input; needed with --also logstash",
        metavar="URL",
    ),
    Setting(
        name="token",
        flag="--token",
        parse=values.token,
        default="",
        help="secret that senders and readers must show; better given as a variable",
        metavar="TOKEN",
        secret=True,
    ),
    Setting(
        name="allowed_hosts",
        flag="--allowed-host",
        parse=values.hosts,
        default="",
        help="further host name under which this server may be addressed; repeatable, or comma-separated",
        metavar="NAME",
        repeatable=True,
    ),
    Setting(
        name="public_url",
        flag="--public-url",
        parse=values.url,
        default="",
        help="address of the dashboard as people type it; alerts link to it",
        metavar="URL",
    ),
    Setting(
        name="kibana_url",
        flag="--kibana-url",
        parse=values.url,
        default="",
        help="address of Kibana as people type it; timelines link to it",
        metavar="URL",
    ),
    Setting(
        name="retention_s",
        flag="--retention",
        parse=values.duration,
        default="7d",
        help="how long telemetry is kept, such as 12h, 7d or 4w",
        metavar="TIME",
    ),
    Setting(
        name="max_size_bytes",
        flag="--max-size",
        parse=values.size,
        default="10GB",
        help="how much disk the embedded store may take; the oldest goes first",
        metavar="SIZE",
    ),
    Setting(
        name="max_log_size_bytes",
        flag="--max-log-size",
        parse=values.size,
        default="1GB",
        help="how much disk received and not yet processed data may take; beyond it senders are told to wait",
        metavar="SIZE",
    ),
    Setting(
        name="receivers",
        flag="--receivers",
        parse=values.processes,
        default="1",
        help="how many processes receive; each keeps a log of its own, and they share --max-log-size",
        metavar="N",
    ),
    Setting(
        name="checks",
        flag="--checks",
        parse=values.switch,
        default="on",
        help="'off' where another collector on the same Elasticsearch evaluates the checks: one does for all",
        metavar="SWITCH",
    ),
)


def add_flags(parser: argparse.ArgumentParser, names: Sequence[str] = ()) -> None:
    """Adds the flags of these settings (of all when none are named). An absent flag stays None."""
    for setting in TABLE:
        if names and setting.name not in names:
            continue
        default = f"; default {setting.default}" if setting.default else ""
        parser.add_argument(
            setting.flag,
            dest=setting.name,
            metavar=setting.metavar,
            action="append" if setting.repeatable else "store",
            help=f"{setting.help} ({setting.variable}{default})".replace("%", "%%"),
        )


def build(given: Mapping[str, str | list[str] | None], environment: Mapping[str, str]) -> Settings:
    """Settings from flags (by field name, None where absent) and variables, checked together."""
    _refuse_unknown(environment)
    settings = Settings(
        **{setting.name: _value(setting, given.get(setting.name), environment) for setting in TABLE}
    )
    _check(settings)
    return settings


def _value(setting: Setting, flag: str | list[str] | None, environment: Mapping[str, str]) -> Any:
    if flag is not None:
        source, text = setting.flag, ",".join(flag) if isinstance(flag, list) else flag
    elif environment.get(setting.variable):
        source, text = setting.variable, environment[setting.variable]
    elif setting.name == "data":
        return default_data_folder(environment)
    else:
        source, text = setting.flag, setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = "(not shown)" if setting.secret or "@" in text else repr(text)
        raise BadConfiguration(f"{source} is {shown}: {error}") from error


def default_data_folder(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_DATA_HOME") or f"{environment.get('HOME') or '.'}/.local/share"
    return Path(home).absolute() / "tracestitch"


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {setting.variable for setting in TABLE} | AGENT_VARIABLES
    unknown = sorted(
        name
        for name in environment
        if name.startswith("TRACESTITCH_")
        and name not in known
        and not name.startswith(FOREIGN_PREFIXES)
        and not SERVICE_LINK.fullmatch(name)
    )
    if unknown:
        raise BadConfiguration(
            f"unknown variable {unknown[0]}: the server's settings are "
            f"{', '.join(setting.variable for setting in TABLE)}"
        )


def _check(settings: Settings) -> None:
    if settings.also == settings.store:
        raise BadConfiguration(f"--also {settings.also} names the same store as --store: leave it out")
    if "elasticsearch" in (settings.store, settings.also) and not settings.elasticsearch_url:
        flag = "--store" if settings.store == "elasticsearch" else "--also"
        raise BadConfiguration(
            f"{flag} elasticsearch needs --elasticsearch-url, such as http://127.0.0.1:9200"
        )
    if settings.also == "logstash" and not settings.logstash_url:
        raise BadConfiguration("--also logstash needs --logstash-url, such as http://127.0.0.1:8080")
    if not settings.token and not is_loopback(settings.host):
        raise BadConfiguration(
            f"--host {settings.host} would let anyone who reaches this machine read and write telemetry: "
            "set TRACESTITCH_TOKEN to a secret of at least 16 characters (the agents read the same variable), "
            "or listen on 127.0.0.1"
        )
    ports = [settings.otlp_http_port, settings.otlp_grpc_port, settings.dashboard_port, settings.lines_port]
    taken = [port for port in ports if port]
    if len(set(taken)) < len(taken):
        raise BadConfiguration(f"the ports must differ, they are {', '.join(map(str, taken))}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it. Names other than `localhost` may resolve to anything."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def with_ports(settings: Settings, ports: Mapping[str, int]) -> Settings:
    """The settings with the ports that were really taken, and the dashboard's address where none was given."""
    settings = replace(
        settings,
        otlp_http_port=ports.get("otlp_http", settings.otlp_http_port),
        otlp_grpc_port=ports.get("otlp_grpc", settings.otlp_grpc_port),
        dashboard_port=ports.get("dashboard", settings.dashboard_port),
        lines_port=ports.get("lines", settings.lines_port),
    )
    if settings.public_url:
        return settings
    return replace(settings, public_url=f"http://{url_host(settings.host)}:{settings.dashboard_port}")


def receiver_names(count: int) -> tuple[str, ...]:
    """Of the processes that receive; so are their logs and their status files called."""
    return ("receiver", *(f"receiver-{number}" for number in range(2, count + 1)))


def url_host(host: str) -> str:
    """The host as it stands in an address people can open: a wildcard becomes this machine."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def reference() -> str:
    """The table of the reference page, in Markdown."""
    lines = ["| flag | variable | default | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{setting.flag} {setting.metavar}` | `{setting.variable}` | {f'`{setting.default}`' if setting.default else ''} "
        f"| {setting.help} |"
        for setting in TABLE
    ]
    return "\n".join(lines) + "\n"
