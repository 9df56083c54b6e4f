"""Who sent it? The web process verifies deliveries, has them recorded and answers; and it serves the API.

It holds the signing secrets. It never interprets an event, and works while `handlers` is broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from flask import Flask


def create_app() -> Flask:
    """Return the web application, configured from the environment. Raises `Misconfigured`."""
    from receiver.connections import refusals
    from receiver.monitoring import delivery_counts, latencies
    from receiver.web import spool_thread

    app = _application(*_parts())
    delivery_counts.begin()
    latencies.begin()
    refusals.begin()
    spool_thread.begin()
    return app


def load() -> None:
    """Load the code of the web application, for processes that are forked from this one to share. It is not configured by that."""
    from receiver.web import paths, problems, request_id, spool_thread  # noqa: F401
    from receiver.web.server import application  # noqa: F401
    from store.database import migrations  # noqa: F401

    _parts()


def create_api() -> Flask:
    """Return the API alone, which takes no delivery: the console asks it within its own process. Raises `Misconfigured`."""
    return _application(*_api())


def _application(*parts: ModuleType) -> Flask:
    from receiver import config
    from receiver.web import paths, problems, request_id
    from receiver.web.server.application import Application
    from store.system import logs

    logs.configure()
    app = Application("receiver", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.settings().max_body_bytes
    # A redirect counts as a failure with every vendor.
    app.url_map.merge_slashes = False
    paths.keep_encoded_slashes(app)
    request_id.identify(app)
    problems.describe(app)
    for part in parts:
        # Three modules share the blueprint's name, which is their tag in `/openapi.json`; endpoints begin with the module's.
        app.register_blueprint(part.blueprint, name=part.__name__.rpartition(".")[2])
    return app


def _parts() -> tuple[ModuleType, ...]:
    from receiver import webhooks
    from receiver.monitoring import health, metrics
    from receiver.openapi import document

    return webhooks, *_api(), health, metrics, document


def _api() -> tuple[ModuleType, ...]:
    from receiver.api import applicants, decisions, events, links, log, overview, reactions, reconciliations, replays, review, sessions
    from receiver.api.feed import changes
    from receiver.api.privacy import access_exports, erasures, holds, retention
    from receiver.api.starting import verifications

    applicant = (applicants, events, links, changes, decisions, verifications)
    operation = (review, replays, reactions, reconciliations, sessions, overview, log)
    return (*applicant, *operation, erasures, holds, retention, access_exports)
