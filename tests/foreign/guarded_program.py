"""A program that uses everything at once, with a text of a user's in every place where one can be. Run by test_privacy.

Arguments: the text, the address of a server that answers everything and keeps the headers it was sent.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from contextlib import suppress
from typing import Any

import flask
import httpx
import openai
import requests
import sqlalchemy
from fastapi import FastAPI
from opentelemetry import baggage, context, metrics, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

import spanguard

SECRET, SERVER = sys.argv[1:]


def web() -> None:
    """Serve a request with each framework, and ask with each client."""
    app = FastAPI()

    @app.get("/users/{user_id}")
    def user(user_id: str, q: str) -> dict[str, str]:
        if q == "fail":
            raise ValueError(SECRET)
        return {"user": user_id}

    FastAPIInstrumentor.instrument_app(app, http_capture_headers_server_request=[".*"])

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-note": SECRET}) as client:
            await client.get(f"/users/{SECRET}", params={"q": SECRET})
            await client.get("/users/7", params={"q": "fail"})

    asyncio.run(ask())
    small = flask.Flask("shop")
    small.add_url_rule("/orders/<int:order_id>", view_func=lambda order_id: str(order_id), endpoint="order")
    FlaskInstrumentor().instrument_app(small)
    small.test_client().get("/orders/7", query_string={"q": SECRET}, headers={"user-agent": SECRET})
    httpx.get(f"{SERVER}/things/{SECRET}", params={"token": SECRET}, headers={"authorization": "Bearer x"})
    requests.get(f"{SERVER}/things/{SECRET}", params={"token": SECRET}, timeout=5)
    for client in (httpx, requests):
        with suppress(Exception):
            client.get(f"http://127.0.0.1:9/{SECRET}?token={SECRET}", timeout=1)


def databases() -> None:
    """Run statements that hold a text, and some that fail."""
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT :x"), {"x": SECRET})
        with suppress(Exception):
            connection.execute(sqlalchemy.text("SELECT * FROM missing WHERE name = '" + SECRET.replace("'", "''") + "'"))
    plain = sqlite3.connect(":memory:")
    plain.execute("SELECT '" + SECRET.replace("'", "''") + "'")
    with suppress(sqlite3.Error):
        plain.execute(f'SELECT "{SECRET}" FROM nowhere')
    plain.close()


def models() -> None:
    """Call a model with a text, and be told no by a server that repeats it."""
    client = openai.OpenAI(api_key="sk-none", base_url=f"{SERVER}/v1", max_retries=1)

    @spanguard.traced_llm_call
    def ask(prompt: str, model: str) -> Any:
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}], user=SECRET)

    ask(SECRET, model="gpt-4o-mini")
    ask(SECRET, model=SECRET)
    with suppress(openai.OpenAIError):
        ask(f"echo {SECRET}", model="gpt-4o-mini")
    with spanguard.association(user=SECRET, space=SECRET, role=SECRET), spanguard.traced_repair(SECRET) as repair:
        for attempt in repair.attempts(2):
            with attempt:
                attempt.validated(SECRET, passed=False, rule=SECRET)


def logs() -> None:
    """Log a text in every way."""
    logger = logging.getLogger(f"shop.{SECRET}")
    logger.setLevel("INFO")
    logger.addHandler(LoggingHandler())
    logger.propagate = False
    logger.warning("hello %s", SECRET, extra={"note": SECRET})
    logger.info({"text": SECRET})
    try:
        raise KeyError(SECRET)
    except KeyError:
        logger.exception(SECRET)


def api() -> None:
    """Use OpenTelemetry directly."""
    token = context.attach(baggage.set_baggage("user", SECRET))
    tracer, meter = trace.get_tracer(SECRET), metrics.get_meter(SECRET)
    with tracer.start_as_current_span(SECRET, attributes={"note": SECRET, "card": 4111_1111_1111_1111}) as span:
        span.add_event(SECRET, {"note": SECRET})
        span.set_attribute("gen_ai.usage.input_tokens", 2**70)
        httpx.get(SERVER)
        with suppress(RuntimeError), tracer.start_as_current_span("inner"):
            raise RuntimeError(SECRET)
    meter.create_histogram("http.client.request.duration", "s").record(0.1, {"url.full": SECRET, SECRET: SECRET})
    meter.create_counter("notes", "1", SECRET).add(1, {"note": SECRET})
    context.detach(token)


def main() -> None:
    """Do all that."""
    HTTPXClientInstrumentor().instrument()
    RequestsInstrumentor().instrument()
    SQLite3Instrumentor().instrument()
    OpenAIInstrumentor().instrument()
    SQLAlchemyInstrumentor().instrument()
    pipeline = spanguard.configure(service_name="shop")
    for part in (api, web, databases, models, logs):
        part()
    assert pipeline.shutdown(timeout=10)


main()
