"""A real Elasticsearch for tests: the one that TRACESTITCH_TEST_ELASTICSEARCH_URL names, else the integ-test
distribution from the Maven repository that this machine is set up with. One server per version and test run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.parts import missing
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings

CURRENT = "8.19.8"
NEXT = "9.2.0"
"""The newest major, for a smoke run."""

OLDEST_JAVA: Mapping[str, int] = {CURRENT: 17, NEXT: 21}

START_SECONDS = 180
"""Ready in 10–20 s on an idle machine; a test machine may be busy."""

RUN_AS = "nobody"
"""Elasticsearch refuses to run as root."""

CONFIGURATION = """\
cluster.name: tracestitch-test
discovery.type: single-node
network.host: 127.0.0.1
http.port: 0
transport.port: 0
cluster.max_shards_per_node: 5000
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: true
xpack.security.http.ssl.enabled: false
xpack.security.transport.ssl.enabled: false
"""


ADMINISTRATOR, WRITER, READER, SETUP = "administrator", "writer", "reader", "setup"
"""Users of a server that we start, all with the password in its address. The last three have the privileges of
the API keys that stack/elasticsearch proposes."""
KEYS = Path(__file__).parents[2] / "stack" / "elasticsearch"


class UnobtainableError(Exception):
    """Why there is no server, in one line."""


@dataclass(slots=True, kw_only=True)
class RealElasticsearch:
    """A running server of our own: the address with its password, its process, its folder."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def signal(self, number: int) -> None:
        """To the launcher and to the server that it started: they are a group of their own."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """With the same data, at the same address, once it was ended."""
        home = next(self.folder.glob("elasticsearch-*"))
        port = self.url.rpartition(":")[2]
        java = java_home(OLDEST_JAVA[home.name.partition("-")[2]])
        (self.folder / "output").unlink()
        self.process = launch(home, java, ("-E", f"http.port={port}"))
        _wait(self.process, self.folder / "output")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


_SERVER = pytest.StashKey[RealElasticsearch]()


@pytest.fixture(scope="session")
def elasticsearch_url(request: pytest.FixtureRequest) -> str:
    """Import this fixture where it is used: all modules share one server, which lives until the end of the test
    run. Skips the test where there is none, and fails it in CI."""
    if given := os.environ.get("TRACESTITCH_TEST_ELASTICSEARCH_URL", ""):
        return given
    return _shared(request.config).url


@pytest.fixture
def own_elasticsearch(request: pytest.FixtureRequest) -> RealElasticsearch:
    """The same server as one that may be stopped and killed; whoever does so starts it again."""
    return _shared(request.config)


def _shared(config: pytest.Config) -> RealElasticsearch:
    if _SERVER not in config.stash:
        server = start_or_skip(CURRENT)
        config.add_cleanup(server.stop)
        config.stash[_SERVER] = server
    return config.stash[_SERVER]


def start_or_skip(version: str) -> RealElasticsearch:
    """For the caller to stop."""
    try:
        return start(version)
    except UnobtainableError as reason:
        missing(f"no Elasticsearch {version}: {reason}")


def fresh_settings(url: str, data: Path) -> ElasticsearchSettings:
    """Streams of their own for one test."""
    namespace = f"test{secrets.token_hex(6)}"
    return ElasticsearchSettings(url=url, data=data, namespace=namespace, read_namespaces=namespace)


def make_visible(settings: ElasticsearchSettings) -> None:
    """What was written can be searched when this returns."""
    client = connect(settings)
    indices = f"{settings.span_streams},{settings.log_streams},{settings.findings_indices}"
    client.indices.refresh(index=indices, ignore_unavailable=True, allow_no_indices=True)
    client.close()


def start(version: str) -> RealElasticsearch:
    java = java_home(OLDEST_JAVA[version])
    archive = distribution(version)
    folder = Path(tempfile.mkdtemp(prefix=f"tracestitch-elasticsearch-{version}-"))
    try:
        return _start(version, archive, java, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _start(version: str, archive: Path, java: Path, folder: Path) -> RealElasticsearch:
    with zipfile.ZipFile(archive) as unpacked:
        unpacked.extractall(folder)
    home = folder / f"elasticsearch-{version}"
    (home / "config" / "elasticsearch.yml").write_text(CONFIGURATION)
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    password = secrets.token_hex(12)
    _write_users(home / "config", password)
    _give_away(folder)
    process = launch(home, java)
    try:
        address = _wait(process, folder / "output")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return RealElasticsearch(
        url=f"http://{ADMINISTRATOR}:{password}@{address}", process=process, folder=folder
    )


def launch(home: Path, java: Path, arguments: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "ES_JAVA_HOME": str(java),
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
    }
    with (home.parent / "output").open("wb") as output:
        return subprocess.Popen(
            [home / "bin" / "elasticsearch", *arguments],
            env=environment,
            user=RUN_AS if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _write_users(config: Path, password: str) -> None:
    """Users in files: this distribution lacks the module that the server needs to keep users or API keys itself."""
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    hashed = f"{{PBKDF2}}1000${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
    users = {ADMINISTRATOR: "superuser", WRITER: WRITER, READER: READER, SETUP: SETUP}
    (config / "users").write_text("".join(f"{user}:{hashed}\n" for user in users))
    (config / "users_roles").write_text("".join(f"{role}:{user}\n" for user, role in users.items()))
    # Elasticsearch reads this file role by role, each beginning at the start of a line.
    lines = [f"{role}: {json.dumps(_privileges(role))}\n" for role in (WRITER, READER, SETUP)]
    (config / "roles.yml").write_text("".join(lines))


def _privileges(role: str) -> Any:
    """As an administrator would paste them."""
    (descriptor,) = json.loads((KEYS / f"{role}.json").read_text())["role_descriptors"].values()
    return descriptor


def _give_away(folder: Path) -> None:
    """Hands the folder to a user who is not root, where we are."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(RUN_AS)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for path in folder.rglob("*"):
        os.chown(path, user.pw_uid, user.pw_gid)


