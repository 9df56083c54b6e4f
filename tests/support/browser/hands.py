"""How people use a page: with a mouse and without scripts, or with scripts and with a keyboard alone."""

from __future__ import annotations

from typing import Protocol

from playwright.sync_api import Locator, expect

from tests.support.browser import keyboard

#: The place of what a list has chosen, and that of a value.
CHOICE = "(list, value) => [list.selectedIndex, [...list.options].findIndex(one => one.value === value)]"


class Hands(Protocol):
    """What a person does at a page."""

    #: Whether the browser runs scripts.
    scripts: bool

    def press(self, target: Locator) -> None:
        """Press a button, follow a link, open or tick something."""

    def write(self, target: Locator, text: str) -> None:
        """Write into a field that is empty."""

    def choose(self, target: Locator, option: str) -> None:
        """Choose what a list has under a value."""


class Mouse:
    scripts = False

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, target: Locator, text: str) -> None:
        target.click()
        target.press_sequentially(text)

    def choose(self, target: Locator, option: str) -> None:
        target.select_option(option)


class Keyboard:
    scripts = True

    def press(self, target: Locator) -> None:
        self._reach(target)
        target.page.keyboard.press("Space" if target.get_attribute("type") == "checkbox" else "Enter")

    def write(self, target: Locator, text: str) -> None:
        self._reach(target)
        target.page.keyboard.type(text)

    def choose(self, target: Locator, option: str) -> None:
        # By arrows: of letters a list forgets those before, where a busy machine brings the next one late.
        self._reach(target)
        here, there = target.evaluate(CHOICE, option)
        for _ in range(abs(there - here)):
            target.page.keyboard.press("ArrowDown" if there > here else "ArrowUp")
        expect(target).to_have_value(option)

    def _reach(self, target: Locator) -> None:
        expect(target).to_be_visible()
        if not target.evaluate("element => element === document.activeElement"):
            keyboard.tab_to(target.page, target, presses_max=150)


HANDS: dict[str, Hands] = {"mouse": Mouse(), "keyboard": Keyboard()}
