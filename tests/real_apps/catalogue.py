"""The apps: well-known ones of size, which nobody here wrote."""

from tests.real_apps.app import RealApp

GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}", "--access-logfile", "-", "-w")

PRETIX = RealApp(
    name="pretix",
    title="pretix (ticket shop; Django, from the package index)",
    packages=("pretix", "gunicorn"),
    environ={
        "DATA_DIR": "{data}",
        "PYTHONPATH": "{data}",
        "DJANGO_SETTINGS_MODULE": "real_settings",
        "PRETIX_PRETIX_URL": "http://127.0.0.1:8000",
    },
    files={
        # The styles would be compiled by a tool of Node's.
        "real_settings.py": """
from pretix.settings import *
COMPRESS_ENABLED = COMPRESS_OFFLINE = False
COMPRESS_PRECOMPILERS = ()
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
ALLOWED_HOSTS = ["*"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
""",
        "seed.py": """
from datetime import timedelta
from decimal import Decimal
import django; django.setup()
from django.utils.timezone import now
from django_scopes import scopes_disabled
from django.db import transaction
from pretix.base.models import *
with scopes_disabled(), transaction.atomic():
    user = User.objects.create_superuser("admin@localhost.example", "trail-mix-9")
    organizer = Organizer.objects.create(name="Cats", slug="cats")
    team = Team.objects.create(organizer=organizer, name="All", all_events=True, all_event_permissions=True,
        all_organizer_permissions=True)
    team.members.add(user)
    for number in range(8):
        event = Event.objects.create(organizer=organizer, name=f"Show {number}", slug=f"show{number}", live=True,
            date_from=now() + timedelta(days=number + 3), plugins="pretix.plugins.banktransfer", currency="EUR")
        tickets = [Item.objects.create(event=event, name=f"Ticket {n}", default_price=Decimal(20 + n)) for n in range(5)]
        quota = Quota.objects.create(event=event, name="all", size=100)
        quota.items.add(*tickets)
        for n in range(12):
            order = Order.objects.create(event=event, email=f"a{n}@b.example", code=f"AB{number}C{n:02}", status="p",
                datetime=now(), expires=now() + timedelta(days=9), total=Decimal(40), locale="en",
                sales_channel=organizer.sales_channels.get(identifier="web"))
            for position in (1, 2):
                OrderPosition.objects.create(order=order, item=tickets[n % 5], price=Decimal(20), positionid=position)
            order.create_transactions()
""",
    },
    setup=(("python", "-m", "pretix", "migrate", "-v0"), ("python", "{data}/seed.py")),
    command=(*GUNICORN, "1", "pretix.wsgi"),
    sign_in=("/control/login", "admin@localhost.example", "trail-mix-9"),
    starts=(
        "/control/",
        "/control/events/",
        "/control/event/cats/show0/orders/",
        "/control/event/cats/show0/items/",
        "/control/event/cats/show0/orders/AB0C00/",
        "/cats/show0/",
        "/cats/",
        "/api/v1/organizers/",
    ),
)

BABYBUDDY = RealApp(
    name="babybuddy",
    title="Baby Buddy (diary; Django and REST framework)",
    repository="babybuddy/babybuddy",
    requirements="requirements.txt",
    environ={"DJANGO_SETTINGS_MODULE": "real_settings", "PYTHONPATH": "{data}", "REAL_DATA": "{data}"},
    files={
        "real_settings.py": """
import os
from babybuddy.settings.base import *
SECRET_KEY = "not-secret"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["REAL_DATA"] + "/db.sqlite3"}}
DEBUG = True
AXES_ENABLED = False
""",
    },
    setup=(
        ("python", "manage.py", "migrate", "-v0"),
        ("python", "manage.py", "fake", "--children", "2", "--days", "14"),
    ),
    command=("python", "manage.py", "runserver", "127.0.0.1:{port}"),
    sign_in=("/login/", "admin", "admin"),
    starts=("/", "/admin/", "/children/", "/timeline/", "/feedings/", "/api/", "/api/feedings/?format=json"),
)

HEALTHCHECKS = RealApp(
    name="healthchecks",
    title="Healthchecks (monitoring; Django)",
    repository="healthchecks/healthchecks",
    requirements="requirements.txt",
    packages=("gunicorn",),
    python="3.12",
    environ={
        "DB_NAME": "{data}/hc.sqlite",
        "ALLOWED_HOSTS": "*",
        "DEBUG": "True",
        "DJANGO_SETTINGS_MODULE": "hc.settings",
    },
    files={
        "seed.py": """
import sys; sys.path.insert(0, ".")
import django; django.setup()
from django.contrib.auth.models import User
from hc.accounts.models import Project
from hc.api.models import Check, Channel, Ping, Flip
from hc.accounts.views import _make_user
user = _make_user("admin@localhost.example", "UTC")
user.set_password("trail-mix-9"); user.is_staff = user.is_superuser = True; user.save()
project = Project.objects.get()
channel = Channel.objects.create(project=project, kind="webhook", value='{"url_down": "http://x.example"}')
for number in range(25):
    check = Check.objects.create(project=project, name=f"Check {number}", tags="a b")
    channel.checks.add(check)
    for n in range(1, 6):
        Ping.objects.create(owner=check, n=n, kind=None, scheme="http", method="GET", ua="curl")
""",
    },
    setup=(("python", "manage.py", "migrate", "-v0"), ("python", "{data}/seed.py")),
    command=(*GUNICORN, "1", "--threads", "4", "hc.wsgi"),
    sign_in=("/accounts/login/", "admin@localhost.example", "trail-mix-9"),
    starts=("/", "/accounts/profile/", "/admin/", "/docs/", "/api/v3/status/"),
)

