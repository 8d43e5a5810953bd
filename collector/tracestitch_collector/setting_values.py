"""From the text of a setting to its value; each raises ValueError with what a good text looks like."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit


def folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65_535:
        raise ValueError("a port is a number from 0 to 65535; 0 takes a free one")
    return int(text)


MAX_PROCESSES = 64


def processes(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_PROCESSES:
        raise ValueError(
            f"a number of processes is from 1 to {MAX_PROCESSES}; as many as there are cores is plenty"
        )
    return int(text)


_DURATION_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def duration(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if match is None or int(match[1]) == 0:
        raise ValueError("a duration is a number and a unit, such as 12h, 7d or 4w")
    return int(match[1]) * _DURATION_S[match[2]]


_SIZE_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})(|[kmgt]|[kmg]i)b?", text.lower())
    if match is None or int(match[1]) == 0:
        raise ValueError("a size is a number and a unit, such as 500MB, 10GB or 2GiB")
    return int(match[1]) * _SIZE_BYTES[match[2]]


def store(text: str) -> str:
    if text not in ("embedded", "elasticsearch"):
        raise ValueError("the store is 'embedded' or 'elasticsearch'")
    return text


def second_store(text: str) -> str:
    if text not in ("", "embedded", "elasticsearch", "logstash"):
        raise ValueError("a second store is 'embedded', 'elasticsearch' or, written only, 'logstash'")
    return text


def optional_port(text: str) -> int | None:
    return None if text == "off" else port(text)


def switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("it is 'on' or 'off'")
    return text == "on"


def url(text: str) -> str:
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address is complete, such as https://traces.example.org:4380")
    return text.rstrip("/")


def token(text: str) -> str:
    if text and (len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text):
        raise ValueError("a token has at least 16 printable characters without spaces")
    return text


def host(text: str) -> str:
    if not text or any(mark in text for mark in "/@ ,"):
        raise ValueError("a host is a name or an address, without scheme or port")
    return text


def hosts(text: str) -> tuple[str, ...]:
    return tuple(host(part.strip()) for part in text.split(",") if part.strip())
