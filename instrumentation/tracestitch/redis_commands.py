"""Redis commands without their data: the name, and the pattern of the key where the command has one in front.

A key tells what it holds by its first word (`cart:17` is `cart:?`); any other part may be a person's name or a token,
and stays only where it looks like code, with an underscore in it."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

MOST_TOLD = 20
LONGEST_KEY = 200
# Those whose first argument is a key. Of all others (AUTH, EVAL, CONFIG SET …) no argument leaves the process.
_WORDS = """APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN COPY DECR DECRBY DEL
DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEOSEARCH GET GETBIT GETDEL GETEX
GETRANGE GETSET HDEL HEXISTS HEXPIRE HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET
HRANDFIELD HSCAN HSET HSETNX HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH
LPUSHX LRANGE LREM LSET LTRIM MGET MSET MSETNX MOVE PERSIST PEXPIRE PEXPIREAT PFADD PFCOUNT PFMERGE PSETEX PTTL
RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE
SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SPOP SRANDMEMBER SREM SSCAN STRLEN SUBSTR SUNION
SUNIONSTORE TOUCH TTL TYPE UNLINK WATCH XACK XADD XCLAIM XDEL XLEN XPENDING XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT
ZINCRBY ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM
ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE
JSON.GET JSON.SET JSON.DEL JSON.MGET
"""
_WITH_KEY = frozenset(_WORDS.split())
_NAME = re.compile(r"[A-Z][A-Z0-9._ -]{0,40}")
_PART = re.compile(r"([^:/|{}.]+)")
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,30}")
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)+")


def told(commands: Iterable[Sequence[Any]]) -> list[str]:
    """Each command once, in the order of their first appearance."""
    seen: dict[str, None] = {}
    for arguments in commands:
        seen[_told_once(arguments)] = None
        if len(seen) >= MOST_TOLD:
            break
    return list(seen)


def _told_once(arguments: Sequence[Any]) -> str:
    name = _text(arguments[0]).upper() if arguments else ""
    if not _NAME.fullmatch(name):
        return "OTHER"  # what is no command's name may be anything
    if name not in _WITH_KEY or len(arguments) < 2:
        return name.partition(" ")[0]
    key = arguments[1]
    return f"{name} {pattern(_text(key))}" if isinstance(key, str | bytes) else f"{name} ?"


def pattern(key: str) -> str:
    """`:1:user:anna:line_items` is `:?:user:?:line_items`."""
    first = True

    def part(match: re.Match[str]) -> str:
        nonlocal first
        text = match[1]
        kept = _CODE.fullmatch(text) or (first and _WORD.fullmatch(text))
        first = first and text.isdigit()  # Django's caches put a version in front
        return text if kept else "?"

    return _PART.sub(part, key[:LONGEST_KEY])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
