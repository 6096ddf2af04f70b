"""What the demo's server answers to each job of the demo's program, and what it spoils on the way."""

from __future__ import annotations

import json
from typing import Final

from spanguard.cli.demo.server import Script, Step


def _invoice(number: int, supplier: str, total: float) -> str:
    return json.dumps({"number": number, "supplier": supplier, "currency": "EUR", "total": total})


_SHELVES: Final = _invoice(3, "Atelier Blanc", 1480)
_PLANTS: Final = _invoice(7, "Grünwerk", 96)
_SHIPPING: Final = "shipping"
_STORAGE: Final = "Storage will cost three per cent more from January, without a change to contracts."
_APOLOGY: Final = "We are sorry about the scratch; a new screen is on its way, and the old one can stay with you."

SCRIPT: Final[Script] = {
    "invoice-1": [Step(_invoice(1, "Nordlicht GmbH", 89), delay=0.07)],
    "invoice-2": [Step(_invoice(2, "Papyrus & Sons", 212), delay=0.11)],
    "invoice-3": [
        Step(_SHELVES, "invalid_json", delay=0.12),
        Step(_SHELVES, "rate_limited", delay=0.02),
        Step(_SHELVES, "schema_violation", delay=0.16),
        Step(_SHELVES, delay=0.14),
    ],
    "invoice-4": [Step(_invoice(4, "Kaffeekontor", 174), delay=0.08)],
    "invoice-5": [Step(_invoice(5, "Hafen Logistik", 560), delay=0.09)],
    "invoice-6": [Step(_invoice(6, "Druckerei Vogt", 733), delay=0.12)],
    "invoice-7": [Step(_PLANTS, "schema_violation", delay=0.1), Step(_PLANTS, delay=0.13)],
    "invoice-8": [Step(_invoice(8, "Elektro Sander", 1122), delay=0.1)],
    "ticket-1": [Step(_SHIPPING)],
    "ticket-2": [Step("accounts", delay=0.03)],
    "ticket-3": [Step("billing", "rate_limited", delay=0.01, retry_after=0.2), Step("billing")],
    "ticket-4": [Step("returns", "server_error", delay=0.02)] * 3,
    "ticket-5": [Step("accounts", "hang"), Step("accounts", delay=0.04)],
    "ticket-6": [Step(_SHIPPING, delay=0.06)],
    "letter-1": [Step("The shelves come on the twelfth: the carrier lacks drivers.", "slow_stream", pause=0.04)],
    "letter-2": [Step(_STORAGE, "server_error", delay=0.02), Step(_STORAGE, "slow_stream", pause=0.01)],
    "reply-1": [Step(_APOLOGY, delay=0.15)],
    "reply-2": [Step("", "content_filter", delay=0.06)] * 2,
}
REQUESTS: Final = sum(len(steps) for steps in SCRIPT.values())
"""How many requests the program makes, if all goes as written here."""
