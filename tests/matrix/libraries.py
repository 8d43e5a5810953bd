"""The cells of libraries: frameworks, databases, clients, caches, settings and versions of Python."""

from tests.matrix import reading
from tests.matrix.cell import DEVELOPMENT, Cell, Environment
from tests.matrix.reading import DJANGO, FIRST, FLASK, RESTFUL, SECOND, Peering, Reads

_HTTP = (("GET", FIRST), ("GET", SECOND))
_REDIS = (("SET", FIRST), ("PIPELINE", SECOND))
_FLASKS, _DJANGOS = frozenset({"flask", "werkzeug"}), frozenset({"django"})


def environment(name: str, *packages: str, python: str = "3.11") -> Environment:
    return Environment(name=name, python=python, requirements=packages)


def flask(
    name: str,
    reader: str,
    peer: Peering,
    *packages: str,
    uses: str = "",
    told: tuple[tuple[str, str], ...] = reading.TWO_STATEMENTS,
    version: str = "flask>=3.1,<3.2",
    quick: bool = False,
) -> Cell:
    where = DEVELOPMENT if quick else environment(f"flask-{reader}", version, *packages)
    run = Reads(command=FLASK, reader=reader, peer=peer, uses=_FLASKS | set(uses.split()), told=told)
    return Cell(group="libraries", name=name, environment=where, run=run, quick=quick)


def django(
    name: str,
    reader: str,
    peer: Peering,
    *packages: str,
    uses: str = "",
    told: tuple[tuple[str, str], ...] = reading.TWO_STATEMENTS,
    version: str = "django>=5.2,<6",
    python: str = "3.11",
    quick: bool = False,
    settings: str = "settings",
) -> Cell:
    where = DEVELOPMENT if quick else environment(f"django-{reader}", version, *packages, python=python)
    run = Reads(
        command=DJANGO,
        reader=reader,
        peer=peer,
        uses=_DJANGOS | set(uses.split()),
        told=told,
        environ={"DJANGO_SETTINGS_MODULE": f"django_reading.{settings}"},
    )
    return Cell(group="libraries", name=name, environment=where, run=run, quick=quick)


_FRAMEWORKS = (
    *(
        django(f"Django {version}", "orm", reading.sqlite, version=f"django=={version}.*", python=python)
        for version, python in (("4.2", "3.11"), ("5.2", "3.11"), ("6.0", "3.12"), ("6.1", "3.13"))
    ),
    Cell(
        group="libraries",
        name="Django REST framework",
        environment=environment("drf", "django>=5.2,<6", "djangorestframework"),
        run=Reads(
            command=DJANGO,
            reader="orm",
            peer=reading.sqlite,
            uses=_DJANGOS | {"rest_framework"},
            path="/resource/1",
            environ={"READ_REST": "1"},
        ),
    ),
    *(
        flask(f"Flask {version}", "raw_sqlite3", reading.sqlite, version=f"flask=={version}.*")
        for version in ("2.3", "3.0", "3.1")
    ),
    Cell(
        group="libraries",
        name="Flask-RESTful",
        environment=environment("restful", "flask>=3.1,<3.2", "flask-restful"),
        run=Reads(
            command=RESTFUL,
            reader="raw_sqlite3",
            peer=reading.sqlite,
            uses=_FLASKS | {"flask_restful"},
            path="/resource/1",
        ),
    ),
)

_PYTHONS = (
    *(
        django(f"Django 5.2, Python {minor}", "orm", reading.sqlite, python=minor)
        for minor in ("3.12", "3.13", "3.14")
    ),
)

_ALCHEMIES = (
    *(
        flask(
            f"SQLAlchemy {version}, SQLite",
            "alchemy",
            reading.sqlite,
            f"sqlalchemy=={version}.*",
            uses="sqlalchemy",
        )
        for version in ("1.4", "2.0", "2.1")
    ),
    *(
        flask(
            f"SQLAlchemy {version}, psycopg, asynchronously",
            "alchemy_async",
            reading.postgresql("postgresql+psycopg"),
            f"sqlalchemy[asyncio]=={version}.*",
            "psycopg[binary]",
            uses="sqlalchemy psycopg",
        )
        for version in ("2.0", "2.1")
    ),
    *(
        flask(
            f"SQLAlchemy, {package}",
            "alchemy",
            peer,
            "sqlalchemy",
            package,
            uses=f"sqlalchemy {module}",
        )
        for package, module, peer in (
            ("psycopg[binary]", "psycopg", reading.postgresql("postgresql+psycopg")),
            ("psycopg2-binary", "psycopg2", reading.postgresql("postgresql+psycopg2")),
            ("pymysql", "pymysql", reading.mariadb("mysql+pymysql")),
            ("mysqlclient", "MySQLdb", reading.mariadb("mysql+mysqldb")),
        )
    ),
)

