"""The one table of conditions, in groups: what is set, the way to the collector, the command, its packages, and what
the store has seen."""

from tracestitch.doctor.condition import Condition

# What is set.
ENDPOINT_INVALID = Condition(
    name="endpoint-invalid",
    meaning="the endpoint is no http:// or https:// address",
    remedy="Write the endpoint like http://127.0.0.1:4318.",
)
ENDPOINT_HAS_PATH = Condition(
    name="endpoint-has-path",
    meaning="the endpoint ends in /v1/traces, and the agent appends that itself",
    remedy="Set the endpoint to {base} alone.",
)
DISABLED = Condition(
    name="disabled",
    meaning="the agent is switched off by a variable",
    remedy="Unset {variable}.",
)
SAMPLING_DROPS_ALL = Condition(
    name="sampling-drops-all",
    meaning="the sampler of OTEL_TRACES_SAMPLER records no request",
    remedy="Unset OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG: every request is recorded then.",
)
SAMPLING_DROPS_SOME = Condition(
    name="sampling-drops-some",
    meaning="the sampler records only a part of the requests",
    remedy="Unset OTEL_TRACES_SAMPLER to record every request.",
    is_note=True,
)
SIGNAL_OFF = Condition(
    name="signal-off",
    meaning="OTEL_TRACES_EXPORTER or OTEL_LOGS_EXPORTER is none, so that signal is not sent",
    remedy="Unset {variable}.",
)
SETTING_IGNORED = Condition(
    name="setting-ignored",
    meaning="an OTEL_* variable has a value that the agent does not follow",
    remedy="{advice}",
)
INSTRUMENTATION_DISABLED = Condition(
    name="instrumentation-disabled",
    meaning="OTEL_PYTHON_DISABLED_INSTRUMENTATIONS leaves a library unobserved",
    remedy="Take {names} out of OTEL_PYTHON_DISABLED_INSTRUMENTATIONS if you want to see it.",
    is_note=True,
)
PROPAGATOR_MISSING = Condition(
    name="propagator-missing",
    meaning="OTEL_PROPAGATORS leaves out W3C trace context, so services do not join their traces",
    remedy="Set OTEL_PROPAGATORS=tracecontext,baggage, or unset it.",
)

# The way to the collector.
COLLECTOR_REFUSED = Condition(
    name="collector-refused",
    meaning="nothing listens at the endpoint",
    remedy="Start the collector there (`tracestitch serve`), or name another with --endpoint URL.",
)
NAME_UNRESOLVED = Condition(
    name="name-unresolved",
    meaning="the endpoint's host name has no address",
    remedy="Correct the host name in the endpoint, or make {host} known where the app runs.",
)
NO_ANSWER = Condition(
    name="no-answer",
    meaning="the endpoint takes no connection or gives no answer in time, as behind a firewall",
    remedy="Open the way from this machine to {address}, or name another collector with --endpoint URL.",
)
PROXY_IGNORED = Condition(
    name="proxy-ignored",
    meaning="HTTP_PROXY or HTTPS_PROXY is set, the agent sends directly, and directly there is no way",
    remedy="Run a collector that can be reached without the proxy, and name it with --endpoint URL.",
)
PROXY_ANSWERED = Condition(
    name="proxy-answered",
    meaning="a proxy or gateway answered in the collector's place",
    remedy="Let {address} pass through to the collector's OTLP/HTTP port, or name that port with --endpoint URL.",
)
REDIRECTED = Condition(
    name="redirected",
    meaning="the endpoint redirects, which senders of telemetry do not follow",
    remedy="Set the endpoint to the collector itself and not to {address}.",
)
TLS_EXPECTED = Condition(
    name="tls-expected",
    meaning="the port speaks TLS and the endpoint says http://",
    remedy="Write https:// instead of http:// in the endpoint.",
)
TLS_NOT_SPOKEN = Condition(
    name="tls-not-spoken",
    meaning="the port does not speak TLS and the endpoint says https://",
    remedy="Write http:// instead of https:// in the endpoint.",
)
CERTIFICATE_UNTRUSTED = Condition(
    name="certificate-untrusted",
    meaning="the collector's certificate cannot be verified",
    remedy="Name the authority's certificate in OTEL_EXPORTER_OTLP_CERTIFICATE.",
)
GRPC_PORT = Condition(
    name="grpc-port",
    meaning="the port speaks OTLP/gRPC, and the agent speaks OTLP/HTTP",
    remedy="Use the collector's OTLP/HTTP port, usually {suggestion}.",
)
DASHBOARD_PORT = Condition(
    name="dashboard-port",
    meaning="the endpoint is the dashboard, which takes no telemetry",
    remedy="Use the collector's OTLP/HTTP port, usually {suggestion}.",
)
WRONG_PORT = Condition(
    name="wrong-port",
    meaning="something answers at the endpoint that is no OTLP receiver",
    remedy="Use the collector's OTLP/HTTP port, usually {suggestion}.",
)
TOKEN_MISSING = Condition(
    name="token-missing",
    meaning="the collector wants a token and none is set",
    remedy="Set TRACESTITCH_TOKEN to the token that the collector was started with.",
)
TOKEN_WRONG = Condition(
    name="token-wrong",
    meaning="the collector does not accept this token",
    remedy="Correct {variable}: it must be the token that the collector was started with.",
)
HOST_REFUSED = Condition(
    name="host-refused",
    meaning="the collector does not answer to the host name in the endpoint",
    remedy="Start the collector with --allowed-host {host}.",
)
COLLECTOR_BUSY = Condition(
    name="collector-busy",
    meaning="the collector asks to come again later (429 or 503)",
    remedy="Look at the collector's /status page; the agent keeps what it can and tries again.",
)
COLLECTOR_FULL = Condition(
    name="collector-full",
    meaning="the collector cannot write what it gets: its disk or its log is full",
    remedy="Free space on the collector's disk, or raise its --max-log-size.",
)
ECHO_REFUSED = Condition(
    name="echo-refused",
    meaning="the collector refused the echo, or a part of it, for a reason of its own",
    remedy="Do what the collector's answer says.",
)
FOREIGN_COLLECTOR = Condition(
    name="foreign-collector",
    meaning="the echo was acknowledged by a collector that is not Tracestitch's; it cannot be followed further",
    remedy="Look for service tracestitch-doctor, trace {trace_id}, where that collector sends its data.",
    is_note=True,
)
DASHBOARD_UNREACHABLE = Condition(
    name="dashboard-unreachable",
    meaning="the echo was acknowledged, and no dashboard can be asked whether it was stored",
    remedy="Name the dashboard with --server URL.",
    is_note=True,
)
NOT_STORED = Condition(
    name="not-stored",
    meaning="the collector acknowledged the echo, and the store does not show it",
    remedy="Look at {status}: the pipeline behind the collector is down, behind, or cannot write.",
)
DISK_NEARLY_FULL = Condition(
    name="disk-nearly-full",
    meaning="the collector's disk is nearly full; it refuses data once it is",
    remedy="Free space on the collector's disk, or lower its --max-size.",
)
CLOCK_SKEW = Condition(
    name="clock-skew",
    meaning="this machine's clock and the collector's differ",
    remedy="Set both clocks by NTP (on most systems: timedatectl set-ntp true).",
)