CTFD = RealApp(
    name="ctfd",
    title="CTFd (contests; Flask 2.1 and SQLAlchemy 1.4 under gunicorn's gevent)",
    repository="CTFd/CTFd",
    requirements="requirements.txt",
    environ={
        "DATABASE_URL": "sqlite:///{data}/ctfd.db",
        "SECRET_KEY": "not-secret",
        "UPLOAD_FOLDER": "{data}/uploads",
        "LOG_FOLDER": "{data}/logs",
        "SKIP_DB_PING": "true",
    },
    files={
        "seed.py": """
import sys; sys.path.insert(0, ".")
from CTFd import create_app
from CTFd.models import *
from CTFd.utils import set_config
app = create_app()
with app.app_context():
    set_config("ctf_name", "A contest"); set_config("user_mode", "users"); set_config("ctf_theme", "core")
    set_config("challenge_visibility", "public"); set_config("score_visibility", "public")
    set_config("account_visibility", "public"); set_config("registration_visibility", "public"); set_config("setup", True)
    db.session.add(Admins(name="admin", email="admin@localhost.example", password="trail-mix-9", type="admin", hidden=True))
    db.session.add(Pages(title="Home", route="index", content="<h1>hello</h1>", draft=False))
    for n in range(30):
        db.session.add(Users(name=f"user{n}", email=f"u{n}@b.example", password="x" * 12))
        challenge = Challenges(name=f"chall {n}", description="hello", value=100, category="web", type="standard")
        db.session.add(challenge); db.session.flush()
        db.session.add(Flags(challenge_id=challenge.id, content="flag", type="static"))
        db.session.add(Tags(challenge_id=challenge.id, value="easy"))
    db.session.commit()
    for n in range(2, 20):
        db.session.add(Solves(user_id=n, challenge_id=n, ip="127.0.0.1", provided="flag"))
    db.session.commit()
    db.session.remove()
""",
    },
    setup=(("python", "{data}/seed.py"),),
    command=(*GUNICORN, "1", "-k", "gevent", "wsgi:app"),
    sign_in=("/login", "admin", "trail-mix-9"),
    starts=(
        "/",
        "/admin/statistics",
        "/challenges",
        "/scoreboard",
        "/users",
        "/api/v1/challenges",
        "/api/v1/scoreboard",
        "/api/v1/users",
        "/api/v1/challenges/1",
        "/api/v1/users/5/solves",
    ),
)

CHANGEDETECTION = RealApp(
    name="changedetection",
    title="changedetection.io (watches pages; Flask with its own threads, from the package index)",
    packages=("changedetection.io",),
    environ={"DISABLE_VERSION_CHECK": "true"},
    # Its first start makes its data, with random names.
    setup=(("sh", "-c", "timeout -s INT 20 changedetection.io -h 127.0.0.1 -d {data} -p 45991 || true"),),
    command=("changedetection.io", "-h", "127.0.0.1", "-d", "{data}", "-p", "{port}"),
    starts=(
        "/",
        "/settings",
        "/imports/import",
        "/backups/",
        "/rss?token=none",
        "/api/v1/watch",
        "/api/v1/systeminfo",
        "/api/v1/tags",
        "/tags/list",
        "/edit/first",
        "/preview/first",
        "/diff/first",
    ),
)

SEARXNG = RealApp(
    name="searxng",
    title="SearXNG (metasearch; Flask without a database)",
    repository="searxng/searxng",
    requirements="requirements.txt",
    packages=("gunicorn",),
    environ={"SEARXNG_SECRET": "not-secret", "SEARXNG_SETTINGS_PATH": "{data}/settings.yml"},
    files={
        "settings.yml": """
use_default_settings:
  engines:
    keep_only: [wikipedia, wikidata, openstreetmap]
general: {debug: false}
server: {limiter: false}
outgoing: {request_timeout: 1.0}
""",
    },
    command=(*GUNICORN, "1", "--threads", "4", "searx.webapp:app"),
    starts=(
        "/",
        "/preferences",
        "/about",
        "/info/en/about",
        "/info/en/search-syntax",
        "/stats",
        "/stats/errors",
        "/config",
        "/healthz",
        "/opensearch.xml",
        "/robots.txt",
        "/engine_descriptions.json",
        "/stats/checker",
        "/autocompleter?q=cats",
        "/rss.xsl",
        "/search?q=",
        "/search?q=cats&format=json",
        "/client_token",
        "/image_proxy",
        "/manifest.json",
        "/favicon.ico",
    ),
)

APPS = (PRETIX, BABYBUDDY, HEALTHCHECKS, CTFD, CHANGEDETECTION, SEARXNG)
