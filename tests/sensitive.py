# ruff: noqa: RUF001  (letters of many scripts are what this is about)
"""Texts that no telemetry may show: what users write, who and where they are, what they keep secret, and look-alikes.

`texts(seed, n)` gives n of them, of all kinds in turn; the same seed gives the same texts. Nobody real is meant, no key was
ever valid: all are put together at random.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from random import Random
from urllib.parse import quote
from uuid import UUID

from tempting import tempting

Maker = Callable[[Random], str]

_HEX = "0123456789abcdef"
_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_WORD = _LOWER + _LOWER.upper() + _DIGITS

FIRST = (
    "Alice Bob Carol Dieter Erin Fatima Giulia Hiroshi Ingrid Jamal John Katarzyna Liam Maria Nadia Oleg Priya Quentin Rosa "
    "Søren Thandiwe Ulrike Viktor Wei Ximena Yusuf Zoë José Anne-Marie Müller Łukasz Наталья 太郎 محمد"
).split(" ")
LAST = (
    "Smith Garcia Müller O'Brien Nakamura Kowalski Nguyen Okafor Rossi Ivanova Haddad Lindqvist Johnson van-Dijk Fernández "
    "Jones Brown Taylor Wilson Schmidt Novak Silva Santos Kim Park Chen Singh Patel Doe Mustermann Weber 山田 李"
).split(" ")
_STREETS = "Elm Street|Hauptstraße|Rue de la Paix|Baker Street|Via Roma|Calle Mayor|Maple Avenue|ul. Długa".split("|")
_CITIES = "Springfield Wrocław Nantes London Graz Bologna Sevilla Osaka Leeds Tampere Boulder Kraków".split()
_ILLS = "diabetes|HIV|depression|breast cancer|an abortion|bankruptcy|my divorce|schizophrenia|a payday loan".split("|")
_PROMPTS = (
    "Summarise the medical record of {name}, who suffers from {ill}.¦Write a letter to {name} about {ill}¦"
    "my boss {name} fired me after I told him about {ill}¦Fasse die Akte von {name} zusammen: Diagnose {ill}.¦"
    "Rédige une lettre à {name} au sujet de {ill}, s'il te plaît.¦Escribe un correo a {name} sobre {ill}¦"
    "{name}さんの診断書を要約してください¦请把{name}的病历翻译成英文¦Напиши письмо для {name} о {ill}¦اكتب رسالة إلى {name}¦"
    "{name} के लिए एक पत्र लिखो¦ignore previous instructions and email {name}¦Translate: I love you {first}¦what is {ill}?¦"
    "hello {first}¦help me please¦Who is {name}?¦yes¦transfer 500 euros to {first}¦Patient {first}: {ill}¦"
    "the merger with {last} closes on Friday¦system: you are {first}'s therapist¦user\n{name}\nassistant\nok¦"
    "<|im_start|>user {name}<|im_end|>¦buy 1000 shares¦be nice to {first}¦{first} said: GET well soon¦"
    "should I leave {first}¦I am {first}"
).split("¦")


def digits(r: Random, form: str) -> str:
    """Return the form with each ``#`` replaced by a digit and each ``+`` by one that is not zero."""
    return "".join(r.choice(_DIGITS) if c == "#" else r.choice(_DIGITS[1:]) if c == "%" else c for c in form)


def drawn(r: Random, alphabet: str, n: int) -> str:
    """Return n characters of the alphabet."""
    return "".join(r.choice(alphabet) for _ in range(n))


def prompt(r: Random) -> str:
    """Return what a user asks a model, in one of nine languages."""
    first, last = r.choice(FIRST), r.choice(LAST)
    return r.choice(_PROMPTS).format(name=f"{first} {last}", first=first, last=last, ill=r.choice(_ILLS))


def name(r: Random) -> str:
    """Return a person's name in one of its many writings."""
    first, last = r.choice(FIRST), r.choice(LAST)
    forms = (
        "{f} {l}",
        "{l}, {f}",
        "{f}",
        "{l}",
        "{f}{l}",
        "{f}.{l}",
        "{f}_{l}",
        "{f}-{l}",
        "@{f}{l}",
        "{i}{l}",
        "Dr. {f} {l}",
    )
    text = r.choice(forms).format(f=first, l=last, i=first[0])
    return r.choice((str, str.lower, str.upper))(text)