_DRIVERS = (
    flask("sqlite3 without an ORM", "raw_sqlite3", reading.sqlite, quick=True),
    flask("psycopg", "raw_psycopg", reading.postgresql("postgresql"), "psycopg[binary]", uses="psycopg"),
    flask(
        "psycopg, asynchronously",
        "raw_psycopg_async",
        reading.postgresql("postgresql"),
        "psycopg[binary]",
        uses="psycopg",
    ),
    flask("psycopg2", "raw_psycopg2", reading.postgresql("postgresql"), "psycopg2-binary", uses="psycopg2"),
    flask("PyMySQL", "raw_pymysql", reading.mariadb("mysql"), "pymysql", uses="pymysql"),
    flask("mysqlclient", "raw_mysqlclient", reading.mariadb("mysql"), "mysqlclient", uses="MySQLdb"),
    django("Django beside sqlite3", "raw_sqlite3", reading.sqlite),
)

_CONNECT = {"OPTIONS": {"connect_timeout": 4}}
_DJANGO_DATABASES = (
    django(
        "Django, psycopg",
        "orm",
        reading.postgresql("postgresql", **_CONNECT),
        "psycopg[binary]",
        uses="psycopg",
    ),
    django(
        "Django, psycopg and its pool",
        "orm",
        reading.postgresql("postgresql", OPTIONS={"connect_timeout": 4, "pool": True}),
        "psycopg[binary,pool]",
        uses="psycopg",
    ),
    django(
        "Django, psycopg2",
        "orm",
        reading.postgresql("postgresql", **_CONNECT),
        "psycopg2-binary",
        uses="psycopg2",
    ),
    django("Django, mysqlclient", "orm", reading.mariadb("mysql", **_CONNECT), "mysqlclient", uses="MySQLdb"),
)

_CLIENTS = (
    flask("redis", "redis_sync", reading.redis, "redis", uses="redis", told=_REDIS),
    flask("redis 5", "redis_sync", reading.redis, "redis==5.*", uses="redis", told=_REDIS),
    flask("redis, asynchronously", "redis_async", reading.redis, "redis", uses="redis", told=_REDIS),
    *(
        flask(
            name, reader, reading.another_service, package, uses=f"{package} {uses}", told=_HTTP, quick=quick
        )
        for name, reader, package, uses, quick in (
            ("requests", "call_requests", "requests", "urllib3", False),
            ("urllib3", "call_urllib3", "urllib3", "", False),
            ("httpx", "call_httpx", "httpx", "", False),
            ("httpx, asynchronously", "call_httpx_async", "httpx", "", False),
            ("aiohttp", "call_aiohttp", "aiohttp", "", True),
        )
    ),
)

_FOREIGN = (
    flask(
        "botocore by its OpenTelemetry instrumentation, beside Flask's and urllib3's",
        "stored",
        reading.object_store,
        "botocore",
        "opentelemetry-instrumentation-botocore",
        "opentelemetry-instrumentation-flask",
        "opentelemetry-instrumentation-urllib3",
        uses="urllib3",
        told=(("S3.GetObject", ""),),
    ),
)

_CACHES = (
    *(
        django(f"Django's cache, {name}", "cache", reading.cache(backend), told=())
        for name, backend in (("locmem", "locmem.LocMemCache"), ("file", "filebased.FileBasedCache"))
    ),
    django(
        "Django's cache, memcached",
        "cache",
        reading.memcached,
        "pymemcache",
        told=(("cache set", FIRST), ("cache get", SECOND)),
    ),
    django(
        "Django's cache, redis",
        "cache",
        reading.redis,
        "redis",
        uses="redis",
        told=(("SET", FIRST), ("GET", SECOND)),
    ),
)

_SETTINGS = (
    django(
        "django-configurations",
        "orm",
        reading.sqlite,
        "django-configurations",
        settings="settings_configurations",
    ),
    django("django-environ", "orm", reading.sqlite, "django-environ", settings="settings_environ"),
    django("dynaconf", "orm", reading.sqlite, "dynaconf", settings="settings_dynaconf"),
    django(
        "django-split-settings", "orm", reading.sqlite, "django-split-settings", settings="settings_split"
    ),
)

_TWO_SETTINGS = Cell(
    group="libraries",
    name="settings chosen by --settings, others in the environment",
    environment=environment("settings", "django>=5.2,<6", "django-environ"),
    run=Reads(
        command=(*DJANGO, "--settings", "django_reading.settings_environ"),
        reader="orm",
        peer=reading.sqlite,
        uses=_DJANGOS,
        environ={"DJANGO_SETTINGS_MODULE": "django_reading.settings"},
    ),
)

CELLS: tuple[Cell, ...] = (
    *_FRAMEWORKS,
    *_PYTHONS,
    *_ALCHEMIES,
    *_DRIVERS,
    *_DJANGO_DATABASES,
    *_CLIENTS,
    *_FOREIGN,
    *_CACHES,
    *_SETTINGS,
    _TWO_SETTINGS,
)
