"""A keyboard alone: whether Tab reaches a thing, and whether people see where they are."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

#: The focused element in words, and whether it shows that it is: by an outline, or by a shadow.
FOCUSED = """() => {
    const element = document.activeElement
    if (!element || element === document.body) return null
    const style = getComputedStyle(element)
    const name = element.getAttribute("aria-label") || element.innerText || element.name || element.id || ""
    return {
        words: `${element.localName} ${name.trim().slice(0, 40)}`.trim(),
        shown: (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none",
    }
}"""


def tab_to(page: Page, target: Locator, *, presses_max: int = 80, key: str = "Tab") -> list[str]:
    """Press Tab until the target has the focus; return what had it on the way, in words, the target last.

    Raises AssertionError if it is not reached, or if something on the way does not show its focus.
    """
    reached: list[str] = []
    for _ in range(presses_max):
        page.keyboard.press(key)
        if focused := page.evaluate(FOCUSED):
            reached.append(focused["words"])
            assert focused["shown"], f"the focus cannot be seen on {focused['words']!r}"
            if target.evaluate("element => element === document.activeElement"):
                return reached
    raise AssertionError(f"{presses_max} times {key} do not reach {target}, but: {reached}")
