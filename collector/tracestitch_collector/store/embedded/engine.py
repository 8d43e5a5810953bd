"""DuckDB as a query engine, in memory: it is given files and tables and keeps nothing. Values are always bound;
what stands in a statement's text is ours, or an identifier in quotes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.embedded.snapshot import ATTRIBUTE, Source

if TYPE_CHECKING:
    import duckdb

DEADLINE_S = 10.0
CONFIGURATION = {
    "memory_limit": "256MB",
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "preserve_insertion_order": "false",
    "enable_external_file_cache": "false",
}
"""No network, no files but those it is given, and a process that stays small."""


class MissingFile(Exception):
    """A file of the snapshot is gone or cannot be read."""


class Engine:
    """Begins with its first query: the pipeline, which only writes, never pays for it, not even the import."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        with self._lock:
            if self._connection is None:
                self._connection = duckdb.connect(":memory:", config=dict(CONFIGURATION))
                self._connection.sql("SET GLOBAL parquet_metadata_cache = true")
            return self._connection.cursor()

    def query(
        self,
        statement: str,
        parameters: Mapping[str, Any],
        sources: Sequence[Source] = (),
        tables: Mapping[str, pa.Table] | None = None,
    ) -> pa.Table:
        """Runs the statement. A source named spans is read by `rows_of` as files and the table hot_spans."""
        import duckdb

        bound = {f"files_{source.signal}": source.files for source in sources if source.files}
        cursor = self._cursor()
        timer = threading.Timer(DEADLINE_S, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            for source in sources:
                cursor.register(f"hot_{source.signal}", source.hot)
            for name, table in (tables or {}).items():
                cursor.register(name, table)
            return cursor.sql(statement, params={**bound, **parameters}).to_arrow_table()
        except duckdb.InterruptException as error:
            raise Unavailable(
                f"the query took longer than {DEADLINE_S:g} s and was stopped: choose a shorter time range "
                "or a service"
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(
                "the query needs more memory than the reader may take: choose a shorter time range or a service"
            ) from error
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise MissingFile(str(error)) from error
        finally:
            timer.cancel()
            cursor.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def rows_of(source: Source, columns: Sequence[str] = ()) -> str:
    """A FROM item: these columns (all when none are named) of every row of the source. Each attribute column
    exists in the files, in the hot rows or in both; what one side lacks is null there."""
    hot = f"SELECT {_listed(columns, source.hot_attributes)} FROM hot_{source.signal}"
    if not source.segments:
        return f"({hot})"
    files = f"read_parquet($files_{source.signal}, union_by_name = true)"
    return f"(SELECT {_listed(columns, source.file_attributes)} FROM {files} UNION ALL BY NAME {hot})"


def _listed(columns: Sequence[str], attributes: frozenset[str]) -> str:
    there = [name for name in columns if name in attributes or not name.startswith(ATTRIBUTE)]
    return ", ".join(map(quoted, there)) or "*"
