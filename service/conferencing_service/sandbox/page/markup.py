"""HTML, put together so that whatever came in is escaped unless it is HTML already."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_VOID = frozenset({"input", "link", "meta"})

# The vendor takes values of a megabyte; nobody reads them here.
_LONGEST_TEXT = 2000

Content = str | int | None


class Html(str):
    """Text that is HTML. Any operation on it but ``join`` gives plain text, to be escaped again."""

    __slots__ = ()


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    key: str
    """Tells the row from others, so that a new one can be pointed out."""

    cells: Sequence[Content]


def join(parts: Iterable[Content]) -> Html:
    """The parts one after the other."""
    return Html("".join(_inside(part) for part in parts))


def element(name: str, /, *contents: Content, **attributes: Content) -> Html:
    """One element. ``class_`` is ``class``, ``data_key`` is ``data-key``; None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(contents)}</{name}>")


def badge(text: str, kind: str | None = None) -> Html:
    """A word about something, set apart."""
    return element("span", text, class_="badge" if kind is None else f"badge {kind}")


def link(url: str) -> Html:
    """A link to a web address; any other text stays text."""
    if not is_web_address(url):
        return element("span", url)
    # The end of a long address is cut off by the style sheet.
    shown = url.partition("://")[2]
    return element("a", shown, href=url, title=url, rel="noreferrer noopener", class_="line cut")


def is_web_address(url: str) -> bool:
    """Whether a browser that follows it does nothing but fetch a page, from an address to read."""
    if not url.isprintable() or " " in url or len(url) > _LONGEST_TEXT:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def table(kind: str, name: str, headings: Sequence[str], rows: Sequence[Row]) -> Html:
    """A table with its name. The roles keep it a table where the style sheet stacks its cells."""
    head = join(element("th", heading, scope="col", role="columnheader") for heading in headings)
    body = join(
        element(
            "tr",
            *(
                element("td", cell, role="cell", data_label=heading)
                for heading, cell in zip(headings, row.cells, strict=True)
            ),
            role="row",
            data_key=row.key,
        )
        for row in rows
    )
    return element(
        "table",
        element("caption", name),
        element("thead", element("tr", head, role="row"), role="rowgroup"),
        element("tbody", body, role="rowgroup"),
        role="table",
        class_=kind,
    )


def _inside(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    text = str(content)
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    return html.escape(shown)
