"""Which migrations of a Django project its default database has not seen: the names of the files against the rows of
`django_migrations`. No migration is imported, since loading them all is work that serving requests never needs."""

import os
from collections.abc import Iterable
from typing import Any

MOST = 50


def unapplied() -> list[str]:
    """Asks the database once, over a connection of its own that is closed at the end."""
    from django.apps import apps
    from django.db import connections

    connection = connections["default"]  # connections belong to threads, so this one is not the app's
    if connection.vendor == "unknown" or ":memory:" in str(connection.settings_dict.get("NAME", "")):
        return []
    written = written_migrations(apps.get_app_configs())
    try:
        connection.ensure_connection()
        connection.execute_wrappers.clear()  # what the agent asks itself is nobody's request
        return sorted(written - _applied(connection))[:MOST]
    finally:
        connection.close()


def written_migrations(configs: Iterable[Any]) -> set[str]:
    """`app.0001_initial` of each file. A squashed one stands for others, which may be applied in its place."""
    found: set[str] = set()
    for config in configs:
        folder = os.path.join(str(config.path), "migrations")
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            stem, extension = os.path.splitext(name)
            if extension == ".py" and stem[:1] not in ("_", "~", ".") and "squashed" not in stem:
                found.add(f"{config.label}.{stem}")
    return found


def _applied(connection: Any) -> set[str]:
    from django.db.migrations.recorder import MigrationRecorder

    rows = MigrationRecorder(connection).applied_migrations()
    return {f"{app}.{name}" for app, name in rows}
