"""A person at the console without a browser: cookies, the form's token, and the page as text."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.support.service import eventually


@dataclass(frozen=True)
class Page:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    #: The cookies that it sets, as it says so.
    set_cookies: list[str]
    content: str

    @property
    def leads_to(self) -> str:
        """Where it leads, after a form."""
        return self.headers.get("location", "")

    @property
    def says(self) -> str:
        """The words of the page's main part."""
        main = re.search(r"<main.*</main>", self.content, re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main[0] if main else self.content)).split())

    def has_form(self, address: str) -> bool:
        """Whether the page has a form that sends to an address, which may be the end of it."""
        return re.search(rf'<form method="post" action="[^"]*{re.escape(address)}[?"]', self.content) is not None

    @property
    def csrf(self) -> str:
        """The token of the page's forms."""
        return re.findall(r'name="csrf" value="(\w+)"', self.content)[0]


class Visitor:
    """A person, who is signed in if there is a token."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.host = f"127.0.0.1:{port}"
        self.origin = f"http://{self.host}"
        self.cookies: dict[str, str] = {}
        self.csrf = self.get("/console/sign-in").csrf
        if token:
            self._sign_in(token)
            self.csrf = self.get("/console/sessions").csrf

    def _sign_in(self, token: str) -> None:
        signed_in = self.post("/console/sign-in", token=token, next="/console/sessions")
        assert signed_in.status == 303, (signed_in.status, signed_in.says)

    def get(self, path: str, **query: str) -> Page:
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, **fields: str) -> Page:
        """Send a form, as a page of the console does."""
        return self.ask("POST", path, {"csrf": self.csrf} | fields)

    def follow(self, path: str, **fields: str) -> Page:
        """Send a form, and go where its answer leads."""
        sent = self.post(path, **fields)
        assert sent.status == 303, (sent.status, sent.says)
        return self.get(sent.leads_to)

    def until(self, path: str, words: str) -> Page:
        """A page, once it has the words."""

        def look() -> Page | None:
            page = self.get(path)
            return page if words in page.says else None

        return eventually(look, f"{path} to say: {words}")

    def session(self) -> str:
        """The id of the session."""
        own: str
        [own] = re.findall(r"\(this one\).*?/sessions/([0-9a-f-]+)/end", self.get("/console/sessions").content, re.DOTALL)
        return own

    def ask(self, method: str, path: str, form: Mapping[str, str] | str | None = None, **others: str | None) -> Page:
        """Send a request with other headers than a browser's; None: without that one. It is sent again while the database cannot be
        reached, as the console asks for: a busy machine exceeds the deadline."""

        def answered() -> Page | None:
            page = self._ask_once(method, path, form, others)
            return page if page.status != 503 else None

        return eventually(answered, f"the console to reach its database for {path}")

    def _ask_once(self, method: str, path: str, form: Mapping[str, str] | str | None, others: Mapping[str, str | None]) -> Page:
        headers: dict[str, str | None] = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        sent = {name: value for name, value in {**headers, **others}.items() if value is not None}
        body = form if isinstance(form, str | None) else urlencode(form)
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            page = Page(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.headers.get_all("Set-Cookie") or [],
                answer.read().decode(),
            )
        finally:
            connection.close()
        for cookie in page.set_cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return page
