"""The console: pages for people, over the API. It takes no delivery, and holds no vendor's signing secret.

It runs in a process of its own. Each page asks the API within that process, as the person who is signed in: so it shows and does nothing
that the API does not, with the same rights and the same records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

#: Under which path the console is.
PREFIX = "/console"


def create_app() -> Flask:
    """Return the console, configured from the environment. Raises `Misconfigured`."""
    from flask import Flask

    from receiver import create_api
    from receiver.console import guard, pages, problem_page, rendering
    from receiver.web import paths, request_id

    app = Flask("receiver.console", static_folder="static", static_url_path=f"{PREFIX}/static")
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    # No address is corrected by leading to another: that one would begin with http, also behind a proxy with TLS.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    paths.keep_encoded_slashes(app)
    request_id.identify(app)
    guard.protect(app, create_api())
    problem_page.describe(app)
    rendering.prepare(app)
    pages.register(app)
    guard.check_rights_stated(app)
    return app
