"""Web addresses: which may be called, and what of one is shown."""

from __future__ import annotations

import pytest

from store.text import web_addresses


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("https://accounts.example/hook", "accounts.example/hook"),
        ("accounts=https://accounts.example/hook?key=k3y", "accounts"),
        ("https://accounts.example/?a=https://other.example", "accounts.example"),
        ("https://hooks.example:8443/services/T0000/a-secret-of-24-characters", "hooks.example:8443/services/T0000/a-se…"),
        ("https://accounts.example", "accounts.example"),
    ],
)
def test_an_address_is_shown_by_its_name_or_by_what_is_no_secret(given: str, title: str) -> None:
    assert web_addresses.named(given, plain_http=False).title == title


@pytest.mark.parametrize(
    "given",
    [
        "http://accounts.example", "https://", "https://user@accounts.example", "https://user:word@accounts.example",
        "https://:word@accounts.example", "https://@accounts.example", "https://accounts.example/#there", "https://accounts.example/a b",
        "name=accounts.example", "a name=https://accounts.example", "=https://accounts.example", f"{'n' * 41}=https://accounts.example",
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"https://|host|letters"):
        web_addresses.named(given, plain_http=False)


def test_two_spellings_of_one_address_and_two_addresses_of_one_name_are_found() -> None:
    def repeated(*given: str) -> str | None:
        return web_addresses.repeated([web_addresses.named(one, plain_http=False) for one in given])

    assert repeated("https://a.example", "b=https://a.example:443/") == "names an address twice"
    assert repeated("A=https://a.example", "a=https://b.example") == "gives two addresses one name"
    assert repeated("a=https://a.example", "b=https://b.example") is None
