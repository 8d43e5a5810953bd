"""What really answers at an address: connections of the doctor's own, made where a request of the agent's failed."""

import contextlib
import socket
import ssl
from collections.abc import Mapping
from enum import Enum, auto

PATIENCE_S = 3.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS = 4


class Connection(Enum):
    MADE = auto()
    REFUSED = auto()
    NO_NAME = auto()
    NO_ANSWER = auto()


def connect(host: str, port: int) -> tuple[Connection, str]:
    """How far a plain connection gets, and the system's words where it fails."""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE_S):
            return Connection.MADE, ""
    except (socket.gaierror, UnicodeError) as error:
        return Connection.NO_NAME, str(getattr(error, "strerror", None) or error)
    except ConnectionRefusedError as error:
        return Connection.REFUSED, str(error.strerror)
    except OSError as error:
        return Connection.NO_ANSWER, str(error.strerror or error)


def speaks_http2(host: str, port: int) -> bool:
    """Whether HTTP/2 is understood without being asked for in HTTP/1, as gRPC servers do."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=PATIENCE_S) as made:
        made.settimeout(PATIENCE_S)
        made.sendall(_PREFACE)
        head = b""
        while len(head) < 9:
            part = made.recv(9 - len(head))
            if not part:
                return False
            head += part
        return head[3] == _SETTINGS
    return False


def speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS handshake goes through; nothing is sent, so no certificate has to be trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=PATIENCE_S) as made,
        context.wrap_socket(made, server_hostname=host),
    ):
        return True
    return False


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> str:
    """The variable that names a proxy for this address; empty where there is none."""
    lowered = {name.lower(): (name, value) for name, value in environ.items() if value}
    for wanted in (f"{scheme}_proxy", "all_proxy"):
        if wanted in lowered and not _bypassed(host, port, lowered.get("no_proxy", ("", ""))[1]):
            return lowered[wanted][0]
    return ""


def _bypassed(host: str, port: int, no_proxy: str) -> bool:
    """By whole names and by their ends, with or without the port."""
    for entry in (part.strip().lower().lstrip("*.") for part in no_proxy.split(",") if part.strip()):
        if not entry or any(name == entry or name.endswith(f".{entry}") for name in (host, f"{host}:{port}")):
            return True
    return False