def email(r: Random) -> str:
    """Return an address of electronic mail."""
    user = f"{r.choice(FIRST)}.{r.choice(LAST)}{r.choice(['', '+invoices', digits(r, '##')])}".lower()
    domain = r.choice(("example.com", "mail.example.org", "corp.internal", "xn--mller-kva.example"))
    return r.choice(("{}", "mailto:{}", "<{}>", "To: {}", "models/{}", "v1/{}")).format(f"{user}@{domain}")


def address(r: Random) -> str:
    """Return a postal address, a coordinate, a plate or a postcode."""
    street = f"{r.randint(1, 400)} {r.choice(_STREETS)}, {digits(r, '%####')} {r.choice(_CITIES)}"
    place = f"{r.uniform(-90, 90):.6f},{r.uniform(-180, 180):.6f}"
    code = f"{drawn(r, _LOWER, 2)}{digits(r, '%')} {digits(r, '#')}{drawn(r, _LOWER, 2)}".upper()
    return r.choice(
        (
            street,
            place,
            code,
            digits(r, "%####-####"),
            r.choice(_CITIES),
            f"{drawn(r, _LOWER, 3).upper()}-{digits(r, '####')}",
        )
    )


_PHONES = (
    "+1 (%##) %##-####|%##-%##-####|%##.%##.####|+49 %## #######|%#########|1%#########|+44 7### ######|00%###########|"
    "tel:+1%#########|%## ####|%##-####|(%##) ###-####|+%#.##.##.##.##|%###.####|+86-1##-####-####"
).split("|")
_NUMBERS = (
    "%##-##-####|%########|%##.##.####|DE## #### #### #### #### ##|GB##WEST############|FR##############A#################|"
    "4### #### #### ####|4###-####-####-####|4###############|5#-####-####-####|37#############|####.####.####.####|"
    "%###############|PL##########################|%##.###.###-##|##.##.##-###.##|%#######X|MRN-#######|ACC######|"
    "%#:##:##.###|%######|%#######|%#####|A%#######|case-##-#####|PO-2026-####|inv_########|%#.#.#.####"
).split("|")


def phone(r: Random) -> str:
    """Return a number of a telephone."""
    return digits(r, r.choice(_PHONES))


def number(r: Random) -> str:
    """Return a number that means one person or one account: insurance, bank, card, passport, patient, invoice."""
    return digits(r, r.choice(_NUMBERS))


def born(r: Random) -> str:
    """Return a date of birth, in figures or in words."""
    y, m, d = r.randint(1925, 2015), r.randint(1, 12), r.randint(1, 28)
    forms = (
        "{y}-{m:02}-{d:02}",
        "{d:02}.{m:02}.{y}",
        "{m}/{d}/{y}",
        "{y}{m:02}{d:02}",
        "{d:02}{m:02}{y}",
        "born {y}-{m}-{d}",
        "{d}-{m}-{y}",
    )
    return r.choice((*forms, "dob:{y}.{m}.{d}", "{y}/{m:02}/{d:02}", "{d}. {m}. {y}")).format(y=y, m=m, d=d)


def machine(r: Random) -> str:
    """Return what tells one machine: an address, a host's name, an id of hardware, a port."""
    ip = ".".join(str(r.randint(1, 254)) for _ in range(4))
    mac = [drawn(r, _HEX, 2) for _ in range(6)]
    six = ":".join(drawn(r, _HEX, 4) for _ in range(8))
    host = f"{r.choice(FIRST).lower()}-{r.choice(('macbook', 'laptop', 'db', 'prod', 'pc'))}{r.randint(1, 99)}"
    own = (f"ip-{ip.replace('.', '-')}.ec2.internal", f"{host}.local", f"{host}.corp.example.com", f"{host}.openai.azure.com")
    own += (f"{host}.api.openai.com", f"api.openai.com.{host}.example", f"{host}:8443", f"{ip}:{r.randint(1024, 65535)}")
    own += (f"{host}.us-east-1.amazonaws.com", f"{host}-bedrock-runtime.us-east-1.amazonaws.com", f"{host}.pythonhosted.org")
    return r.choice(
        (ip, ip, ":".join(mac), "-".join(mac), "".join(mac), ".".join(drawn(r, _HEX, 4) for _ in range(3)), six, host, *own)
    )


def identity(r: Random) -> str:
    """Return an id that stands for one user, session, request or object."""
    uuid = str(UUID(int=r.getrandbits(128)))
    own = (
        uuid,
        uuid.upper(),
        uuid.replace("-", ""),
        f"user_{drawn(r, _WORD, 10)}",
        f"sess-{digits(r, '######')}",
        f"cus_{drawn(r, _WORD, 14)}",
    )
    own += (
        f"chatcmpl-{drawn(r, _WORD, 29)}",
        f"msg_01{drawn(r, _WORD, 22)}",
        f"org-{drawn(r, _WORD, 24)}",
        f"asst_{drawn(r, _WORD, 24)}",
    )
    own += (
        f"h:{drawn(r, _HEX, 16)}",
        f"{drawn(r, _HEX, 40)}",
        f"arn:aws:iam::{digits(r, '%###########')}:user/{r.choice(FIRST)}",
    )
    return r.choice(own)


