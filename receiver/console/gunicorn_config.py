"""gunicorn's configuration of the console: one process, a greenlet for each connection, no signing secrets."""

from __future__ import annotations

from typing import Any

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
from receiver import config as web_config
from receiver.web.server import reports
from receiver.web.server.defaults import (  # noqa: F401 - gunicorn reads them here.
    control_socket_disable,
    forwarded_allow_ips,
    forwarder_headers,
    header_map,
    limit_request_line,
    logger_class,
    secure_scheme_headers,
    umask,
)
from store.system import processes
from store.system.environment import withhold

withhold("_SECRETS")
withhold("LOG_SIGNING_KEY")
processes.begin()

wsgi_app = "receiver.console:create_app()"
proc_name = "standing console"
bind = web_config.settings().console_address
workers = 1
worker_class = "gevent"
# Strangers who send slowly take places until their deadlines: a head has 2 seconds, a form `guard.BODY_SECONDS_MAX`.
worker_connections, keepalive = 800, 2
timeout = 60
graceful_timeout = 5


def on_starting(server: Any) -> None:
    reports.begin(server)


def on_reload(_server: Any) -> None:
    """Take again what files hold, such as tokens: whose token is gone is signed out."""
    web_config.settings.cache_clear()