def _wait(process: subprocess.Popen[bytes], output: Path) -> str:
    """The address that the node says it got, once it says that it has started."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        text = output.read_text(errors="replace")
        found = re.search(r"HttpServerTransport.*publish_address \{(127\.0\.0\.1:\d+)\}", text)
        if found and re.search(r"\] started \{", text):
            return found[1]
        time.sleep(0.2)
    tail = output.read_text(errors="replace")[-2000:]
    raise AssertionError(f"Elasticsearch did not start within {START_SECONDS} s:\n{tail}")


def distribution(version: str) -> Path:
    """The archive in the local Maven repository, fetched by Maven where it is not there yet."""
    name = "org/elasticsearch/distribution/integ-test-zip/elasticsearch"
    # Maven takes the home folder from the password file, not from HOME.
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    archive = home / ".m2" / "repository" / name / version / f"elasticsearch-{version}.zip"
    if archive.exists():
        return archive
    maven = shutil.which("mvn")
    if maven is None:
        raise UnobtainableError("no Maven to fetch it with; set TRACESTITCH_TEST_ELASTICSEARCH_URL instead")
    coordinates = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
    command = [maven, "-q", "-B", "dependency:get", "-Dtransitive=false", f"-Dartifact={coordinates}"]
    fetched = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if not archive.exists():
        raise UnobtainableError(f"Maven could not fetch it: {' '.join(fetched.stdout.split())[-300:]}")
    return archive


def java_home(oldest: int) -> Path:
    """The oldest installed JDK that is new enough; a stripped runtime without jdk.attach does not do."""
    found: dict[int, Path] = {}
    for release in sorted(Path("/usr/lib/jvm").glob("*/release")):
        text = release.read_text()
        version = re.search(r'JAVA_VERSION="(\d+)', text)
        if version and int(version[1]) >= oldest and "jdk.attach" in text:
            found[int(version[1])] = release.parent
    if not found:
        raise UnobtainableError(f"no JDK {oldest} or newer under /usr/lib/jvm")
    return found[min(found)]
