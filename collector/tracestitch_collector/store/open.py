"""Which store the settings name."""

from __future__ import annotations

import pyarrow as pa

from tracestitch_collector.settings import Settings
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Store

SECOND_NS = 1_000_000_000


def open_store(settings: Settings, *, write: bool) -> Store:
    """Opens it: for writing in the pipeline, which is the only one that may, for reading everywhere else."""
    if settings.store == "elasticsearch":
        # Imported where it is asked for: the client takes a quarter of a second that the embedded store has not to pay.
        from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
        from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

        return ElasticsearchStore.open(
            ElasticsearchSettings(
                url=settings.elasticsearch_url,
                data=settings.data,
                api_key=settings.elasticsearch_api_key,
                ca_certs=settings.elasticsearch_ca,
            ),
            write=write,
        )
    # Gives back more than Arrow's own allocator does: 30 MB less at the same speed.
    pa.set_memory_pool(pa.system_memory_pool())
    return EmbeddedStore(
        settings.data,
        write=write,
        retention_ns=settings.retention_s * SECOND_NS,
        max_bytes=settings.max_size_bytes,
    )
