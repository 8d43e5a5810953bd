"""Secrets that can be told by the name before them: `password=…`, `"api_key": "…"`, `Authorization: …`.

Every pattern is linear in its input: quantifiers are bounded, or over classes that exclude what follows.
"""

import re
from functools import lru_cache

REDACTED = "REDACTED"

_KEYS_OF = (
    "api|access|private|encryption|decryption|signing|signature|master|account|shared|client|licen[cs]e|"
    "subscription|storage|service|deploy|webhook|fernet|session|ssh|gpg|pgp|app|auth|hmac"
)
_NAMES = (
    rf"pass[_-]?word|passwd|passwort|passphrase|passcode|pwd|secret|token|(?:{_KEYS_OF})[_ -]?key|kennwort|"
    "mot[_-]?de[_-]?passe|contrase(?:ñ|n)a|senha|wachtwoord|credential|authorization|authenticat(?:e|ion)[_-]?info|"
    "cookie|sess(?:ion)?[_-]?id|csrf|xsrf|jwt|bearer|cvv|cvc|card[_-]?n(?:umber|um|o)|cc[_-]?num|iban|mnemonic|"
    "seed[_-]?phrase|(?:recovery|backup|verification|security|auth|authorization|login|reset)[_-]?code|"
    "security[_-]?answer|(?:account|routing)[_-]?number|social[_-]?security|connection[_-]?string|code[_-]?verifier"
)
_SHORT_NAMES = "auth|otp|totp|ssn|pin|pass|pw|psk|dsn|mfa|sid|sig|signature"
_SECRET_KEY = re.compile(
    rf"{_NAMES}|(?:^|[_.-]|(?-i:(?<=[a-z])(?=[A-Z])))(?:{_SHORT_NAMES})$|^PGPASS",
    re.IGNORECASE,
)
# A name that goes on like this says something about a secret, and is none itself.
_ABOUT_ONE = re.compile(
    r"(?:[_.-]?(?:count|length|len|size|ttl|age|max[_-]?age|expir(?:y|es|es[_-]?(?:in|at)|ation|ed)|timeout|type|method|"
    r"field|header(?:[_-]?name)?|name|url|uri|path|file|domain|polic(?:y|ies)|validators|strategy|required|enabled|"
    r"exempt|secure|httponly|samesite|changed(?:[_-]?at)?|version|format|prefix|rotation|hashers|backends?|class|"
    r"consent|failures|attempts|limit|valid|invalid|created(?:[_-]?at)?|form|view|middleware|serializer|manager|"
    r"model|table|generator|provider|algorithm|issuer|budget|usage|rate|bucket|trusted[_-]?origins|used|sent|reset)"
    r"|i[sz]er?s?|i[sz]ed|i[sz]ation)$",
    re.IGNORECASE,
)

_QUOTED = (
    r"[bBuUrR]{0,2}\"(?:[^\"\\]|\\.){0,4096}\"?|[bBuUrR]{0,2}'(?:[^'\\]|\\.){0,4096}'?"
    r"|\\{1,3}[\"'][^\"'\\]{0,4096}(?:\\{1,3}[\"'])?"
)
_BRACKETS = r"\[[^\]]{0,4096}\]?|\([^)]{0,4096}\)?|\{[^}]{0,4096}\}?"
# Any name at all, since a pattern of all the names of secrets would be tried at every letter.
_ASSIGNMENT = re.compile(r"(?<!\w)(\w[\w.-]{0,119})(\\{0,3}[\"'`]?\]?)(\s{0,4}(?::=|===?|=>|=|:)\s{0,4})")
_KIND_OF_KEY = re.compile(rf"\b(?:{_KEYS_OF}) $", re.IGNORECASE)
# After a quoted name, as in JSON and repr, a bare value ends with the item; else it may hold anything but space.
_ITEM = re.compile(rf"{_QUOTED}|{_BRACKETS}|[^\s\"',;&)}}\]]{{1,4096}}")
_VALUE = re.compile(rf"{_QUOTED}|{_BRACKETS}|[^\s;&<>]{{1,4096}}")
_TUPLE = re.compile(
    rf"([(\[]\s{{0,2}}[bu]?[\"'])([\w.-]{{1,120}})([\"'],\s{{0,2}})({_QUOTED})(?=\s{{0,2}}[)\]])"
)
_OPTION = re.compile(
    rf"((?<![\w-])--?)([A-Za-z][\w-]{{1,80}})([\"']?,?\s{{1,4}})({_QUOTED}|[^\s\"',-][^\s\"',]{{0,4095}})"
)
_ESCAPED = re.compile(
    r"(%22|%27|%26|%3F|%7B|%2C|&|\?|\b)(\w[\w.-]{0,119})((?:%22|%27)?(?:%3A|%3D)(?:%20)?(?:%22|%27)?)"
    r"([^\s&%\"']{1,4096}(?:%(?!22|27|26|2C)[^\s&%\"']{0,4096}){0,200})",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"(<(?:\w{1,20}:)?)([\w.-]{1,120})([^<>]{0,200}>)([^<]{1,4096})")
