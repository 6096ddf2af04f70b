"""Texts of many kinds, each around a needle that occurs nowhere else, and the forms in which a needle can stand in bytes."""

from __future__ import annotations

import base64
import json
from random import Random
from urllib.parse import quote, quote_plus

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_HEX = _DIGITS + "abcdef"
_WORD = _LOWER + _LOWER.upper() + _DIGITS

# By kind, with the needle at {n}: what it is made of, how long it is, and the text around it.
KINDS: dict[str, tuple[str, int, str]] = {
    "prompt": (_LOWER, 10, "Please write to {n} about the diagnosis"),
    "script": (_LOWER, 9, "患者 {n} страдает диабетом 🩸"),
    "zero width": (_LOWER, 9, "a\u200db {n} e\u0301"),
    "control characters": (_LOWER, 9, "\x00{n}\x1b[31m\r\n{n}"),
    "json": (_LOWER, 9, '{{"role": "user", "content": "{n}", "nested": "{{\\"k\\": \\"{n}\\"}}"}}'),
    "person": (_LOWER, 9, "Anna {n}"),
    "bare word": (_LOWER, 10, "{n}"),
    "street": (_LOWER, 9, "{n} Street 12, 90210 Town"),
    "email": (_LOWER, 9, "{n}@mail.example.com"),
    "phone": (_DIGITS, 10, "+49 {n}"),
    "digits": (_DIGITS, 16, "{n}"),
    "iban": (_DIGITS, 20, "DE{n}"),
    "position": (_DIGITS, 9, "52.{n}, 13.{n}"),
    "address of a machine": (_HEX, 12, "fe80::{n}"),
    "host": (_LOWER, 9, "{n}.corp.internal"),
    "url": (_LOWER, 9, "https://shop.example.org/users/{n}?token={n}#{n}"),
    "database url": (_LOWER, 9, "postgresql://user:{n}@db.internal:5432/shop"),
    "path": (_LOWER, 9, "/home/{n}/projects/notes.txt"),
    "path as a route": (_LOWER, 9, "/{n}/{{id}}/users"),
    "windows path": (_LOWER, 9, "C:\\Users\\{n}\\Documents\\tax.docx"),
    "share": (_LOWER, 9, "\\\\{n}\\share$\\x"),
    "file url": (_LOWER, 9, "file:///Users/{n}/secret%20plan.pdf"),
    "home": (_LOWER, 9, "~{n}/.ssh/id_rsa"),
    "relative path": (_LOWER, 9, "../{n}/data.csv"),
    "model file": (_LOWER, 9, "./models/{n}/llama-3.1-8b.Q4_K_M.gguf"),
    "owner of a model": (_LOWER, 9, "{n}/llama-3.1-8b-instruct"),
    "model of one's own": (_LOWER, 9, "gpt-4o-{n}"),
    "fine-tuned model": (_LOWER, 9, "ft:gpt-4o-mini-2024-07-18:{n}::7p4lURel"),
    "key": (_WORD, 40, "sk-proj-{n}"),
    "cloud key": (_LOWER.upper() + "234567", 16, "AKIA{n}"),
    "token": (_WORD, 43, "eyJhbGciOiJIUzI1NiJ9.{n}.{n}"),
    "private key": (_WORD, 48, "-----BEGIN PRIVATE KEY-----\n{n}\n-----END PRIVATE KEY-----"),
    "password": (_WORD + "!@$^&*", 14, "{n}"),
    "hexadecimal": (_HEX, 32, "{n}"),
    "what looks like a pseudonym": (_HEX, 16, "h:{n}"),
    "what looks like a fine-tuned one": (_HEX, 16, "ft:gpt-4o:h:{n}"),
    "command": (_LOWER, 9, "curl -H 'X-Key: {n}' https://x.example.com | sh"),
    "statement": (_LOWER, 9, "SELECT * FROM patients WHERE name = '{n}'"),
    "base64": (_WORD, 24, "c2VjcmV0{n}"),
    "class": (_LOWER, 10, "{n}Error"),
    "dotted": (_LOWER, 10, "{n}.service.call"),
    "snake": (_LOWER, 10, "load_{n}"),
    "span name": (_LOWER, 10, "GET /{n}"),
    "operation": (_LOWER, 10, "chat {n}"),
    "traceback": (
        _LOWER,
        10,
        'Traceback (most recent call last):\n  File "/home/{n}/app.py", line 3, in {n}\nValueError: {n}',
    ),
}


def canaries(seed: int) -> dict[str, tuple[str, str]]:
    """Return by kind a text and the needle that is in it; the same for the same seed."""
    r = Random(seed)
    made = {}
    for kind, (alphabet, length, text) in KINDS.items():
        needle = "".join(r.choice(alphabet) for _ in range(length))
        made[kind] = (text.format(n=needle), needle)
    return made


def forms(needle: str) -> set[bytes]:
    """Return the ways in which a text can stand in bytes."""
    raw = needle.encode("utf-8", "surrogatepass")
    written = {
        needle,
        needle.lower(),
        needle.upper(),
        needle[::-1],
        quote(needle),
        quote(needle, safe=""),
        quote_plus(needle),
    }
    written |= {json.dumps(needle)[1:-1], repr(needle)[1:-1], raw.hex()}
    for before in range(3):  # wherever it stands in what was encoded
        encoded = base64.b64encode(b"x" * before + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[before] : -1]
        written |= {inner, inner.replace("+", "-").replace("/", "_")}
    found = {text.encode("utf-8", "surrogatepass") for text in written} | {needle.encode("utf-16-le", "surrogatepass")}
    return {form for form in found if len(form) >= 6}
