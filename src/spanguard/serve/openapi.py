"""The OpenAPI document of the JSON API, made from its endpoints."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import VERSION
from spanguard.serve.answers import Problem
from spanguard.serve.api import ENDPOINTS, Endpoint
from spanguard.serve.schema import Json, Schemas

_REFUSALS: Final = {
    400: "A parameter cannot be.",
    401: "The token is missing or wrong.",
    403: "Another site asks.",
    404: "There is no such thing.",
    421: "The server does not go by that name.",
    429: "Too many requests; see `Retry-After`.",
    503: "The store cannot be read, or takes too long; ask for less.",
}


def document() -> Json:
    """Return the document, OpenAPI 3.1."""
    schemas = Schemas()
    problem = schemas.of(Problem)
    paths: Json = {each.path: {"get": _operation(each, schemas, problem)} for each in ENDPOINTS}
    paths["/metrics"] = {"get": _scrape(problem)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spanguard serve",
            "version": VERSION,
            "description": "What the local store tells. Read-only. Times are UTC, durations seconds, rates shares from 0 to "
            "1, costs USD; fields that end in `_ns` are nanoseconds since 1970, and `null` is unknown.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(each: Endpoint, schemas: Schemas, problem: Json) -> Json:
    name = each.path.strip("/").replace("/", "_").replace("{", "").replace("}", "")
    return {
        "operationId": name,
        "summary": each.brief,
        "parameters": [parameter.to_openapi() for parameter in each.parameters],
        "responses": {
            "200": {"description": each.brief, "content": {"application/json": {"schema": schemas.of(each.answer)}}},
            **_refusals(problem),
        },
        **({"security": []} if each.path == "/healthz" else {}),
    }


def _refusals(problem: Json) -> Json:
    content = {"application/json": {"schema": problem}}
    return {str(status): {"description": brief, "content": content} for status, brief in _REFUSALS.items()}


def _scrape(problem: Json) -> Json:
    kinds = ("text/plain", "application/openmetrics-text")
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    brief = "Every SLI, and what SLIs are made of, for Prometheus."
    return {
        "operationId": "metrics",
        "summary": brief,
        "responses": {"200": {"description": brief, "content": content}, **_refusals(problem)},
    }
