"""A repair loop around pydantic: the model is told what its answer broke, and the trace is told by which rule.

    python examples/repair_pydantic.py && spanguard show

It needs `openai` and `pydantic`. The SDK is the real one; the server is on this machine and answers badly on purpose.
"""

from __future__ import annotations

import json
from typing import get_args

from openai import DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

import spanguard
from spanguard import declare, traced_llm_call, traced_repair
from spanguard.cli.demo.server import DemoServer, Step

MODEL = "gpt-5.2"
LETTER = "Dear Ms Smith, as agreed: twelve lamps and two chairs, for the Harbour Inn. No discount this time!"


class Line(BaseModel):
    """One line of an order."""

    article: str
    pieces: PositiveInt


class Order(BaseModel):
    """What the model is asked to find in a letter."""

    model_config = ConfigDict(extra="forbid")
    customer: str
    lines: list[Line]


# A rule is the type of pydantic's error and the path of the field. Both are words of this program, so all that there can
# be are declared. A field that the model made up is not among them: it is shown as a pseudonym, and so it should be.
FIELDS = ("customer", "lines", "lines.*.article", "lines.*.pieces")
declare(*get_args(ErrorType), *(f"{kind}:{field}" for kind in get_args(ErrorType) for field in FIELDS))

GOOD = {"customer": "Harbour Inn", "lines": [{"article": "lamp", "pieces": 12}, {"article": "chair", "pieces": 2}]}
WRONG = {"lines": [{"article": "lamp", "pieces": "a dozen"}, {"article": "chair", "pieces": 2}]}
SCRIPT = {
    "order": [
        Step(json.dumps(GOOD), "invalid_json"),
        Step(json.dumps(WRONG)),
        Step(json.dumps({**GOOD, "ms_smith_discount": 0})),
        Step(json.dumps(GOOD)),
    ]
}


def rule(error: ErrorDetails) -> str:
    """Name the rule behind an error of pydantic's; never its message and never its input, which the model wrote."""
    path = ".".join("*" if isinstance(part, int) else part for part in error["loc"])
    return f"{error['type']}:{path}" if path else error["type"]


@traced_llm_call(provider="openai", model=MODEL)
def ask(client: OpenAI, messages: list[ChatCompletionMessageParam]) -> ChatCompletion:
    """Ask once."""
    return client.chat.completions.create(model=MODEL, messages=messages, metadata={"job": "order"})


def read_order(client: OpenAI, letter: str) -> Order | None:
    """Ask for the order in a letter until it is valid, at most five times."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": f"Answer in JSON, by this schema: {Order.model_json_schema()}"},
        {"role": "user", "content": letter},
    ]
    with traced_repair("read_order") as repair:
        for attempt in repair.attempts(5):
            with attempt:
                text = ask(client, messages).choices[0].message.content or ""
                try:
                    order = Order.model_validate_json(text)
                except ValidationError as error:
                    for each in error.errors():
                        attempt.validated("order_schema", passed=False, rule=rule(each), action="retried")
                    messages.append({"role": "assistant", "content": text})
                    messages.append({"role": "user", "content": f"This is wrong: {error.json(include_url=False)}"})
                else:
                    attempt.validated("order_schema", passed=True)
                    return order
    return None


def main() -> None:
    """Configure, and read one letter."""
    spanguard.configure(service_name="repair_pydantic")
    server = DemoServer(SCRIPT)
    try:
        # There is no proxy on the way to this machine.
        here = DefaultHttpxClient(trust_env=False)
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0, http_client=here)
        print(read_order(client, LETTER))
    finally:
        server.close()


if __name__ == "__main__":
    main()
