"""The subcommand `tracestitch kibana`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from tracestitch_collector.errors import BadConfiguration, TracestitchError
from tracestitch_collector.kibana import importing, objects
from tracestitch_collector.settings import add_flags
from tracestitch_collector.supervisor import MISCONFIGURED

_KIBANA = """\
Gives Kibana data views, saved searches, two dashboards and five alert rules (without actions: add your connectors).
Importing again brings our objects up to date; rules that are there already stay as they are.
"""


def kibana(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch kibana",
        description=_KIBANA,
        epilog="Exit codes: 0 done, 1 Kibana refused or does not answer, 2 wrong usage, 78 bad configuration. "
        "An API key is given as TRACESTITCH_KIBANA_API_KEY; or write https://user:password@host.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("import", "print"), help="'print' writes the objects as NDJSON")
    parser.add_argument(
        "--url", metavar="URL", help="of Kibana (TRACESTITCH_KIBANA_URL; default http://127.0.0.1:5601)"
    )
    parser.add_argument("--space", metavar="NAME", default="", help="of Kibana; default the default one")
    parser.add_argument(
        "--ca", metavar="FILE", default="", help="the authorities to trust for Kibana over https"
    )
    add_flags(parser, ("public_url",))
    given = parser.parse_args(argv)
    dashboard = given.public_url or environment.get("TRACESTITCH_PUBLIC_URL") or objects.DASHBOARD
    if given.action == "print":
        print(objects.ndjson(dashboard), end="")
        return 0
    try:
        url = given.url or environment.get("TRACESTITCH_KIBANA_URL") or "http://127.0.0.1:5601"
        key = environment.get("TRACESTITCH_KIBANA_API_KEY", "")
        for line in importing.run(
            importing.Kibana(url, api_key=key, ca=given.ca, space=given.space), dashboard
        ):
            print(line)
    except TracestitchError as error:
        print(f"tracestitch kibana: {error}", file=sys.stderr)
        return MISCONFIGURED if isinstance(error, BadConfiguration) else 1
    return 0