_INPUT = re.compile(
    rf"((?:name=|id=|type=(?=[\"']?pass))[\"']?)([\w.-]{{1,120}})([\"']?[^<>]{{0,200}}\bvalue=)({_QUOTED}|[^\s\"'<>]{{1,4096}})"
)
_SPOKEN = re.compile(
    r"(\b(?:password|passwd|identified (?:with \w{1,40} )?by|pass)\s{1,4})('[^'\n]{1,4096}'|\"[^\"\n]{1,4096}\")"
    r"|(\blogin\s{1,4}\S{1,128}\s{1,4}(?:account \S{1,128}\s{1,4})?password\s{1,4})(\S{1,4096})"
    r"|(\b(?:passphrase|mnemonic|seed phrase|recovery phrase)\s{0,4}[:=]\s{0,4})([^\n]{1,4096})"
    r"|(\b(?:verification|security|login|one-time|otp|confirmation|2fa|access|sign-in)\s(?:pass)?(?:code|otp|pin)"
    r"(?: is|:)?\s{1,4})(\d{4,8})(?!\d)"
    r"|(\b(?:otp|pin)(?: is|:| was)?\s{1,4})(\d{4,8})(?!\d)",
    re.IGNORECASE,
)
_SPOKEN_HINTS = ("passw", "pass '", 'pass "', "identified", "phrase", "mnemonic", "code", "otp", "pin")
_COMMAND = re.compile(
    r"(\b(?:sshpass\s{1,4}-p|curl\b[^\n]{0,400}?\s(?:-u|--user)|redis-cli\b[^\n]{0,200}?\s-a"
    r"|mysql\w{0,10}\b[^\n]{0,200}?\s-p))(\s{0,4})([^\s'\"]{1,512}|'[^'\n]{0,512}'|\"[^\"\n]{0,512}\")",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"((?<![a-zA-Z])(?:(?:proxy|x)-)?(?:authorization|(?:set[-_])?cookie2?)s?)"
    r"(?:(\s{0,4}[:=]\s{0,4})([^\r\n\"'][^\r\n]{0,8192})|([\"']\]?,?\s{0,4}[:=]?\s{0,4}b?[\"'])([^\r\n\"']{1,8192}))",
    re.IGNORECASE,
)
# What stands for a value in a template is no secret: ? %s %(name)s {name} :name $1 NULL; nor is a type, a state or a
# place where it is kept.
_PLACEHOLDER = re.compile(
    r"""[\["'(]{0,2}(?:\?|%s|%r|%d|%\(\w{1,64}\)s|\{[\w.!:]{0,64}\}?|:\w{1,64}|\$\d{1,3}|\$\{?\w{1,64}\}?|\.{3}|…|[*•]{1,64}|"""
    r"""<[\w ]{1,64}>|null|none|nil|undefined|true|false|yes|no|on|off|str|int|bytes|bool|float|object|any|string|"""
    r"""optional\W.{0,40}|required|missing|invalid|expired|empty|unset|set|not set|ok|revoked|valid|changed|unchanged|"""
    r"""lax|strict|bearer|basic|digest|jwt|oauth2?|password|session|filtered|redacted|hidden|\d{1,2}|"""
    r"""(?:self|cls|settings|request|app|config|current_app|os|form|user|data|kwargs|args)\.[\w.()\[\]"']{1,200}|)"""
    r"""["'\])]{0,3}[.,;]?""",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\[?[\"']?(?:this|the|enter|your|please|ensure|a|an|invalid|missing|must|not|no|field|it|is|was|has|unable|could|too|"
    r"wrong|incorrect|both|two)(?: [a-z',-]{2,24}){2,30}[.!]?[\"']?\]?[,.]?(?=$|\s|[}\])])",
    re.IGNORECASE,
)
_END_OF_ITEM = re.compile(r"[\"',.)}\]\\:]{1,8}$")


@lru_cache(maxsize=2048)
def is_secret_key(name: str) -> bool:
    return _SECRET_KEY.search(name) is not None and _ABOUT_ONE.search(name) is None


def replaced(text: str) -> str:
    """The text with the values of names that promise a secret replaced."""
    lowered = text.lower()
    if "cookie" in lowered or "authorization" in lowered:
        text = _HEADER.sub(_header, text)
    if "<" in text and ">" in text:
        text = _INPUT.sub(_option, _ELEMENT.sub(_option, text))
    if "%3" in text:
        text = _ESCAPED.sub(_option, text)
    for hint in _SPOKEN_HINTS:
        if hint in lowered:
            text = _SPOKEN.sub(_spoken, text)
            break
    if ":" in text or "=" in text:
        text = _assignments_replaced(text)
    if "'," in text or '",' in text:
        text = _TUPLE.sub(_option, text)
    if "-" in text and ("--" in text or " -" in text):
        text = _OPTION.sub(_option, _COMMAND.sub(rf"\1\2{REDACTED}", text))
    return text


def _assignments_replaced(text: str) -> str:
    """Goes from name to name, since what is given to one, such as `data`, may hold the next."""
    parts: list[str] = []
    kept, at = 0, 0
    while True:
        found = _ASSIGNMENT.search(text, at)
        if found is None:
            break
        at = found.end()
        name = found[1]
        if not is_secret_key(name) and not _is_spaced_key(name, text, found.start()):
            continue
        value = (_ITEM if found[2] else _VALUE).match(text, at)
        if value is not None and not _is_harmless(name, value[0]) and not _SENTENCE.match(text, at):
            parts += (text[kept:at], _instead_of(value[0]))
            kept = at = value.end()
    if not parts:
        return text
    parts.append(text[kept:])
    return "".join(parts)


def _is_spaced_key(name: str, text: str, start: int) -> bool:
    """`API key: …`"""
    return name in ("key", "Key", "KEY") and _KIND_OF_KEY.search(text, max(0, start - 16), start) is not None


def _header(found: re.Match[str]) -> str:
    if found[3] is not None:
        return found[0] if _PLACEHOLDER.fullmatch(found[3]) else f"{found[1]}{found[2]}{REDACTED}"
    return found[0] if _PLACEHOLDER.fullmatch(found[5]) else f"{found[1]}{found[4]}{REDACTED}"


def _spoken(found: re.Match[str]) -> str:
    for before, value in zip(found.groups()[::2], found.groups()[1::2], strict=True):
        if value is not None:
            return before + _instead_of(value)
    return found[0]


def _option(found: re.Match[str]) -> str:
    before, name, between, value = found.groups()
    if not is_secret_key(name) or _is_harmless(name, value):
        return found[0]
    return f"{before}{name}{between}{_instead_of(value)}"


def _is_harmless(name: str, value: str) -> bool:
    if value == REDACTED or _PLACEHOLDER.fullmatch(value) or _SENTENCE.fullmatch(value):
        return True
    lowered = name.lower()
    bare = value.strip("\"',")
    if bare == name or (lowered.endswith("tokens") and bare.isdigit()):  # of a language model
        return True
    if lowered == "pwd":  # the working folder
        return bare.startswith("/")
    return lowered in ("sig", "signature") and len(bare) < 16


def _instead_of(value: str) -> str:
    prefix = value[: len(value) - len(value.lstrip("bBuUrR\\"))] if value[:1] not in "\"'[({" else ""
    rest = value[len(prefix) :]
    if rest[:1] in ("'", '"'):
        end = rest[:1] if rest.endswith(rest[0]) and len(rest) > 1 else ""
        return f"{prefix}{rest[0]}{REDACTED}{prefix if prefix.startswith(chr(92)) else ''}{end}"
    if value[:1] in "[({":
        return REDACTED
    tail = _END_OF_ITEM.search(value)
    return REDACTED + (tail[0] if tail else "")
