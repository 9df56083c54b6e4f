"""How a page looks to people: themes, narrow windows, large text, no motion; and what is wrong with it for some of them.

The first part changes how a page is shown. The second returns what is wrong, in words; an empty list if nothing is.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

#: WCAG 2.2, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

#: The rules about colours.
COLOURS = ["color-contrast", "link-in-text-block"]

# how it is shown ------------------------------------------------------------------------------------------------


def light(page: Page) -> None:
    page.emulate_media(color_scheme="light")


def dark(page: Page) -> None:
    page.emulate_media(color_scheme="dark")


#: Each theme by its name.
THEMES = {"light": light, "dark": dark}


def reduced_motion(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")


def narrow(page: Page) -> None:
    """As wide as a small telephone, or as a window of 1280 px that is magnified four times."""
    page.set_viewport_size({"width": 320, "height": 640})


def wide(page: Page) -> None:
    """As wide as most windows."""
    page.set_viewport_size({"width": 1280, "height": 800})


def large_text(page: Page) -> None:
    """Text of twice the size, as in a browser's settings. Lengths in px stay as they are."""
    page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})


# what is wrong --------------------------------------------------------------------------------------------------


def axe(page: Page, *, colours: bool = False) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA: the rule, the element, and how it is fixed. With `colours`, only what a theme changes."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe_core())
    # Without `preload`, axe sends no request of its own for style sheets.
    options = {"runOnly": COLOURS if colours else RULES, "resultTypes": ["violations"], "preload": False}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [_in_words(violation, node) for violation in found["violations"] for node in violation["nodes"]]


@cache
def _axe_core() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def _in_words(violation: dict[str, Any], node: dict[str, Any]) -> str:
    return f"{violation['id']}: {node['html'][:200]}: {' '.join(node['failureSummary'].split())}"


def sideways(page: Page) -> list[str]:
    """The elements that make the page wider than its window, so that it must be scrolled sideways."""
    return _ask(page, SIDEWAYS)


def cut_off(page: Page) -> list[str]:
    """The elements that hide a part of their text."""
    return _ask(page, CUT_OFF)


def moving(page: Page) -> list[str]:
    """The elements that move, or would: animations, transitions, smooth scrolling."""
    return _ask(page, MOVING)


def of_fixed_size(page: Page) -> list[str]:
    """The elements whose text does not grow with the text size of the browser's settings. A picture grows with its window."""
    before = page.evaluate(TEXT_SIZES)
    large_text(page)
    after = page.evaluate(TEXT_SIZES)
    return [element for (element, size), (_, larger) in zip(before, after, strict=True) if larger < 1.9 * size]


def _ask(page: Page, question: str) -> list[str]:
    found: list[str] = page.evaluate(f"() => {{ {IN_WORDS} {question} }}")
    return found


IN_WORDS = """
const all = [...document.querySelectorAll("body, body *")]
const own = element => [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
const inWords = element => `${element.localName}${element.id && "#" + element.id} ${element.textContent.trim().slice(0, 40)}`.trim()
"""

SIDEWAYS = """
const root = document.scrollingElement, width = root.clientWidth
if (root.scrollWidth <= width) return []
const wide = all.filter(element => element.getBoundingClientRect().right + scrollX > width + 0.5)
const innermost = wide.filter(element => !wide.some(other => other !== element && element.contains(other)))
return [`the page has ${root.scrollWidth} px in a window of ${width}`, ...innermost.map(inWords)]
"""

# What is one pixel large is for screen readers.
CUT_OFF = """
const hides = overflow => overflow === "hidden" || overflow === "clip"
return all.filter(element => {
    const style = getComputedStyle(element)
    return element.textContent.trim() && element.clientWidth > 1 && element.clientHeight > 1 && (
        (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1) ||
        (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 1))
}).map(inWords)
"""

MOVING = """
const longest = durations => Math.max(...durations.split(",").map(parseFloat))
const styled = [document.documentElement, ...all].filter(element => {
    const style = getComputedStyle(element)
    return style.scrollBehavior === "smooth" || longest(style.transitionDuration) > 0.01 ||
        (style.animationName !== "none" && longest(style.animationDuration) > 0.01)
})
const scripted = document.getAnimations().filter(animation => animation.effect.getComputedTiming().duration > 10)
return [...new Set([...styled, ...scripted.map(animation => animation.effect.target)])].map(inWords)
"""

TEXT_SIZES = f"""() => {{ {IN_WORDS}
return all.filter(element => own(element) && !element.closest("svg")).map(element => [
    inWords(element), parseFloat(getComputedStyle(element).fontSize)])
}}"""
