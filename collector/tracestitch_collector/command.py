"""The subcommands that need the collector: `tracestitch serve`, `tracestitch store` and `tracestitch elasticsearch`."""

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
        settings = build({**given, "store": "elasticsearch", "also": ""}, environment)
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


_STORE = """\
Looks after the embedded store's files (docs/store.md tells them).
  verify   reads every file and names each that is not what it was written as; exits 1 then
  stats    says how much there is, and what takes the room
  compact  merges small segments at once; the collector must not run meanwhile
"""


def store(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch store",
        description=_STORE,
        epilog="Exit codes: 0 done and all well, 1 files are damaged, 2 wrong usage, 78 bad configuration.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("verify", "stats", "compact"))
    add_flags(parser, ("data",))
    given = vars(parser.parse_args(argv))
    action = given.pop("action")
    # Arrow takes a while to import, which `serve` need not pay for in the process that only watches the others.
    from tracestitch_collector.store.embedded import upkeep

    try:
        lines = {"verify": upkeep.verify, "stats": upkeep.stats, "compact": upkeep.compact}[action](
            build(given, environment).data
        )
        count = 0
        for count, line in enumerate(lines, 1):  # noqa: B007 - how many there were is asked below
            print(line)
    except TracestitchError as error:
        print(f"tracestitch store: {error}", file=sys.stderr)
        return MISCONFIGURED if isinstance(error, BadConfiguration) else 1
    if action == "verify":
        print(f"{count} problems" if count else "every file is what it was written as")
        return 1 if count else 0
    return 0
