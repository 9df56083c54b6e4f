"""GET /openapi.json: the API's description, made from the routes themselves."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app

from receiver import config
from receiver.openapi import schemas
from receiver.operations import ANSWERS, BODIES, CONFLICTS, LATER, OPEN, PAGES, QUERIES, TEXTS, WHOLE_LISTS
from receiver.web import auth

blueprint = Blueprint("openapi", __name__)

PROBLEM = {
    "description": "A problem, as RFC 9457 describes it.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

#: What can go wrong, beside what the server itself may answer.
BAD_REQUEST, NO_RIGHT, UNKNOWN, CONFLICT, AWAY = "400", ("401", "403"), "404", "409", "503"

SECURITY = "Tokens are given to readers, linkers and operators; an operator may read, too."


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """This description."""
    auth.require_one_of(config.settings().tokens.metrics)
    return Response(_described(), content_type="application/json")


@cache
def _described() -> bytes:
    """The description, made once in a process: its routes do not change."""
    return msgspec.json.encode(describe())


def describe() -> dict[str, Any]:
    """The description of every route of the application at hand."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in current_app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule.endpoint, sorted(rule.arguments))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Standing", "version": version("standing"), "description": "Where every applicant stands."},
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": SECURITY}},
            "schemas": _components(),
        },
    }


def _operation(endpoint: str, arguments: list[str]) -> dict[str, Any]:
    view = current_app.view_functions[endpoint]
    said, _, more = (view.__doc__ or "").strip().partition("\n")
    body = {"requestBody": _body(BODIES[endpoint])} if endpoint in BODIES else {}
    needed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in arguments]
    return {
        "operationId": endpoint.partition(".")[2],
        "summary": said,
        "description": " ".join(more.split()) or said,
        "tags": [endpoint.partition(".")[0]],
        "parameters": needed + _query_parameters(QUERIES.get(endpoint)),
        **body,
        "responses": _responses(endpoint, has_path=bool(arguments)),
        "security": [] if endpoint in OPEN else [{"bearer": []}],
    }


def _responses(endpoint: str, *, has_path: bool) -> dict[str, Any]:
    """What a call answers with, and what can go wrong with it."""
    wrong = [BAD_REQUEST, AWAY]
    wrong += NO_RIGHT if endpoint not in OPEN else ["401"] if endpoint in ("webhooks.receive", "metrics.metrics", "openapi.openapi") else []
    wrong += [UNKNOWN] if has_path else []
    wrong += [CONFLICT] if endpoint in CONFLICTS else []
    wrong += ["413"] if endpoint == "webhooks.receive" or endpoint in BODIES else []
    answer = {"description": "It will be done." if endpoint in LATER else "As asked.", "content": _answer(endpoint)}
    found: dict[str, Any] = {"202" if endpoint in LATER else "200": answer}
    if endpoint == "api.applicant":
        found["304"] = {"description": "It is as the `ETag` in `If-None-Match` says."}
    if endpoint == "health.readyz":
        return found | {"503": {"description": "A delivery could not be kept.", "content": _answer(endpoint)}, "default": PROBLEM}
    return found | dict.fromkeys(sorted(wrong), PROBLEM) | {"default": PROBLEM}


def _body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    enums = {name: schema for name, schema in components.items() if "enum" in schema}
    schema = components[shape.__name__]
    return {"required": bool(schema.get("required")), "content": {"application/json": {"schema": _inline(schema, enums)}}}


def _query_parameters(shape: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if shape is None:
        return []
    _, components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    properties = components[shape.__name__]["properties"]
    enums = {name: schema for name, schema in components.items() if "enum" in schema}
    return [{"name": name, "in": "query", "required": False, "schema": _inline(schema, enums)} for name, schema in properties.items()]


def _inline(schema: Any, enums: dict[str, Any]) -> Any:
    """A schema with the enums that it refers to written out."""
    if isinstance(schema, list):
        return [_inline(part, enums) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"type": "string", "enum": enums[schema["$ref"].rpartition("/")[2]]["enum"]}
    return {key: _inline(part, enums) for key, part in schema.items()}


def _components() -> dict[str, Any]:
    """The shapes as JSON Schema, by name."""
    known = list(dict.fromkeys([*ANSWERS.values(), *PAGES.values(), *WHOLE_LISTS.values(), schemas.Problem]))
    _, found = msgspec.json.schema_components(known, ref_template="#/components/schemas/{name}")
    return found


def _answer(endpoint: str) -> dict[str, Any]:
    """The content of a call's answer."""
    if endpoint in TEXTS:
        return {TEXTS[endpoint]: {"schema": {}}}
    if endpoint in ANSWERS:
        return {"application/json": {"schema": _ref(ANSWERS[endpoint])}}
    data = {"type": "array", "items": _ref((PAGES | WHOLE_LISTS)[endpoint])}
    properties: dict[str, Any] = {"data": data}
    if endpoint in PAGES:
        following = {"type": ["string", "null"], "description": "Give it as `cursor` (the feed's as `after`) to go on."}
        properties |= {"next_cursor": following, "has_more": {"type": "boolean", "description": "Whether there is more now."}}
    page = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"application/json": {"schema": page}}


def _ref(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
