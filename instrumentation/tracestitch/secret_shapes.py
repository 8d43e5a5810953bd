"""Secrets that can be told by their shape alone: tokens that vendors mark, keys, hashes of passwords, card numbers.

Every pattern is linear in its input: quantifiers are bounded, or over classes that exclude what follows.
"""

import re
from itertools import pairwise

REDACTED = "REDACTED"

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    # Clouds
    r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{16}\b|LTAI[A-Za-z0-9]{16,24}\b"
    r"|AIza[0-9A-Za-z_-]{30,40}|ya29\.[0-9A-Za-z_-]{20,1024}|GOCSPX-[0-9A-Za-z_-]{20,64}|1//0[0-9A-Za-z_-]{30,256}"
    r"|4/0A[0-9A-Za-z_-]{20,256}|do[opr]_v1_[0-9a-f]{40,128}|dapi[0-9a-f]{32}|hvs\.[0-9A-Za-z_-]{20,256}"
    r"|fo1_[\w-]{30,128}|fm[12][ar]?_[A-Za-z0-9+/=_-]{30,1024}|pscale_[a-z]{2,8}_[\w-]{20,128}"
    r"|glsa_[A-Za-z0-9]{20,64}_[0-9a-f]{8}|glc_[A-Za-z0-9+/=]{20,512}|HRKU-[\w-]{30,80}|cfut_[\w-]{30,80}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{40,64}|sbp_[0-9a-f]{30,64}|sb_secret_[\w-]{16,64}"
    # Code and packages
    r"|gh[pousr]_[A-Za-z0-9]{16,255}|github_pat_[A-Za-z0-9_]{20,255}|gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-[\w.-]{16,300}"
    r"|npm_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{30,512}|rubygems_[0-9a-f]{32,64}|dckr_(?:pat|oat)_[\w-]{20,64}"
    r"|ATATT3[\w=-]{30,300}|ATBB[A-Za-z0-9]{24,64}|ATCTT3[\w=-]{30,300}|CCIPAT_[\w-]{20,80}|bkua_[0-9a-f]{32,64}"
    r"|sntry[su]_[A-Za-z0-9+/=_-]{30,512}|sqp_[0-9a-f]{32,64}|PMAK-[0-9a-f]{20,32}-[0-9a-f]{30,40}|phx_[\w]{30,64}"
    r"|NRAK-[A-Z0-9]{24,32}|NRJS-[0-9a-f]{16,24}|lin_api_[A-Za-z0-9]{30,64}|ntn_[A-Za-z0-9]{30,64}|figd_[\w-]{30,64}"
    r"|secret_[A-Za-z0-9]{40,64}\b"
    # Language models
    r"|sk-(?:ant-|proj-|svcacct-|or-v1-|admin-|lf-)[\w-]{20,300}|sk-[A-Za-z0-9]{20,128}\b|hf_[A-Za-z0-9]{30,64}"
    r"|r8_[A-Za-z0-9]{30,64}|gsk_[A-Za-z0-9]{40,64}|xai-[A-Za-z0-9]{60,100}|pplx-[A-Za-z0-9]{40,64}"
    # Payment, mail, chat, shops
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{20,128}|sq0[a-z]{3}-[\w-]{20,64}|EAAA[\w-]{40,80}"
    r"|EAAC[A-Za-z0-9]{20,300}|sh(?:pat|pca|ppa|pss)_[0-9a-fA-F]{32}|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"
    r"|xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}|xapp-\d-[A-Za-z0-9-]{20,255}"
    r"|\d{6,12}:AA[\w-]{30,40}|SG\.[\w-]{16,32}\.[\w-]{30,64}|key-[0-9a-f]{32}\b"
    r"|xkeysib-[0-9a-f]{64}-\w{10,20}|SK[0-9a-f]{32}\b|re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{16,32}"
    r"|pat-(?:na|eu)\d-[0-9a-f-]{36}|AAAA[\w-]{7}:APA91b[\w-]{100,200}"
    # What is kept of passwords
    r"|(?:pbkdf2_sha\d{1,3}|argon2|bcrypt(?:_sha256)?|scrypt|md5|sha1|unsalted_md5)\$[A-Za-z0-9./$=,+:_-]{16,400}"
    r"|(?:pbkdf2:sha\d{1,3}|scrypt)(?::\d{1,9}){1,3}\$[^\s\"',]{16,400}"
    r"|SCRAM-SHA-256\$[A-Za-z0-9+/=$:]{40,300}|django-insecure-[^\s\"',;]{20,128}"
    r")"
    # JSON web tokens, signed sessions of Flask and Django
    r"|(?<![A-Za-z0-9])\.?eyJ[A-Za-z0-9_-]{8,4096}[.:][A-Za-z0-9_-]{4,8192}(?:[.:][A-Za-z0-9_-]{0,4096}){0,3}"
    r"|(?<![A-Za-z0-9])\.?eJ[A-Za-z0-9_-]{12,4096}[.:][A-Za-z0-9_-]{5,64}[.:][A-Za-z0-9_-]{16,128}"
    r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/+-]{20,200}"
    r"|(?<=/api/webhooks/)\d{15,22}/[\w-]{30,120}"
    r"|(?<=/bot)\d{6,12}:[\w-]{30,40}"
    r"|\$(?:2[abxy]|5|6|1|apr1|y|gy|7|argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha\d{1,3})?)\$[A-Za-z0-9./$=,+:_-]{20,400}"
    r"|\{S?SH?A(?:256|512)?\}[A-Za-z0-9+/=]{20,200}"
)
_WHOLE_WORDS = re.compile(
    # Links of Django that reset a password, keys of Mailchimp, tokens of Discord, old ones of Vault
    r"\b(?:s\.[A-Za-z0-9]{24}|[a-z0-9]{6}-[0-9a-f]{32,40}|[0-9a-f]{32}-us\d{1,2}"
    r"|[MNO][A-Za-z0-9_-]{23,26}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})(?![\w-])"
)
_TOKEN_STARTS: tuple[str, ...] = (
    *(
        "eyJ",
        "eJ",
        "AKIA",
        "ASIA",
        "AROA",
        "AIDA",
        "AGPA",
        "ANPA",
        "ABIA",
        "ACCA",
        "LTAI",
        "AIza",
        "ya29",
        "GOCSPX",
    ),
    *(
        "1//0",
        "4/0A",
        "_v1_",
        "dapi",
        "hvs.",
        "fo1_",
        "fm1",
        "fm2",
        "pscale_",
        "glpat-",
        "glsa_",
        "glc_",
        "gldt-",
    ),
    *(
        "glrt-",
        "glcbt-",
        "glptt-",
        "glft-",
        "glsoat-",
        "glimt-",
        "glagent-",
        "gloas-",
        "HRKU",
        "cfut_",
        "AGE-",
    ),
    *(
        "sbp_",
        "sb_secret_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "npm_",
        "pypi-",
        "rubygems_",
    ),
    *(
        "dckr_",
        "ATATT3",
        "ATBB",
        "ATCTT3",
        "CCIPAT",
        "bkua_",
        "sntry",
        "sqp_",
        "PMAK-",
        "phx_",
        "NRAK-",
        "NRJS-",
    ),
    *(
        "lin_api_",
        "ntn_",
        "figd_",
        "secret_",
        "sk-",
        "hf_",
        "r8_",
        "gsk_",
        "xai-",
        "pplx-",
        "k_live_",
        "k_test_",
    ),
    *(
        "whsec_",
        "sq0",
        "EAA",
        "shpat_",
        "shpca_",
        "shppa_",
        "shpss_",
        "access_token$",
        "xox",
        "xapp-",
        "slack.com",
    ),
    *(
        "/webhooks/",
        "/bot",
        ":AA",
        "SG.",
        "key-",
        "xkeysib-",
        "SK",
        "re_",
        "pat-",
        "$",
        "{S",
        "pbkdf2",
        "scrypt",
    ),
    *("django-insecure-", "APA91b"),
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]{0,16384}(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_PUTTY_KEY = re.compile(r"(\bPrivate-(?:Lines|MAC): )[^:]{1,8192}")
_LONG_RUN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{20}|[$][A-Za-z0-9]{1,20}[$]|\{S?SHA")
# A part of a path, such as the token of a link that was sent by mail.
_SEGMENT = re.compile(r"(?<=/)[A-Za-z0-9_-]{20,512}={0,2}(?=[/?#\s\"',;)]|$)")
_FOUR_DIGITS = re.compile(r"\d{4}")
_NUMBER = re.compile(r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d){8,15}(?![\w-])")
# First digits and lengths that payment networks give out.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|65\d\d|64[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
    r"|(?:50|5[6-9]|6[0-9])\d{14}"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SCHEMES = re.compile(
    r"\b(bearer|basic|token|digest|negotiate|ntlm|apikey)(\s{1,4})([A-Za-z0-9._~+/=-]{6,4096})", re.I
)
_SCHEME_NAMES = ("bearer ", "basic ", "token ", "digest ", "negotiate ", "ntlm ", "apikey ")
_DSN_OF_GO = re.compile(r"\b[\w.-]{1,64}:[^\s:@/\"']{1,256}@(?=(?:tcp|unix|udp)\()")
_PASSWORD_FILE = re.compile(
    r"(\b[\w.*-]{1,255}:(?:5432|5433|6432|\*):[\w*.-]{1,64}:[\w*.-]{1,64}:)[^\s:\"']{1,256}"
)


def replaced(text: str) -> str:
    """The text with everything replaced that looks like a secret."""
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    if "Private-" in text:
        text = _PUTTY_KEY.sub(rf"\1{REDACTED}", text)
    if _LONG_RUN.search(text) is not None:
        text = _WHOLE_WORDS.sub(REDACTED, text)
        if _has_start(text):
            text = _TOKENS.sub(REDACTED, text)
        if "/" in text:
            text = _SEGMENT.sub(_segment, text)
    if _FOUR_DIGITS.search(text) is not None:
        text = _IBAN.sub(_iban, _NUMBER.sub(_card, text))
    if "@" in text:
        text = _DSN_OF_GO.sub(f"{REDACTED}@", text)
    if "5432:" in text or "6432:" in text or "5433:" in text or ":*:" in text:
        text = _PASSWORD_FILE.sub(rf"\1{REDACTED}", text)
    lowered = text.lower()
    for scheme in _SCHEME_NAMES:
        if scheme in lowered:
            return _SCHEMES.sub(_scheme, text)
    return text


def is_card(digits: str) -> bool:
    if _CARD.fullmatch(digits) is None:
        return False
    total = 0
    for index, character in enumerate(reversed(digits)):
        doubled = int(character) * 2 if index % 2 else int(character)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _has_start(text: str) -> bool:
    for start in _TOKEN_STARTS:  # noqa: SIM110 - any() and a generator take three times as long
        if start in text:
            return True
    return False


def _segment(found: re.Match[str]) -> str:
    return REDACTED if is_random(found[0]) else found[0]


def is_random(word: str) -> bool:
    """Capitals, small letters and digits, changing all the time: nobody calls anything so. An id in hex is kept."""
    kinds = ["9" if sign.isdigit() else "A" if sign.isupper() else "a" for sign in word if sign.isalnum()]
    changes = sum(one != next_one for one, next_one in pairwise(kinds))
    return len(set(kinds)) == 3 and changes * 5 >= len(kinds) * 2


def _card(found: re.Match[str]) -> str:
    return REDACTED if is_card(found[0].replace(" ", "").replace("-", "")) else found[0]


def _iban(found: re.Match[str]) -> str:
    account = found[0].replace(" ", "")
    if not 15 <= len(account) <= 34:
        return found[0]
    number = int("".join(str(int(character, 36)) for character in account[4:] + account[:4]))
    return REDACTED if number % 97 == 1 else found[0]


def _scheme(found: re.Match[str]) -> str:
    kind, space, value = found[1], found[2], found[3]
    if kind.lower() in ("basic", "negotiate", "ntlm"):
        secret = _is_base64(value)
    else:  # "bearer authentication" is prose; a token has a digit or is long
        secret = any(character.isdigit() for character in value) or len(value) >= 24
    return f"{kind}{space}{REDACTED}" if secret else found[0]


def _is_base64(value: str) -> bool:
    """`Basic` says what it is: user and password in base64, with a colon inside."""
    import base64
    import binascii

    if len(value) >= 40:
        return True
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
