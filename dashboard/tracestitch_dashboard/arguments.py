"""What the terminal commands have in common: whom to ask, how far back, and what each end means: 0 done,
1 findings, 2 wrong usage or nobody to ask.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tracestitch_collector.errors import TracestitchError
from tracestitch_dashboard.answers import Answers, Folder, Server
from tracestitch_dashboard.terminal import Paint, clean, paint_for

MOST = 1000
"""Items in one answer."""
DEFAULT_SERVER = "http://127.0.0.1:4380"

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parser_for(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"tracestitch {name}", description=description)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--server", metavar="URL", help=f"the dashboard (TRACESTITCH_SERVER; {DEFAULT_SERVER})"
    )
    where.add_argument(
        "--data", metavar="DIR", type=Path, help="read this data folder instead of asking a server"
    )
    parser.add_argument("--token", default=None, help="the server's token (TRACESTITCH_TOKEN)")
    return parser


def since(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=_seconds, default=3600, metavar="TIME",
                        help="how far back: 90s, 15m, 1h, 7d (default: 1h)")  # fmt: skip


def json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 15m, 1h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no count from 1 to {MOST}")
    return int(text)


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    command: Callable[[argparse.Namespace, Answers, Paint], int],
    environment: Mapping[str, str] = os.environ,
) -> int:
    try:
        options = parser.parse_args(arguments)
    except SystemExit as ended:  # argparse has said why
        return ended.code if isinstance(ended.code, int) else 2
    try:
        return command(options, _answers(options, environment), paint_for(sys.stdout, environment))
    except TracestitchError as error:
        return complain(str(error))
    except (KeyError, TypeError) as error:
        return complain(f"the answer is not what this version understands ({type(error).__name__}: {error}).")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `tracestitch traces | head`
        sys.stderr.close()
        return 0


def _answers(options: argparse.Namespace, environment: Mapping[str, str]) -> Answers:
    if options.data is not None:
        return Folder(data=options.data.expanduser().absolute())
    url = options.server or environment.get("TRACESTITCH_SERVER") or DEFAULT_SERVER
    if not url.startswith(("http://", "https://")):
        raise TracestitchError(f"the server {url!r} is no address; write it like {DEFAULT_SERVER}")
    token = options.token if options.token is not None else environment.get("TRACESTITCH_TOKEN", "")
    return Server(url=url, token=token)


def print_json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=True, indent=2) + "\n")


def complain(text: str) -> int:
    sys.stderr.write(f"tracestitch: {clean(text, 2_000)}\n")
    return 2