# The command.
COMMAND_NOT_FOUND = Condition(
    name="command-not-found",
    meaning="there is no such command on PATH",
    remedy="Correct the command, or activate the environment that has {program}.",
)
NOT_PYTHON = Condition(
    name="not-python",
    meaning="the command runs no Python",
    remedy="Name the command that starts your Python app, with its interpreter or console script first.",
)
SHELL_SCRIPT = Condition(
    name="shell-script",
    meaning="the command is a shell script: what Python it starts is instrumented if it keeps the environment",
    remedy="Check each Python command of the script by itself: tracestitch doctor -- COMMAND.",
    is_note=True,
)
ENVIRONMENT_DROPPED = Condition(
    name="environment-dropped",
    meaning="the command resets the environment, in which the agent is handed on",
    remedy="Put `tracestitch run` behind {what}, right before the Python command.",
)
OTHER_MACHINE = Condition(
    name="other-machine",
    meaning="the command starts the app in a container or on another machine, where this environment does not reach",
    remedy="Put `tracestitch run` in front of the app's command in there; see docs/agent-install.md.",
)
PYTHON_FLAG = Condition(
    name="python-flag",
    meaning="the interpreter's -I, -E or -S hides the agent from it",
    remedy="{advice}",
)
PYTHON_TOO_OLD = Condition(
    name="python-too-old",
    meaning="the command's Python is older than 3.11; the app runs unobserved",
    remedy="Run the app on Python 3.11 or newer.",
)
PTH_MISSING = Condition(
    name="pth-missing",
    meaning="TRACESTITCH_ENABLED=1 is set, and the command's environment has no tracestitch.pth to follow it",
    remedy="Install it there: {python} -m pip install tracestitch (or start the app with `tracestitch run`).",
    is_note=True,
)
AGENT_CANNOT_LOAD = Condition(
    name="agent-cannot-load",
    meaning="the agent cannot be loaded in the command's interpreter",
    remedy="Install it in the app's environment: {python} -m pip install --upgrade tracestitch.",
)
AGENT_UNUSABLE = Condition(
    name="agent-unusable",
    meaning="the environment's own tracestitch is too old, damaged or lacks what it needs; the one beside it was started",
    remedy="Renew it there, or remove it: {python} -m pip install --upgrade tracestitch.",
    is_note=True,
)
INTERPRETER_FAILS = Condition(
    name="interpreter-fails",
    meaning="the command's interpreter does not start",
    remedy="Make `{python} -c pass` work first.",
)
SITECUSTOMIZE_FAILS = Condition(
    name="sitecustomize-fails",
    meaning="the environment's own sitecustomize raises at the start of the interpreter",
    remedy="Mend {file}.",
    is_note=True,
)
STARTED_WITHOUT_AGENT = Condition(
    name="started-without-agent",
    meaning="the running process was started without the agent, which would work in it",
    remedy="Start it again with the agent: tracestitch run {command}",
)
LAUNCHER_ORDER = Condition(
    name="launcher-order",
    meaning="another launcher between `tracestitch run` and the app puts its sitecustomize before the agent's",
    remedy="Turn them round: {launcher} tracestitch run {rest}.",
)
OTHER_AGENT = Condition(
    name="other-agent",
    meaning="another agent observes the app too; both work, in traces of their own",
    remedy="Start the app without {agent} if you want one agent only.",
    is_note=True,
)
UWSGI_WITHOUT_THREADS = Condition(
    name="uwsgi-without-threads",
    meaning="uWSGI before 2.0.27 without --enable-threads runs no thread between requests, so the agent sends late",
    remedy="Add --enable-threads to the uWSGI command.",
)
RELOADER = Condition(
    name="reloader",
    meaning="the command runs a reloader: parent and child are instrumented, requests come from the child",
    remedy="Nothing has to be done; measure speed without the reloader.",
    is_note=True,
)

