"""Settings of gunicorn that the web process and the console share. Each takes these names into its own configuration."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from store.system import logs

control_socket_disable = True
umask = 0o077
# Of the headers that proxies add, none is needed here, so that none that contradicts another refuses a request.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"
# Both headers and the request line are small; a vendor's body is not.
limit_request_line = 8190


class JsonLogger(Logger):  # type: ignore[misc]
    """Writes gunicorn's own lines as ours, from the first."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure()


logger_class = JsonLogger
