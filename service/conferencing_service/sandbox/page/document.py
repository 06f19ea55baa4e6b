"""The whole page, and the contents of it that are asked for again while it is open."""

from __future__ import annotations

from conferencing_service.sandbox.page.activity import activity
from conferencing_service.sandbox.page.calendars import calendars, grant_link
from conferencing_service.sandbox.page.markup import Html, element, join
from conferencing_service.sandbox.page.snapshot import Snapshot

STYLE = "/_sandbox/page.css"
SCRIPT = "/_sandbox/page.js"
ICON = "/_sandbox/page.svg"
CONTENTS = "/_sandbox/page"


def document(snapshot: Snapshot) -> Html:
    """The page as a browser opens it."""
    name = "Sandbox" if snapshot.grant_id is None else f"{snapshot.grant_id}, sandbox"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", name),
        element("link", rel="icon", href=ICON, type="image/svg+xml"),
        element("link", rel="stylesheet", href=STYLE),
        element("script", src=SCRIPT, type="module"),
    )
    body = element(
        "body",
        element("a", "Skip to the contents", href="#contents", class_="skip"),
        _header(),
        element("main", contents(snapshot), id="contents", tabindex="-1", data_address=CONTENTS),
    )
    return join((Html("<!doctype html>\n"), element("html", head, body, lang="en")))


def contents(snapshot: Snapshot) -> Html:
    """All that changes while the page is open."""
    return join(
        (
            _grants(snapshot),
            calendars(snapshot),
            element("div", activity(snapshot), class_="activity"),
        )
    )


def _header() -> Html:
    return element(
        "header",
        element("h1", "Sandbox"),
        element(
            "p",
            "The embedded vendor: Nylas v3 on loopback, API key ",
            element("code", "sandbox"),
            class_="aside",
        ),
        element(
            "div",
            element("p", "Reload to see what changed", id="state", role="status"),
            element("button", "Pause", id="pause", type="button", hidden=""),
            class_="live",
        ),
    )


def _grants(snapshot: Snapshot) -> Html:
    chosen, listed = snapshot.grant_id, list(snapshot.grant_ids.items)
    if chosen is not None and chosen not in listed:
        listed.append(chosen)
    return element(
        "nav",
        element(
            "ul",
            element(
                "li", element("a", "All grants", href="/", aria_current=_current(chosen is None))
            ),
            *(
                element("li", grant_link(grant_id, aria_current=_current(grant_id == chosen)))
                for grant_id in listed
            ),
        ),
        _search(snapshot.grant_ids.more) if snapshot.grant_ids.more else None,
        id="grants",
        aria_label="Grants",
    )


def _current(is_shown: bool) -> str | None:
    return "page" if is_shown else None


def _search(more: int) -> Html:
    """For the grants that have no link of their own."""
    return element(
        "form",
        element("label", f"{more} more; show", for_="grant"),
        " ",
        element("input", id="grant", name="grant", placeholder="grant id", required=""),
        " ",
        element("button", "Show"),
        action="/",
    )
