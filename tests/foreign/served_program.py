"""A program for servers and workers: each request, task or job is one repair with one call inside."""

from __future__ import annotations

import asyncio
import os

import spanguard
from spanguard import traced_llm_call, traced_repair

if os.environ.get("CONFIGURED_BY") == "code":
    spanguard.configure()


@traced_llm_call(provider="openai", model="gpt-5.2")
def ask():
    """Return an answer without asking anybody."""
    return {"usage": {"prompt_tokens": 10, "completion_tokens": 5}, "choices": []}


def work():
    """Do one piece of work, and return which process did it."""
    with traced_repair("answer") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                ask()
    return os.getpid()


def wsgi(environ, start_response):
    """Answer a request of WSGI."""
    body = str(work()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    """Answer a request of ASGI, half of the work in a thread."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = str(await asyncio.to_thread(work)).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


try:
    from celery import Celery
except ImportError:
    pass
else:
    tasks = Celery("served_program", broker="filesystem://", backend="file://results")
    tasks.conf.update(
        broker_transport_options={
            "data_folder_in": "broker",
            "data_folder_out": "broker",
            "processed_folder": "broker",
            "polling_interval": 0.05,
        },
        worker_hijack_root_logger=False,
    )
    done = tasks.task(name="done")(work)