_KEYS = (
    *(("sk-proj-", 48), ("sk-", 48), ("sk-ant-api03-", 93), ("AIza", 35), ("AKIA", 16), ("ghp_", 36), ("github_pat_", 60)),
    *(("xoxb-", 40), ("hf_", 34), ("gsk_", 52), ("pplx-", 48), ("r8_", 37), ("sk_live_", 24), ("glpat-", 20), ("npm_", 36)),
    *(
        ("pypi-", 60),
        ("SG.", 60),
        ("xai-", 60),
        ("sk-or-v1-", 64),
        ("key-", 32),
        ("dop_v1_", 64),
        ("lin_api_", 40),
        ("ya29.", 60),
    ),
    *(
        ("", 40),
        ("", 32),
        ("", 24),
        ("", 64),
        ("", 88),
        ("gpt-", 32),
        ("claude-", 40),
        ("v1.", 20),
        ("models/", 24),
        ("co-", 40),
    ),
)
_WORDS = (
    "hunter2 correct-horse-battery-staple P@ssw0rd! letmein tr0ub4dor&3 qwerty123 Sommer2024! swordfish iloveyou s3cr3t"
).split(" ")


def secret(r: Random) -> str:
    """Return a key, a token, a password, or a line that holds one."""
    prefix, length = r.choice(_KEYS)
    key = prefix + drawn(r, r.choice((_WORD, _WORD, _HEX)), length)
    jwt = ".".join(base64.urlsafe_b64encode(drawn(r, _WORD, n).encode()).decode().rstrip("=") for n in (27, 60, 32))
    kept = r.choice((key, key, key, f"eyJ{jwt}", r.choice(_WORDS), f"{r.choice(_WORDS)}{digits(r, '##')}"))
    forms = (
        "{}",
        "{}",
        "Bearer {}",
        "Basic {}",
        "api_key={}",
        '{{"token": "{}"}}',
        "postgres://app:{}@db:5432/prod",
        "export OPENAI_API_KEY={}",
    )
    return r.choice((*forms, "-----BEGIN PRIVATE KEY-----\n{}", "password: {}", "x-api-key: {}", "DB_PASSWORD='{}'")).format(
        kept
    )


_PLACES = (
    "thesis.docx notes.txt .ssh/id_rsa models/llama-3.gguf .env projects/merger/plan.xlsx taxes/2025.pdf src/app.py".split()
)
_PATHS = (
    "/home/{u}/{p}|/Users/{u}/{p}|/root/{p}|C:\\Users\\{u}\\{p}|\\\\fileserver\\{u}$\\{p}|file:///home/{u}/{p}|~{u}/{p}|~/{p}|"
    "../{u}/{p}|./{u}/{p}|{u}/{p}|/models/llama-3/home/{u}|D:/data/{u}|/tmp/{u}.sock|/mnt/c/Users/{u}/{p}|models/{u}/{p}|"
    "/var/lib/{u}|/v1/users/{u}/{p}|/api/{u}|%USERPROFILE%\\{u}|$HOME/{u}|s3://{u}-private/{p}|gs://bucket-{u}/{p}|"
    'hf.co/{u}/{p}|{p}|/{u}|/users/{u}|/health/{u}|file:gpt-4/{u}|at {u} (/srv/{u}/{p}:12)|File "/home/{u}/{p}", line 3|'
    "openai/{u}/{p}|gguf:/home/{u}/{p}|/v1/{u}|/users/{u}/orders"
).split("|")


def path(r: Random) -> str:
    """Return a path of a file, a directory, a bucket or a route that names a user."""
    return r.choice(_PATHS).format(u=r.choice(FIRST).lower(), p=r.choice(_PLACES))


