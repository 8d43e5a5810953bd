"""`tracestitch deadletter` on the command line: what was set aside, why, and trying it once more."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tracestitch_collector.deadletter.replay import replay_items, replay_requests
from tracestitch_collector.errors import BadConfiguration, TracestitchError
from tracestitch_collector.process.dead_letters import FOLDER, Letter, read_letters
from tracestitch_collector.process.second_store import moment
from tracestitch_collector.settings import Settings, add_flags, build
from tracestitch_collector.supervisor import MISCONFIGURED

_WHAT = """\
Items that could not be stored and that no further attempt would help are kept in the data folder with the reason.
  list     one line for each, the oldest first
  show     everything about those that are named by their id
  replay   gives all, or those that are named, to the store once more; what it takes is no dead letter any more.
           Mend the cause first: the mapping in Elasticsearch, or install a version that can decode the request.
"""
_EPILOG = (
    "Exit codes: 0 done, 1 some are refused still or the store is away, 2 wrong usage, 78 bad configuration."
)


def deadletter(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch deadletter",
        description=_WHAT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("list", "show", "replay"))
    parser.add_argument("ids", nargs="*", metavar="ID", help="as `list` says; all when none is named")
    add_flags(parser, ("data", "elasticsearch_url", "elasticsearch_api_key", "elasticsearch_ca"))
    given = vars(parser.parse_args(argv))
    action, ids = given.pop("action"), given.pop("ids")
    try:
        settings = build(given, environment)
        letters = _chosen(read_letters(settings.data / FOLDER), ids)
        if action == "replay":
            return _replay(settings, letters)
        for line in _told(letters) if action == "list" else _shown(settings.data / FOLDER, letters):
            print(line)
    except TracestitchError as error:
        print(f"tracestitch deadletter: {error}", file=sys.stderr)
        return MISCONFIGURED if isinstance(error, BadConfiguration) else 1
    return 0


def _chosen(letters: Sequence[Letter], ids: Sequence[str]) -> list[Letter]:
    known = {letter.id for letter in letters}
    if unknown := [each for each in ids if each not in known]:
        raise BadConfiguration(
            f"there is no dead letter {unknown[0]!r}: `tracestitch deadletter list` names them"
        )
    return [letter for letter in letters if not ids or letter.id in ids]


def _told(letters: Sequence[Letter]) -> Iterator[str]:
    for letter in letters:
        kind = "request" if letter.file else "item"
        yield f"{letter.id}  {moment(letter.time_ns)}  {letter.signal} {kind}  {plain(letter.reason)}"
    if not letters:
        yield "There are no dead letters: everything that was accepted is stored."


def _shown(folder: Path, letters: Iterable[Letter]) -> Iterator[str]:
    for letter in letters:
        yield f"{letter.id}  {letter.signal}, {moment(letter.time_ns)}"
        yield f"  reason    {plain(letter.reason)}"
        if letter.identity:
            yield f"  identity  {plain(letter.identity)}"
        if letter.file:
            yield f"  request   {folder / letter.file}"
        if letter.document:
            yield f"  document  {plain(letter.document)}"


def plain(text: str) -> str:
    """Whoever sent it may have hidden control codes in it."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def _replay(settings: Settings, letters: Sequence[Letter]) -> int:
    folder = settings.data / FOLDER
    requests = [letter for letter in letters if letter.file]
    items = [letter for letter in letters if letter.identity]
    refused = Counter[str]()
    for letter in letters:
        if not letter.file and not letter.identity:
            refused["written by an older version, which did not keep where it belongs"] += 1
    taken = _replay_items(settings, items, refused) if items else 0
    decoded = replay_requests(settings.data, requests, time.time_ns(), refused) if requests else 0
    print(f"{taken} items are stored now, {decoded} requests go through the pipeline once more.")
    for reason, count in refused.most_common():
        print(f"{count} stay in {folder}: {plain(reason)}")
    return 1 if refused else 0


def _replay_items(settings: Settings, items: Sequence[Letter], refused: Counter[str]) -> int:
    # Its client takes long to import.
    from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
    from tracestitch_collector.store.open import elasticsearch_settings

    if not settings.elasticsearch_url:
        raise BadConfiguration("these items belong to Elasticsearch: name it with --elasticsearch-url")
    store = ElasticsearchStore.open(elasticsearch_settings(settings), write=True)
    try:
        return replay_items(settings.data / FOLDER, items, store.resend, refused)
    finally:
        store.close()
