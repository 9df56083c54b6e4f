"""Which applicants an event names, as far as it can be read, or its body holds the reference of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from handlers.interpret import interpret
from handlers.rules.news import EventReading
from store.inbox.events import InboxEvent
from store.inbox.sealing.encryption import Unopenable
from store.text.json_body import forms_of
from store.text.states import ApplicantKey


class Names:
    """Applicants of a vendor, by their references as bodies may hold them: each as a word of its own, plain or escaped as in JSON."""

    def __init__(self, keys: Iterable[ApplicantKey]) -> None:
        self._keys = {key.reference: key for key in keys}
        self._words = {key: _words(forms_of(key.reference)) for key in self._keys.values()}
        self._any_word = _words({form for reference in self._keys for form in forms_of(reference)})

    def of(self, event: InboxEvent) -> set[ApplicantKey]:
        """Return the applicants that an event names, as far as it can be read, or whose references its body holds."""
        reading = reading_of(event)
        named = set() if reading is None else {self._keys[one] for one in reading.references if one in self._keys}
        try:
            body = event.body()
        except Unopenable:
            return named
        return named | {key for key, words in self._words.items() if words.search(body)} if self._any_word.search(body) else named


def _words(forms: Iterable[bytes]) -> re.Pattern[bytes]:
    return re.compile(rb"(?<!\w)(?:%s)(?!\w)" % b"|".join(map(re.escape, sorted(forms))))


def reading_of(event: InboxEvent) -> EventReading | None:
    """Return the reading of an event; None if it fails."""
    try:
        return interpret(event)
    except Exception:  # Whatever a mapping does: what cannot be interpreted says nothing of others.
        return None
