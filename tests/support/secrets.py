"""Made-up secrets in the shapes of real ones, and harmless texts that look a little like them.

None is real: each is put together at run time from a seeded source, so that no scanner finds one in this file.
"""

import base64
import random
import string
from dataclasses import dataclass

ALNUM, HEX, UPPER = (
    string.ascii_letters + string.digits,
    "0123456789abcdef",
    string.ascii_uppercase + string.digits,
)
_RANDOM = random.Random(20_311)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    kind: str
    text: str
    # What of the text must not leave.
    hidden: tuple[str, ...]


def word(length: int, alphabet: str = ALNUM) -> str:
    """Random, with at least one digit."""
    return "".join(_RANDOM.choice(alphabet) for _ in range(length - 1)) + _RANDOM.choice("23456789")


def luhn(prefix: str, length: int) -> str:
    body = prefix + "".join(_RANDOM.choice(string.digits) for _ in range(length - len(prefix) - 1))
    total = 0
    for index, character in enumerate(reversed(body)):
        doubled = int(character) * (1 if index % 2 else 2)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def iban(country: str, account: str) -> str:
    number = int("".join(str(int(character, 36)) for character in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _url64(length: int) -> str:
    return word(length, ALNUM + "-_")


_TOKENS: tuple[tuple[str, str], ...] = (
    ("AWS access key id", "AKIA" + word(16, UPPER)),
    ("AWS temporary key id", "ASIA" + word(16, UPPER)),
    ("Alibaba key id", "LTAI" + word(20)),
    ("Google API key", "AIza" + _url64(35)),
    ("Google OAuth token", "ya29." + _url64(80)),
    ("Google client secret", "GOCSPX-" + _url64(28)),
    ("Google refresh token", "1//0" + _url64(60)),
    ("Google OAuth code", "4/0A" + _url64(60)),
    ("DigitalOcean token", "dop_" + "v1_" + word(64, HEX)),
    ("Databricks token", "dapi" + word(32, HEX)),
    ("Vault token", "hvs." + _url64(90)),
    ("old Vault token", "s." + word(24)),
    ("Grafana service account", "glsa_" + word(32) + "_" + word(8, HEX)),
    ("Grafana cloud token", "glc_" + word(60)),
    ("Supabase token", "sbp_" + word(40, HEX)),
    ("PlanetScale token", "pscale_" + "tkn_" + _url64(43)),
    ("Fly token", "fm2_" + word(120)),
    ("age key", "AGE-SECRET-" + "KEY-1" + word(58, UPPER)),
    ("GitHub token", "ghp_" + word(36)),
    ("GitHub OAuth token", "gho_" + word(36)),
    ("GitHub server token", "ghs_" + word(36)),
    ("GitHub fine-grained token", "github_" + "pat_" + word(22) + "_" + word(59)),
    ("GitLab token", "glpat-" + _url64(20)),
    ("GitLab runner token", "glrt-" + _url64(20)),
    ("npm token", "npm_" + word(36)),
    ("PyPI token", "pypi-" + "AgEIcHlwaS5vcmc" + _url64(80)),
    ("RubyGems key", "rubygems_" + word(48, HEX)),
    ("Docker token", "dckr_" + "pat_" + _url64(27)),
    ("Atlassian token", "ATATT3" + "xFfGF0" + _url64(90)),
    ("Bitbucket app password", "ATBB" + word(32)),
    ("Sentry token", "sntrys_" + word(90)),
    ("SonarQube token", "sqp_" + word(40, HEX)),
    ("Postman key", "PMAK-" + word(24, HEX) + "-" + word(34, HEX)),
    ("PostHog key", "phx_" + word(43)),
    ("New Relic key", "NRAK-" + word(27, UPPER)),
    ("Linear key", "lin_" + "api_" + word(40)),
    ("Notion token", "ntn_" + word(46)),
    ("old Notion token", "secret_" + word(43)),
    ("Figma token", "figd_" + _url64(40)),
    ("OpenAI project key", "sk-proj-" + _url64(90)),
    ("old OpenAI key", "sk-" + word(48)),
    ("Anthropic key", "sk-ant-" + "api03-" + _url64(93)),
    ("OpenRouter key", "sk-or-v1-" + word(64, HEX)),
    ("Hugging Face token", "hf_" + word(34)),
    ("Replicate token", "r8_" + word(37)),
    ("Groq key", "gsk_" + word(52)),
    ("xAI key", "xai-" + word(80)),
    ("Perplexity key", "pplx-" + word(48)),
    ("Stripe key", "sk_" + "live_" + word(24)),
    ("Stripe test key", "sk_" + "test_" + word(40)),
    ("Stripe restricted key", "rk_" + "live_" + word(40)),
    ("Stripe webhook secret", "whsec_" + word(32)),
    ("Square token", "sq0atp-" + _url64(22)),
    ("Square production token", "EAAA" + _url64(60)),
    ("Facebook token", "EAAC" + word(120)),
    ("Shopify token", "shpat_" + word(32, HEX)),
    ("Shopify secret", "shpss_" + word(32, HEX)),
    ("Braintree token", "access_" + "token$production$" + word(16, HEX) + "$" + word(32, HEX)),
    ("Slack bot token", "xoxb-" + word(12, string.digits) + "-" + word(13, string.digits) + "-" + word(24)),
    ("Slack user token", "xoxp-" + word(12, string.digits) + "-" + word(32)),
    ("Slack app token", "xapp-1-" + word(11, UPPER) + "-" + word(13, string.digits) + "-" + word(64, HEX)),
    ("Telegram bot token", word(9, "123456789") + ":AA" + _url64(33)),
    ("SendGrid key", "SG." + _url64(22) + "." + _url64(43)),
    ("Mailgun key", "key-" + word(32, HEX)),
    ("Mailchimp key", word(32, HEX) + "-us17"),
    ("Brevo key", "xkeysib-" + word(64, HEX) + "-" + word(16)),
    ("Twilio key", "SK" + word(32, HEX)),
    ("Resend key", "re_" + word(8) + "_" + word(24)),
    ("HubSpot token", "pat-na1-" + "-".join(word(size, HEX) for size in (8, 4, 4, 4, 12))),
    ("Discord token", "M" + word(25) + "." + word(6) + "." + _url64(38)),
    ("JSON web token", "eyJ" + _url64(33) + ".eyJ" + _url64(60) + "." + _url64(43)),
    ("unsigned JSON web token", "eyJ" + _url64(17) + ".eyJ" + _url64(60) + "."),
    ("session of Flask", "eyJ" + _url64(40) + "." + _url64(6) + "." + _url64(27)),
    ("compressed session of Flask", ".eJ" + _url64(60) + "." + _url64(6) + "." + _url64(27)),
    ("signed session of Django", "eyJ" + _url64(40) + ":" + word(6) + ":" + _url64(43)),
    ("Django's reset link", "c9" + word(4, HEX) + "-" + word(32, HEX)),
    ("Django's insecure key", "django-" + "insecure-" + word(50, ALNUM + "!@#$^&*(-_=+)")),
    ("Django password hash", "pbkdf2_" + "sha256$870000$" + word(22) + "$" + word(43) + "="),
    ("argon2 hash", "$argon2" + "id$v=19$m=65536,t=3,p=4$" + word(22) + "$" + word(43)),
    ("Django argon2 hash", "argon2$argon2" + "id$v=19$m=102400,t=2,p=8$" + word(22) + "$" + word(43)),
    ("bcrypt hash", "$2b" + "$12$" + word(53)),
    ("Django bcrypt hash", "bcrypt_" + "sha256$$2b$12$" + word(53)),
    ("crypt hash", "$6" + "$" + word(16) + "$" + word(86)),
    ("apr1 hash", "$apr1" + "$" + word(8) + "$" + word(22)),
    ("Werkzeug scrypt hash", "scrypt:32768:8:1$" + word(16) + "$" + word(128, HEX)),
    ("Werkzeug pbkdf2 hash", "pbkdf2:sha256:600000$" + word(16) + "$" + word(64, HEX)),
    ("old Django hash", "md5$" + word(12) + "$" + word(32, HEX)),
    ("LDAP hash", "{SSHA}" + word(38) + "=="),
    ("PostgreSQL SCRAM hash", "SCRAM-SHA-256" + "$4096:" + word(24) + "$" + word(43) + ":" + word(43)),
)
_PRIVATE = "PRIVATE" + " KEY"
_PEM = "\n".join(word(64, ALNUM + "+/") for _ in range(4))
_KEYS = tuple(
    Secret(
        kind=f"PEM {kind}",
        text=f"-----BEGIN {kind}-----\n{_PEM}\n-----END {kind}-----",
        hidden=(_PEM[:40], _PEM[-40:]),
    )
    for kind in (
        f"RSA {_PRIVATE}",
        _PRIVATE,
        f"EC {_PRIVATE}",
        f"OPENSSH {_PRIVATE}",
        f"ENCRYPTED {_PRIVATE}",
        f"DSA {_PRIVATE}",
    )
)
_ODD_KEYS = (
    Secret(
        kind="PEM on one line",
        text=f"-----BEGIN {_PRIVATE}-----\\n" + _PEM.replace("\n", "\\n") + f"\\n-----END {_PRIVATE}-----",
        hidden=(_PEM[:40], _PEM[-40:]),
    ),
    Secret(
        kind="PEM cut short", text=f"-----BEGIN RSA {_PRIVATE}-----\n{_PEM}", hidden=(_PEM[:40], _PEM[-40:])
    ),
)


def _named(kind: str, text: str, hidden: str) -> Secret:
    return Secret(kind=kind, text=text.replace("@@", hidden), hidden=(hidden,))


_DATABASES = tuple(
    _named(f"address {scheme}", f"{scheme}://shop:@@@db.internal{rest}", "hun" + word(9))
    for scheme, rest in (
        ("postgresql", ":5432/shop"),
        ("postgres", "/shop?sslmode=require"),
        ("postgresql+psycopg", ":5432/shop"),
        ("mysql", ":3306/shop"),
        ("mysql+pymysql", "/shop?charset=utf8mb4"),
        ("mariadb+mariadbconnector", ":3306/shop"),
        ("mongodb", ":27017/shop?authSource=admin"),
        ("mongodb+srv", "/shop"),
        ("redis", ":6379/0"),
        ("rediss", ":6380/1"),
        ("amqp", ":5672/%2F"),
        ("oracle+oracledb", ":1521/?service_name=shop"),
        ("mssql+pyodbc", ":1433/shop?driver=x"),
        ("clickhouse", ":9000/shop"),
        ("cassandra", ":9042/shop"),
        ("neo4j+s", ":7687"),
        ("elasticsearch", ":9200"),
        ("https", ":8443/git/repo.git"),
        ("ftp", "/pub"),
        ("smtps", ":465"),
        ("ldap", ":389/dc=shop"),
    )
)
_ADDRESSES = (
    _named("address without user", "redis://:@@@cache:6379/0", "hun" + word(9)),
    _named("address with an at sign", "postgres://shop:@@@db:5432/shop", "p@ss" + word(6)),
    _named("address with a slash", "postgres://shop:@@@db:5432/shop", "pa/ss" + word(6)),
    _named("address with a hash", "postgres://shop:@@@db:5432/shop", "pa#ss" + word(6)),
    _named("Go's address", "shop:@@@tcp(db:3306)/shop", "hun" + word(9)),
    _named("libpq", "host=db port=5432 user=shop password=@@ dbname=shop", "hun" + word(9)),
    _named("libpq quoted", "host=db user=shop password='@@' dbname=shop", "hun ter " + word(4)),
    _named("ADO", "Server=db;Database=shop;User Id=sa;Password=@@;Encrypt=true", "hun" + word(9)),
    _named(
        "Azure storage",
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=@@;EndpointSuffix=x",
        word(86) + "==",
    ),
    _named(
        "Azure service bus", "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=@@", word(43) + "="
    ),
    _named("JDBC", "jdbc:postgresql://db/shop?user=shop&password=@@", "hun" + word(9)),
    _named(".pgpass", "db.internal:5432:shop:ann:@@", "hun" + word(9)),
    _named(".netrc", "machine api.shop.example login ann password @@", "hun" + word(9)),
    _named(".npmrc", "//registry.shop.example/:_authToken=@@", word(36)),
    _named("Docker's config", '{"auths": {"reg.shop.example": {"auth": "@@"}}}', _b64("ann:hun" + word(6))),
)
_HEADERS = tuple(
    _named(kind, text, hidden)
    for kind, text, hidden in (
        ("bearer header", "Authorization: Bearer @@", word(40)),
        ("basic header", "Authorization: Basic @@", _b64("ann:" + word(8))),
        ("token header", "Authorization: Token @@", word(40, HEX)),
        ("digest header", 'authorization: Digest username="ann", response="@@"', word(32, HEX)),
        ("signed header", "Authorization: AWS4-HMAC-SHA256 Credential=x, Signature=@@", word(64, HEX)),
        ("bare header", "authorization=@@", word(24)),
        ("proxy header", "Proxy-Authorization: Basic @@", _b64("ann:" + word(8))),
        ("header in a dict", "{'Authorization': 'Bearer @@', 'Accept': '*/*'}", word(40)),
        ("header of ASGI", "[(b'host', b'x'), (b'authorization', b'Bearer @@')]", word(40)),
        ("header in the environ", "'HTTP_AUTHORIZATION': 'Bearer @@'", word(40)),
        ("header in JSON", '{"headers": {"X-Api-Key": "@@"}}', word(32)),
        ("key header", "X-API-Key: @@", word(32)),
        ("token header of its own", "X-Auth-Token: @@", word(32)),
        ("session token header", "x-amz-security-token: @@", word(60)),
        ("subscription header", "Ocp-Apim-Subscription-Key: @@", word(32, HEX)),
        ("CSRF header", "X-CSRFToken: @@", word(64)),
        ("cookie header", "Cookie: theme=dark; sessionid=@@; lang=en", word(32)),
        ("set-cookie header", "Set-Cookie: sessionid=@@; HttpOnly; Path=/", word(32)),
        ("cookie with a quote", 'Cookie: a="b"; auth_tkt=@@', word(32)),
        ("cookie in the environ", "HTTP_COOKIE=lang=en; tkt=@@", word(32)),
        ("bearer in prose", "sent Bearer @@ to billing", word(40)),
        ("PHP session", "PHPSESSID=@@", word(26)),
        ("Java session", "JSESSIONID=@@", word(32, UPPER)),
        ("Express session", "connect.sid=@@", "s%3A" + word(32)),
    )
)
_SYNTAXES = (
    "password=@@",
    "password: @@",
    "password = '@@'",
    'password="@@"',
    "PASSWORD=@@",
    "DB_PASSWORD=@@",
    "db.password=@@",
    "passwd=@@",
    "user_pwd=@@",
    "Passwort: @@",
    "{'password': '@@', 'user': 'ann'}",
    '{"password": "@@", "user": "ann"}',
    '{"password":"@@","user":"ann"}',
    '{"user": {"credentials": {"password": "@@"}}}',
    '"{\\"password\\": \\"@@\\"}"',
    "{'password': b'@@'}",
    "{'password': ['@@']}",
    "[('user', 'ann'), ('password', '@@')]",
    "login(user='ann', password='@@')",
    "login('ann', password=\"@@\")",
    "Account(name='ann', password='@@')",
    "<QueryDict: {'password': ['@@'], 'user': ['ann']}>",
    "MultiDict([('password', '@@')])",
    "user=ann&password=@@&next=%2F",
    "next=%2F&password=@@",
    "body%3Duser%3Dann%26password%3D@@",
    "%7B%22password%22%3A%22@@%22%7D",
    "password => @@",
    "password := '@@'",
    "request.POST['password'] == '@@'",
    "os.environ['DB_PASSWORD'] = '@@'",
    "export SECRET_KEY='@@'",
    "SECRET_KEY = '@@'",
    "client_secret=@@",
    '"client_secret": "@@"',
    "api_key=@@",
    "apikey: @@",
    "API key: @@",
    "access_key=@@",
    "aws_secret_access_key = @@",
    "private_key='@@'",
    "encryption_key=@@",
    "access_token=@@",
    "refresh_token=@@&grant_type=refresh_token",
    "id_token: @@",
    "csrfmiddlewaretoken=@@",
    "csrf_token: '@@'",
    "xsrf=@@",
    "sessionid=@@",
    "session_id: @@",
    "session_key='@@'",
    "auth=@@",
    "auth=('ann', '@@')",
    "smtp_pass=@@",
    "pass: @@",
    "credentials: @@",
    "jwt=@@",
    "code_verifier=@@",
    "recovery_code: @@",
    "security_answer=@@",
    "totp: @@",
    "mysql -u root -p@@ shop",
    "mysqldump -u root -p'@@' shop",
    "curl -u ann:@@ https://x.example/",
    "curl --user 'ann:@@' https://x.example/",
    "sshpass -p @@ ssh ann@host",
    "redis-cli -h cache -a @@ ping",
    "manage.py createuser --password @@ --name ann",
    "manage.py createuser --password=@@",
    "['createuser', '--password', '@@']",
    "run --api-key @@",
    "CREATE USER ann IDENTIFIED BY '@@'",
    "ALTER ROLE ann WITH PASSWORD '@@'",
    "<password>@@</password>",
    "<wsse:Password Type='text'>@@</wsse:Password>",
    "<input type='hidden' name='csrfmiddlewaretoken' value='@@'>",
    '<input type="password" value="@@">',
    "?token=@@",
    "GET /login?next=/&password=@@ HTTP/1.1",
    "https://x.example/cb?code=@@&state=9",
    "https://s3.example/b/k?X-Amz-Signature=@@",
    "Signature=@@",
    "signature: @@",
    "password=@@, user=ann",
    "(password=@@)",
    "password: @@\nuser: ann",
    "psk=@@",
    "SENTRY_DSN=@@",
    "connection_string='@@'",
)
_NAMED = tuple(_named(f"as {text}", text, "Hu7" + word(21)) for text in _SYNTAXES)
_ODD = tuple(
    _named(kind, text, hidden)
    for kind, text, hidden in (
        ("quote inside", "password='it\\'s @@'", "hun" + word(6)),
        ("double quote inside", '{"password": "a\\"@@"}', "hun" + word(6)),
        ("comma inside", "password=a,b,@@", "hun" + word(6)),
        ("brackets inside", "password=a(b)[c]@@", "hun" + word(6)),
        ("apostrophe inside", "password=it's@@", "hun" + word(6)),
        ("short password", "password=@@", "xQ9"),
        ("numeric password", "password: @@", "839201"),
        ("pin", "pin=@@", "4821"),
        ("card code", "cvv: @@", "913"),
        ("one-time password", "otp=@@", "482913"),
        ("code by text message", "Your verification code is @@", "482913"),
        ("login code", "Login code: @@. Do not give it to anyone.", "48291"),
        ("pass phrase", "passphrase: @@", "correct horse battery"),
        ("seed phrase", "seed phrase: @@", "abandon ability able about above absent"),
    )
)


def _spaced(digits: str, sign: str) -> str:
    return sign.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _cards() -> tuple[Secret, ...]:
    numbers = [
        luhn("4929", 16),
        luhn("5211", 16),
        luhn("2345", 16),
        luhn("37", 15),
        luhn("6011", 16),
        luhn("3530", 16),
    ]
    numbers += [luhn("3600", 14), luhn("62", 16), luhn("4", 13)]
    forms = [f"card {number} declined" for number in numbers]
    forms += [f"pan={_spaced(numbers[0], ' ')}", f'{{"pan": "{_spaced(numbers[1], "-")}"}}']
    numbers += [_spaced(numbers[0], " "), _spaced(numbers[1], "-")]
    return tuple(
        Secret(kind=f"card {number[:2]}", text=text, hidden=(number,))
        for number, text in zip(numbers, forms, strict=True)
    )


def _ibans() -> tuple[Secret, ...]:
    accounts = [
        iban("DE", "370400440532013000"),
        iban("GB", "WEST12345698765432"),
        iban("FR", "20041010050500013M02606"),
    ]
    accounts.append(_spaced(iban("NL", "ABNA0417164300"), " "))
    return tuple(
        Secret(kind=f"IBAN {one[:2]}", text=f"paid from {one} today", hidden=(one,)) for one in accounts
    )


def _tokens() -> tuple[Secret, ...]:
    bare = [Secret(kind=kind, text=token, hidden=(token[6:],)) for kind, token in _TOKENS]
    in_prose = [
        Secret(
            kind=f"{kind} in a sentence",
            text=f"call to billing with {token} failed: 401",
            hidden=(token[6:],),
        )
        for kind, token in _TOKENS[::3]
    ]
    return (*bare, *in_prose)


SECRETS = (
    *_tokens(),
    *_KEYS,
    *_ODD_KEYS,
    *_DATABASES,
    *_ADDRESSES,
    *_HEADERS,
    *_NAMED,
    *_ODD,
    *_cards(),
    *_ibans(),
)

HARMLESS = (
    *(
        "added 17 items to cart 42 of user 9",
        "order 10023 paid",
        "SKU-4418-BLUE-XL",
        "invoice INV-2026-000417",
    ),
    *("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "3f0e5a9c-7f0f-4a55-9d7e-2c1f6a0b9d11"),
    *(
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "deployed e72d88e to staging",
        "sha256:" + "ab12" * 16,
    ),
    *("password reset sent", "the token expired", "password changed for user 9", "tokenize the query first"),
    *(
        "invalid credentials",
        "authentication failed for user ann",
        "Access denied for user 'root' (using password: YES)",
    ),
    *(
        "basic authentication is used",
        "bearer authentication is preferred",
        "the session was closed by the peer",
    ),
    *(
        "password=%s",
        "token: {token}",
        "password: str",
        "def login(user: str, password: str) -> bool:",
        "token=None",
    ),
    *(
        "secret santa draw done",
        "keyboard layout changed",
        "monkey patched",
        "key error: 'sku'",
        "KeyError: 'password'",
    ),
    *(
        "cookie_consent=true",
        "token_count=345",
        "max_tokens=4096",
        "input_tokens: 345",
        "password_changed=True",
    ),
    *(
        "tokenizer=bert-base-uncased",
        "csrf_exempt: True",
        "SESSION_COOKIE_SECURE=True",
        "SESSION_COOKIE_AGE: 1209600",
    ),
    *(
        "PASSWORD_RESET_TIMEOUT=259200",
        "session_cookie_name='sid'",
        "auth_method=password",
        "token_type: bearer",
    ),
    *(
        "password_field=user_password",
        "passengers=3",
        "author=ann",
        "compass=north",
        "option=fast",
        "pinned=true",
    ),
    *(
        "grant_type=refresh_token",
        "pass=3",
        "passed=17 failed=0",
        "12 passed, 3 failed",
        "spinner: on",
        "pwd=/srv/app",
    ),
    *(
        '{"password": ["This field is required."]}',
        "password: This password is too common.",
        "token: invalid",
    ),
    *(
        "fields: ('username', 'password', 'email')",
        "SELECT password FROM auth_user WHERE id = ?",
        "token: expired",
    ),
    *(
        'UPDATE "auth_user" SET "password" = %s WHERE "id" = ?',
        "INSERT INTO token (key, user_id) VALUES (?, ?)",
    ),
    *(
        "order 4111111111111112",
        "at 1700000000000000000 ns",
        "tracking 1Z999AA10123456784",
        "ISBN 978-3-16-148410-0",
    ),
    *(
        "phone +49 30 901820",
        "EAN 4006381333931",
        "parcel 00340434161094015902",
        "id 1834567890123456789",
        "zip 10115",
    ),
    *(
        "GET /items/12/ HTTP/1.1",
        "POST /api/v2/tokens/ 201",
        "/accounts/password/reset/done/",
        "/static/js/app.3f2a1b.js",
    ),
    *(
        "what? nothing",
        "https://shop.example/items/12",
        "http://127.0.0.1:8000/health",
        "http://host:80/path/@user",
    ),
    *(
        "mailto:ann@shop.example",
        "ann@shop.example signed in",
        "git@github.com:shop/shop.git",
        "user@host:/srv/app",
    ),
    *(
        "/usr/lib/python3.11/site-packages/django/contrib/auth/tokens.py",
        "shop/orders/services/payment_gateway.py:118",
    ),
    *(
        "shop.accounts.views.PasswordResetConfirmView",
        "django.contrib.auth.password_validation",
        "rest_framework.authtoken",
    ),
    *(
        "2026-11-24T17:15:00.123456+00:00",
        "2026-11-24 17:15:00,123",
        "1764004500.123456",
        "127.0.0.1 - - [24/Nov/2026]",
    ),
    *(
        "ratio 0.30000000000000004",
        "-122.41941550000001",
        "3.141592653589793",
        "0xdeadbeef",
        "0x7f9c2ba4e880",
    ),
    *(
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1ff:fe23:4567:890a",
        "00:1B:44:11:3A:B7",
        "10.0.0.0/8",
    ),
    *(
        "retrying in 4.0 s (attempt 2 of 5)",
        "timeout=30",
        "connect timeout: 3.05",
        "status: 404",
        "level=info msg=ok",
    ),
    *(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "application/problem+json; charset=utf-8",
        "text/html",
    ),
    *(
        "ValueError: invalid literal for int() with base 10: 'abc'",
        "IntegrityError: UNIQUE constraint failed: user.email",
    ),
    *(
        "Unexpected token '<' in JSON at position 0",
        "SyntaxError: invalid syntax",
        "ZeroDivisionError: division by zero",
    ),
    *("unexpected token at line 3", "CSRF verification failed. Request aborted.", "CSRF cookie not set."),
    *(
        "Forbidden (CSRF token missing.): /checkout/",
        "JWT is malformed",
        "API key is missing",
        "secret not found",
    ),
    *(
        "Not authenticated",
        "authorization required",
        "the cookie jar is empty",
        "cookies are disabled",
        "digest mismatch",
    ),
    *(
        "Basic tier",
        "basic plan chosen",
        "token ring",
        "bearer of news",
        "pin the version",
        "pin to core 3",
        "pass it on",
    ),
    *(
        "code 404",
        "code: E1234",
        "exit code 3",
        "status code 200",
        "postal code 10115",
        "coupon code SUMMER",
        "country code DE",
    ),
    *(
        "key=42",
        "key: value",
        "cache key user:9",
        "foreign key constraint fails",
        "primary key id",
        "sort_key=name",
    ),
    *(
        "session started",
        "session expired after 30 min",
        "auth service is up",
        "auth_user",
        "author: ann",
        "authors=3",
    ),
    *(
        "a" * 64,
        "=" * 40,
        "-" * 60,
        "x" * 20,
        "0123456789",
        "lorem ipsum dolor sit amet",
        "Grüße aus Köln",
        "日本語のログ",
        "",
    ),
    *(
        "worker-7f9c6b5d4-x2x9z",
        "shop-api-6c9f8d7b5c-abcde",
        "ip-10-0-12-34.eu-central-1.compute.internal",
        "i-0abcd1234ef567890",
    ),
    *(
        "arn:aws:s3:::shop-assets",
        "s3://shop-assets/img/12.png",
        "gs://shop/backup",
        "sha1 mismatch",
        "md5 sum differs",
    ),
    *(
        "cus_9s6XKzkNRiz8i3",
        "acct_1032D82eZvKYlo2C",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "evt_1NG8Du2eZvKYlo2CUI79vXWy",
    ),
    *(
        "price $12.50",
        "$5 off",
        "100 % of $200$",
        "C:\\shop\\app.py",
        "a=b",
        "x = y + z",
        "1,234,567.89 EUR",
        "50 %",
    ),
    *(
        "task shop.tasks.send_receipt[3f0e5a9c-7f0f-4a55-9d7e-2c1f6a0b9d11] succeeded",
        "celery@worker-1 ready.",
        "tick",
    ),
    *(
        "Traceback (most recent call last):",
        '  File "/srv/shop/views.py", line 12, in checkout',
        "    return total / count",
    ),
    *(
        "sk-learn is installed",
        "re_path used",
        "pk=12",
        "gh-pages built",
        "npm install",
        "pypi mirror",
        "hf_dataset",
        "dapi",
        "glad",
    ),
    *(
        "resource_type=host",
        "service_account=default",
        "customer_pin_count=3",
        "shopping=1",
        "mfa_enabled=false",
        "otp_required: no",
    ),
)