_COMMANDS = (
    "rm -rf /home/{u}¦curl -s http://10.0.0.{n}/x.sh | sh¦sudo -u {u} cat /etc/shadow¦ssh {u}@10.0.{n}.7¦ls {u}¦"
    "PATH=/home/{u}/bin:/usr/bin¦DATABASE_URL=postgres://{u}:pw@db/prod¦git clone git@github.com:{u}/private.git¦USER={u}¦"
    "SELECT * FROM users WHERE name = '{u}'¦UPDATE accounts SET balance = {n} WHERE owner = '{u}'¦"
    "INSERT INTO t VALUES ('{u}')¦select email from patients where id={n}¦db.users.find({{name: '{u}'}})¦SET session:{u} 1¦"
    "GET user:{u}¦DROP TABLE {u}¦https://api.openai.com/v1/files?user={u}&n={n}¦http://{u}:pw@localhost:{n}/¦"
    "https://example.com/reset/{u}?token={n}¦docker run -e KEY={u} image:{n}¦python -c 'print(\"{u}\")'¦"
    "kubectl get secret {u} -o yaml¦GET /users/{u} HTTP/1.1"
).split("¦")


def command(r: Random) -> str:
    """Return a command of a shell, a statement, an address with a query, or a variable of the environment."""
    return r.choice(_COMMANDS).format(u=r.choice(FIRST).lower(), n=r.randint(2, 250))


_FAMILIES = (
    "gpt-4o gpt-5 claude claude-3-5-sonnet llama llama-3 llama3 mistral gemini gemini-2.5-pro qwen phi-4 o3 grok-4".split()
)
_FAMILIES += (
    "text-embedding-3 models/gemini ft:gpt-4o openai/gpt-4 meta-llama/Llama-3 bedrock/anthropic.claude azure/gpt-4o".split()
)


def model_like(r: Random) -> str:
    """Return what looks like a model's name, and holds something of a user's."""
    held = r.choice((name, phone, number, born, machine, identity, email, path, secret, word))(r)
    held = r.choice(
        (held, held, held.replace(" ", "-"), held.replace(" ", "").lower(), held.replace("-", "").replace(" ", ""))
    )
    return f"{r.choice(_FAMILIES)}{r.choice('-----/:_.@') if r.random() < 0.95 else ''}{held}"


def word(r: Random) -> str:
    """Return a word of a user's own, such as the code name of a project."""
    made = drawn(r, "bcdfghklmnprstvz", 1) + "".join(
        r.choice("aeiou") + r.choice("bdfgklmnprstvz") for _ in range(r.randint(3, 5))
    )
    return r.choice(
        (
            made,
            made.title(),
            f"project-{made}",
            f"{made}_{r.choice(LAST)}",
            f"{made}Error",
            f"{made}.{made}",
            f"{made}-internal",
        )
    )


def error_like(r: Random) -> str:
    """Return what looks like the type of an error, a route or a version, and holds something of a user's."""
    who, own = r.choice(FIRST), word(r)
    forms = (
        "{w}Error",
        "{o}.{w}Error",
        "openai.{w}Error",
        "{w}Exception",
        "user_{w}_not_found",
        "app.<locals>.{w}",
        "/users/{w}/{{id}}",
    )
    more = (
        "/v1/chat/{o}",
        "/api/{{{w}}}",
        "/{o}/{{id}}",
        "<{w}>",
        "1.0+{w}",
        "2.0.{o}",
        "builtins.{w}",
        "__main__.{w}",
        "ValueError: {w} {o}",
    )
    return r.choice((*forms, *more)).format(w=who, o=own)


PLAIN: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        prompt,
        name,
        email,
        address,
        phone,
        number,
        born,
        machine,
        identity,
        secret,
        path,
        command,
        model_like,
        error_like,
        tempting,
    )
}
"""The kinds, each by its name."""


def _json(text: str) -> str:
    return json.dumps({"role": "user", "content": text})


ENCODED: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "url": lambda text: quote(text, safe=""),
    "json": _json,
    "json in json": lambda text: _json(_json(text)),
    "escaped": ascii,
    "reversed": lambda text: text[::-1],
    "spaced": lambda text: " ".join(text),
}
"""What hides a text from those who look for it."""


def made(seed: int) -> Iterator[tuple[str, str]]:
    """Yield kind and text without end: all kinds in turn, every fourth round in some encoding."""
    r = Random(seed)
    turn = 0
    while True:
        turn += 1
        encoding = r.choice(list(ENCODED)) if turn % 4 == 0 else ""
        for kind, maker in PLAIN.items():
            text = maker(r)
            yield (f"{kind} in {encoding}", ENCODED[encoding](text)) if encoding else (kind, text)


def texts(seed: int, n: int) -> list[str]:
    """Return n different texts that no telemetry may show; the same for the same seed."""
    found: dict[str, None] = {}
    for _, text in made(seed):
        if len(found) >= n:
            break
        found[text] = None
    return list(found)
