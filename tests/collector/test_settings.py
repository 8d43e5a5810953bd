"""The table of settings: what builds, what is refused and in which words, and that the page tells the same."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import pytest

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.settings import (
    AGENT_VARIABLES,
    FOREIGN_PREFIXES,
    SETTINGS_VARIABLE,
    TABLE,
    Settings,
    add_flags,
    build,
    reference,
    with_ports,
)

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery"


def test_nothing_configured_gives_working_settings() -> None:
    settings = build({}, {"HOME": "/home/ada"})
    assert settings.data == Path("/home/ada/.local/share/tracestitch")
    assert (settings.host, settings.store, settings.token) == ("127.0.0.1", "embedded", "")
    assert (settings.otlp_http_port, settings.otlp_grpc_port, settings.dashboard_port) == (4318, 4317, 4380)
    assert (settings.retention_s, settings.max_size_bytes) == (7 * 86_400, 10_000_000_000)


def test_the_data_folder_follows_xdg() -> None:
    assert build({}, {"XDG_DATA_HOME": "/x", "HOME": "/home/ada"}).data == Path("/x/tracestitch")


def test_a_flag_beats_its_variable_and_the_variable_the_default() -> None:
    environment = {"TRACESTITCH_RETENTION": "3d", "TRACESTITCH_DASHBOARD_PORT": "1234"}
    settings = build({"retention_s": "12h", "dashboard_port": None}, environment)
    assert settings.retention_s == 12 * 3600
    assert settings.dashboard_port == 1234


def test_allowed_hosts_are_repeated_flags_or_a_list() -> None:
    assert build({"allowed_hosts": ["a.example", "b.example"]}, {}).allowed_hosts == (
        "a.example",
        "b.example",
    )
    assert build({}, {"TRACESTITCH_ALLOWED_HOST": "a.example, b.example"}).allowed_hosts == (
        "a.example",
        "b.example",
    )


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 500_000_000), ("2GiB", 2**31), ("1g", 10**9), ("123", 123), ("64 KB", None)]
)
def test_sizes_are_read_with_their_units(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(BadConfiguration):
            build({"max_size_bytes": text}, {})
    else:
        assert build({"max_size_bytes": text}, {}).max_size_bytes == size


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dashboard_port", "http", "--dashboard-port is 'http': a port is a number"),
        ("dashboard_port", "65536", "65536"),
        ("dashboard_port", "²", "a port is a number"),
        ("retention_s", "a week", "such as 12h, 7d or 4w"),
        ("retention_s", "0d", "--retention is '0d'"),
        ("max_size_bytes", "lots", "such as 500MB"),
        ("store", "sqlite", "'embedded' or 'elasticsearch'"),
        ("public_url", "traces.example.org", "an address is complete"),
        ("host", "http://x", "without scheme or port"),
        ("token", "short", "at least 16"),
        ("checks", "yes", "--checks is 'yes': it is 'on' or 'off'"),
    ],
)
def test_a_bad_value_is_refused_with_the_flag_the_value_and_what_to_do(
    name: str, text: str, words: str
) -> None:
    with pytest.raises(BadConfiguration) as refused:
        build({name: text}, {})
    assert words in str(refused.value)


def test_a_bad_secret_is_not_shown() -> None:
    with pytest.raises(BadConfiguration) as refused:
        build({}, {"TRACESTITCH_TOKEN": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "TRACESTITCH_TOKEN" in str(refused.value)


def test_secrets_are_not_in_the_text_form() -> None:
    settings = build({"token": TOKEN, "elasticsearch_api_key": "apikey-secret"}, {})
    assert TOKEN not in repr(settings)
    assert "apikey-secret" not in repr(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "collector", "10.0.0.1"])
def test_a_wide_bind_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(BadConfiguration, match="TRACESTITCH_TOKEN"):
        build({"host": host}, {})
    assert build({"host": host, "token": TOKEN}, {}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_a_loopback_bind_needs_no_token(host: str) -> None:
    assert build({"host": host}, {}).token == ""


def test_elasticsearch_needs_its_address() -> None:
    with pytest.raises(BadConfiguration, match="--elasticsearch-url"):
        build({"store": "elasticsearch"}, {})


def test_two_equal_ports_are_refused_but_zeros_are_not() -> None:
    with pytest.raises(BadConfiguration, match="must differ"):
        build({"otlp_http_port": "4317"}, {})
    build({"otlp_http_port": "0", "otlp_grpc_port": "0", "dashboard_port": "0"}, {})


def test_an_unknown_variable_is_refused_by_name() -> None:
    with pytest.raises(BadConfiguration, match="TRACESTITCH_RETENTON"):
        build({}, {"TRACESTITCH_RETENTON": "3d"})


@pytest.mark.parametrize(
    "name",
    [
        "TRACESTITCH_PORT",
        "TRACESTITCH_PORT_4318_TCP_ADDR",
        "TRACESTITCH_SERVICE_HOST",
        "TRACESTITCH_SERVICE_PORT_OTLP_HTTP",
        "TRACESTITCH_DASHBOARD_SERVICE_PORT",
    ],
)
def test_what_kubernetes_tells_of_a_service_called_tracestitch_is_no_mistake(name: str) -> None:
    assert build({}, {name: "tcp://10.0.0.7:4318"}) == build({}, {})


def test_the_agents_variables_are_no_mistake() -> None:
    build({}, dict.fromkeys(AGENT_VARIABLES - {"TRACESTITCH_TOKEN"}, "x"))


def test_every_variable_that_the_agent_reads_is_known_to_the_server() -> None:
    sources = [*(ROOT / "instrumentation").rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"\bTRACESTITCH_[A-Z_]+\b", path.read_text())}
    own = {setting.variable for setting in TABLE}
    assert {name for name in named - own - AGENT_VARIABLES if not name.startswith(FOREIGN_PREFIXES)} == set()


def test_the_processes_read_what_the_supervisor_hands_over() -> None:
    given = build({"token": TOKEN, "allowed_hosts": ["a.example"], "retention_s": "1d"}, {})
    assert Settings.from_environment({SETTINGS_VARIABLE: given.to_json(), "TRACESTITCH_HOST": "x"}) == given


def test_a_process_started_by_hand_reads_the_variables() -> None:
    assert Settings.from_environment({"TRACESTITCH_RETENTION": "2d"}).retention_s == 2 * 86_400


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:9"), ("::1", "http://[::1]:9"), ("0.0.0.0", "http://127.0.0.1:9")],
)
def test_the_public_address_defaults_to_the_dashboards_own(host: str, url: str) -> None:
    settings = build({"host": host, "token": TOKEN}, {})
    assert with_ports(settings, {"dashboard": 9}).public_url == url


def test_a_given_public_address_stays() -> None:
    settings = build({"public_url": "https://traces.example.org/"}, {})
    assert with_ports(settings, {"dashboard": 9}).public_url == "https://traces.example.org"


def test_help_names_every_flag_and_variable() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    text = parser.format_help()
    assert all(setting.flag in text and setting.variable in text for setting in TABLE)


def test_the_reference_page_holds_the_table() -> None:
    page = ROOT / "docs" / "settings.md"
    begin, end = "from collector/tracestitch_collector/settings.py -->\n", "<!-- end -->"
    before, _, rest = page.read_text().partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(f"{before}{begin}\n{reference()}\n{end}{after}")
        return
    assert shown.strip() == reference().strip(), "run this test once with UPDATE_DOCS=1"
