"""Which store the settings name, and how far one that another process writes has the logs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.elasticsearch.offsets import read_offsets
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.embedded import manifest
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Offsets, Store

SECOND_NS = 1_000_000_000


def open_store(settings: Settings, *, write: bool) -> Store:
    """Opens it: for writing in the pipeline, which is the only one that may, for reading everywhere else."""
    return open_named(settings.store, settings, write=write)


def open_named(name: str, settings: Settings, *, write: bool) -> Store:
    if name == "elasticsearch":
        # Imported where it is asked for: the client takes a quarter of a second that the embedded store has not to pay.
        from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

        return ElasticsearchStore.open(elasticsearch_settings(settings), write=write)
    return open_embedded(settings, write=write)


def open_embedded(settings: Settings, *, write: bool) -> EmbeddedStore:
    # Gives back more than Arrow's own allocator does: 30 MB less at the same speed.
    pa.set_memory_pool(pa.system_memory_pool())
    return EmbeddedStore(
        settings.data,
        write=write,
        retention_ns=settings.retention_s * SECOND_NS,
        max_bytes=settings.max_size_bytes,
    )


def elasticsearch_settings(settings: Settings) -> ElasticsearchSettings:
    return ElasticsearchSettings(
        url=settings.elasticsearch_url,
        data=settings.data,
        api_key=settings.elasticsearch_api_key,
        ca_certs=settings.elasticsearch_ca,
    )


def covered_by(name: str, data: Path) -> Offsets:
    """What that store has of the logs in this data folder, as its own process recorded it."""
    if name == "elasticsearch":
        return read_offsets(data)
    if name == "logstash":
        return read_offsets(data, Path("outputs") / "logstash.json")
    try:
        return manifest.load(Layout(data)).covered
    except (OSError, BadConfiguration):
        return {}
