"""How to reach Elasticsearch and where its part of the data folder lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tracestitch_collector.errors import BadConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticsearchSettings:
    """Credentials stand in the URL (`https://user:password@host:9200`) or in `api_key`; no text ever shows them."""

    url: str = field(repr=False)
    data: Path
    """The data folder; only the offsets of the logs are kept in it."""
    api_key: str = field(default="", repr=False)
    """`id:key` in base64, as Elasticsearch hands it out under `encoded`."""
    ca_certs: str = ""
    """A file of authorities to trust instead of the system's."""
    namespace: str = "default"
    """Of the data streams: where items go that name none themselves."""
    read_namespaces: str = "*"
    """Which namespaces are read; a pattern."""
    deadline_s: float = 5.0
    """A search answers with what it has by then, and says so."""
    request_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfiguration(
                "The address of Elasticsearch is not a URL such as https://host:9200: check --elasticsearch-url."
            )

    @property
    def address(self) -> str:
        """The URL without credentials, for people."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def span_streams(self) -> str:
        return f"traces-*.otel-{self.read_namespaces}"

    @property
    def log_streams(self) -> str:
        return f"logs-*.otel-{self.read_namespaces}"

    @property
    def findings_index(self) -> str:
        return f"tracestitch-findings-{self.namespace}"

    @property
    def findings_indices(self) -> str:
        return f"tracestitch-findings-{self.read_namespaces}"