# The packages in the command's environment.
OPENTELEMETRY_TOO_OLD = Condition(
    name="opentelemetry-too-old",
    meaning="opentelemetry-api is older than 1.16",
    remedy="Upgrade it: {python} -m pip install 'opentelemetry-api>=1.16'.",
)
OPENTELEMETRY_MIXED = Condition(
    name="opentelemetry-mixed",
    meaning="packages of OpenTelemetry come from different releases and do not fit together",
    remedy="Install them in one go: {python} -m pip install --upgrade {packages}.",
)
WRAPT_TOO_OLD = Condition(
    name="wrapt-too-old",
    meaning="wrapt is older than 1.14, which does not run on Python 3.11",
    remedy="Upgrade it: {python} -m pip install 'wrapt>=1.14'.",
)
FRAMEWORK_TOO_OLD = Condition(
    name="framework-too-old",
    meaning="a framework or library is older than what the agent is tested with",
    remedy="Upgrade it: {python} -m pip install '{package}>={oldest}'.",
)

# What the app's settings and the store tell.
LOGS_BELOW_LEVEL = Condition(
    name="logs-below-level",
    meaning="the app emits log records below its loggers' level: they never come to exist",
    remedy="Set the level of the {logger} logger to INFO in {where}.",
)
SERVICE_SILENT = Condition(
    name="service-silent",
    meaning="the store has nothing of that service in the last hour",
    remedy="Start it with `tracestitch run --service {service} COMMAND…` and send it a request.",
)
PROPAGATION_BROKEN = Condition(
    name="propagation-broken",
    meaning="one service's calls reach another, whose spans begin traces of their own",
    remedy="{advice}",
)
NAME_SHARED = Condition(
    name="name-shared",
    meaning="two different code bases send under one service name",
    remedy="Give each its own name: tracestitch run --service NAME COMMAND….",
)
SERVICE_CLOCK = Condition(
    name="service-clock",
    meaning="a service's records come with times that are far from when they arrive",
    remedy="Set the clock of {host} by NTP.",
)

CONDITIONS = (
    *(ENDPOINT_INVALID, ENDPOINT_HAS_PATH, DISABLED, SAMPLING_DROPS_ALL, SAMPLING_DROPS_SOME, SIGNAL_OFF),
    *(SETTING_IGNORED, INSTRUMENTATION_DISABLED, PROPAGATOR_MISSING),
    *(COLLECTOR_REFUSED, NAME_UNRESOLVED, NO_ANSWER, PROXY_IGNORED, PROXY_ANSWERED, REDIRECTED, TLS_EXPECTED),
    *(
        TLS_NOT_SPOKEN,
        CERTIFICATE_UNTRUSTED,
        GRPC_PORT,
        DASHBOARD_PORT,
        WRONG_PORT,
        TOKEN_MISSING,
        TOKEN_WRONG,
    ),
    *(HOST_REFUSED, COLLECTOR_BUSY, COLLECTOR_FULL, ECHO_REFUSED, FOREIGN_COLLECTOR, DASHBOARD_UNREACHABLE),
    *(NOT_STORED, DISK_NEARLY_FULL, CLOCK_SKEW),
    *(COMMAND_NOT_FOUND, NOT_PYTHON, SHELL_SCRIPT, ENVIRONMENT_DROPPED, OTHER_MACHINE, PYTHON_FLAG),
    *(
        PYTHON_TOO_OLD,
        PTH_MISSING,
        AGENT_CANNOT_LOAD,
        AGENT_UNUSABLE,
        INTERPRETER_FAILS,
        SITECUSTOMIZE_FAILS,
        STARTED_WITHOUT_AGENT,
    ),
    *(LAUNCHER_ORDER, OTHER_AGENT, UWSGI_WITHOUT_THREADS, RELOADER),
    *(OPENTELEMETRY_TOO_OLD, OPENTELEMETRY_MIXED, WRAPT_TOO_OLD, FRAMEWORK_TOO_OLD),
    *(LOGS_BELOW_LEVEL, SERVICE_SILENT, PROPAGATION_BROKEN, NAME_SHARED, SERVICE_CLOCK),
)
