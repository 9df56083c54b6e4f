"""Which pages does the console have? One module each; each asks the API and fills a template."""

from types import ModuleType

from flask import Flask

from receiver.console import PREFIX

_PAGES: tuple[ModuleType, ...] = ()


def register(app: Flask) -> None:
    """Give an application every page, by the name of its module."""
    for page in _PAGES:
        app.register_blueprint(page.blueprint, name=page.__name__.rpartition(".")[2], url_prefix=PREFIX)
