"""The subcommands that need the collector: `tracestitch serve` and `tracestitch elasticsearch`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from tracestitch_collector.errors import BadConfiguration, TracestitchError
from tracestitch_collector.settings import add_flags, build
from tracestitch_collector.supervisor import MISCONFIGURED, PARTS, supervise

_SERVE = """\
Starts the collector and the dashboard on this machine and prints their addresses when they are ready.
With 'collector' or 'dashboard' it runs that part alone. Ctrl-C or SIGTERM ends it.
"""
_EPILOG = "Exit codes: 0 ended when told to, 2 wrong usage, 78 bad configuration."


def serve(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch serve",
        description=_SERVE,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "part",
        nargs="?",
        choices=tuple(PARTS),
        default="all",
        metavar="collector|dashboard",
        help="run this part alone",
    )
    add_flags(parser)
    given = vars(parser.parse_args(argv))
    part = given.pop("part")
    try:
        return supervise(build(given, environment), part, environment, sys.stdout, sys.stderr)
    except BadConfiguration as error:
        print(f"tracestitch serve: {error}", file=sys.stderr)
        return MISCONFIGURED


def elasticsearch(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch elasticsearch",
        description="'setup' installs the index templates; nothing else is changed.",
        epilog="Exit codes: 0 done, 1 Elasticsearch refused, 2 wrong usage, 78 bad configuration.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("setup",))
    add_flags(parser, ("elasticsearch_url", "elasticsearch_api_key", "elasticsearch_ca"))
    given = vars(parser.parse_args(argv))
    del given["action"]
    # Its client takes long to import, which `serve` need not pay.
    from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
    from tracestitch_collector.store.elasticsearch.setup import install

    try:
        settings = build({**given, "store": "elasticsearch"}, environment)
        server = ElasticsearchSettings(
            url=settings.elasticsearch_url,
            data=settings.data,
            api_key=settings.elasticsearch_api_key,
            ca_certs=settings.elasticsearch_ca,
        )
        for line in install(server):
            print(line)
    except TracestitchError as error:
        print(f"tracestitch elasticsearch: {error}", file=sys.stderr)
        return MISCONFIGURED if isinstance(error, BadConfiguration) else 1
    return 0
