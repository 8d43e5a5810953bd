"""What the environment tells the agent, and which of two answers wins."""

import pytest

from tracestitch.settings import (
    AgentSettings,
    app_packages,
    default_service_name,
    disabled_by,
    from_environment,
)


def settings(**environ: str) -> AgentSettings:
    return from_environment(environ, "/srv/shop")


def test_every_default_works_with_an_empty_environment() -> None:
    plain = settings()

    assert plain.traces is not None
    assert plain.logs is not None
    assert plain.traces.url == "http://127.0.0.1:4318/v1/traces"
    assert plain.logs.url == "http://127.0.0.1:4318/v1/logs"
    assert plain.agent.url == "http://127.0.0.1:4318/agent"
    assert plain.service_name is None
    assert plain.app_root == "/srv/shop"
    assert plain.complaints == ()


def test_opentelemetrys_variables_win_over_ours() -> None:
    both = settings(
        OTEL_SERVICE_NAME="theirs",
        TRACESTITCH_SERVICE="ours",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://theirs:1/",
        TRACESTITCH_ENDPOINT="http://ours:2",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=theirs,service.version=1%2C2",
        TRACESTITCH_ENVIRONMENT="ours",
    )

    assert both.service_name == "theirs"
    assert both.traces is not None
    assert both.traces.url == "http://theirs:1/v1/traces"
    assert both.resource == {"deployment.environment.name": "theirs", "service.version": "1,2"}


def test_ours_are_used_where_theirs_are_missing() -> None:
    ours = settings(
        TRACESTITCH_SERVICE="shop", TRACESTITCH_ENDPOINT="http://c:4318", TRACESTITCH_ENVIRONMENT="staging"
    )

    assert ours.service_name == "shop"
    assert ours.logs is not None
    assert ours.logs.url == "http://c:4318/v1/logs"
    assert ours.resource == {"deployment.environment.name": "staging"}


def test_the_old_name_of_the_environment_is_understood() -> None:
    assert settings(OTEL_RESOURCE_ATTRIBUTES="deployment.environment=qa").resource == {
        "deployment.environment.name": "qa"
    }


def test_a_signals_own_endpoint_is_used_as_it_is_and_none_switches_it_off() -> None:
    odd = settings(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://t:1/spans", OTEL_LOGS_EXPORTER="none")

    assert odd.traces is not None
    assert odd.traces.url == "http://t:1/spans"
    assert odd.logs is None


def test_the_token_becomes_a_header_unless_one_is_given() -> None:
    with_token = settings(TRACESTITCH_TOKEN="t", OTEL_EXPORTER_OTLP_HEADERS="x-tenant=a%20b")
    with_both = settings(TRACESTITCH_TOKEN="t", OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20o")

    assert with_token.agent.headers == {"authorization": "Bearer t", "x-tenant": "a b"}
    assert with_both.agent.headers == {"authorization": "Bearer o"}


def test_nonsense_numbers_fall_back_to_the_default() -> None:
    assert settings(OTEL_EXPORTER_OTLP_TIMEOUT="soon").timeout_s == settings().timeout_s
    assert settings(OTEL_EXPORTER_OTLP_TIMEOUT="-1").timeout_s == settings().timeout_s


def test_grpc_cannot_be_followed_and_that_is_said() -> None:
    assert "http/protobuf" in settings(OTEL_EXPORTER_OTLP_PROTOCOL="grpc").complaints[0]


@pytest.mark.parametrize("environ", [{"OTEL_SDK_DISABLED": "true"}, {"TRACESTITCH_ENABLED": "0"}])
def test_the_agent_can_be_switched_off(environ: dict[str, str]) -> None:
    assert disabled_by(environ)
    assert not disabled_by({})


@pytest.mark.parametrize(
    ("candidates", "root", "expected"),
    [
        (("shop.settings",), "/srv/whatever", "shop"),
        (("config.settings", "inventory"), "/srv/app", "inventory"),
        ((), "/home/ann/storefront", "storefront"),
        (("config.settings",), "/srv/storefront/src", "storefront"),
        (("__main__",), "/app", "app"),
        ((), "/", "python-app"),
    ],
)
def test_an_unnamed_service_gets_a_name_that_says_something(
    candidates: tuple[str, ...], root: str, expected: str
) -> None:
    assert default_service_name(candidates, root) == expected


def test_the_apps_packages_come_from_the_setting_and_from_django() -> None:
    environ = {"TRACESTITCH_APP_PACKAGES": "a, b.c", "DJANGO_SETTINGS_MODULE": "shop.settings"}

    assert app_packages(environ) == ["a", "b.c", "shop"]


@pytest.mark.parametrize("mark", ["RUN_MAIN", "WERKZEUG_RUN_MAIN"])
def test_the_child_of_a_reloader_may_be_killed_and_sends_sooner(mark: str) -> None:
    assert settings().batch_delay_s == 0.2
    assert settings(**{mark: "true"}).batch_delay_s == 0.05
    assert settings(**{mark: "true", "OTEL_BSP_SCHEDULE_DELAY": "1000"}).batch_delay_s == 1.0


@pytest.mark.parametrize(
    ("endpoint", "asked", "compressed"),
    [
        ("http://127.0.0.1:4318", "", False),
        ("http://[::1]:4318", "", False),
        ("http://localhost:4318", "gzip", True),
        ("http://collector:4318", "", True),
        ("https://collector", "none", False),
    ],
)
def test_what_leaves_the_machine_is_compressed_unless_told_otherwise(
    endpoint: str, asked: str, compressed: bool
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": asked}
    settings = from_environment(environ, "/srv/shop")
    assert settings.traces is not None
    assert settings.logs is not None
    assert (settings.traces.gzip, settings.logs.gzip) == (compressed, compressed)
