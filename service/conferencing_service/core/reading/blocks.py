"""The conference's own text in a description: where it stands, and the description without it.

Vendors keep a conference as lines in the description: dividers, "Join Zoom Meeting", the link,
"Meeting ID: …". Those lines, next to the link, are the block. A person's prose is none of it: where
the link stands in a sentence, only the link goes.
"""

from __future__ import annotations

import html
import re

from conferencing_service.core.model import Details

# Separators are kept, so that what is not taken out stays as it was, byte for byte.
_SEPARATOR = re.compile(r"(\r?\n|<br[ /]{0,2}>|</p>|</div>|</li>|<hr[^>]{0,80}>)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,4096}>")
_DIVIDER = re.compile(r"[_\-–—.:~=*\s]{5,}")
_LABEL = re.compile(
    r"(?:meeting (?:id|number|code|password|link|url)|(?:phone )?conference id|video id|passcode"
    r"|password|pin|access code|dial[- ]in|phone|one tap mobile|join|link|video call link"
    r"|click here to join(?: the meeting)?|or dial)(?: \([^()]{1,40}\))?\s{0,4}[:：#]",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?:join (?:zoom|webex|gotomeeting|skype|teams|online|the|this|your|with|by|on|from|now)\b"
    r".{0,60}|click here to join.{0,40}|(?:microsoft teams|zoom|webex|google meet|gotomeeting"
    r"|skype(?: for business)?)(?: meeting)?|video call|or dial.{0,60}|need help\?.{0,60}"
    r"|find (?:a|your) local number.{0,60}|more phone numbers.{0,60}|learn more.{0,60}"
    r"|meeting options.{0,60})[.:]?",
    re.IGNORECASE,
)


def without_block(description: str, details: Details) -> str:
    """Return a description without the conference's text; unchanged when it holds none."""
    lines, separators = _split(description)
    marked = _marked(lines, details)
    if not marked:
        return description
    kept: list[str] = []
    for index, line in enumerate(lines):
        remainder = marked.get(index, line)
        if remainder is None:
            continue
        kept.append(remainder + (separators[index] if index < len(separators) else ""))
    return _closed_up("".join(kept))


def block_of(description: str, details: Details) -> str:
    """Return the conference's text in a description, "" when it holds none."""
    lines, separators = _split(description)
    marked = _marked(lines, details)
    whole = [index for index, remainder in marked.items() if remainder is None]
    if not whole:
        return details.url if marked else ""
    first, last = min(whole), max(whole)
    pieces = [
        lines[index] + (separators[index] if index < last else "")
        for index in range(first, last + 1)
        if index in whole
    ]
    return "".join(pieces)


def holds(description: str, details: Details) -> bool:
    """Tell whether a description holds the conference's link."""
    return any(form in description for form in _forms(details.url))


def _split(description: str) -> tuple[list[str], list[str]]:
    pieces = _SEPARATOR.split(description)
    return pieces[::2], pieces[1::2]


def _forms(url: str) -> tuple[str, ...]:
    """Return the spellings of a URL in text and in HTML; none of an empty one."""
    return tuple(dict.fromkeys((url, html.escape(url, quote=False), html.escape(url)))) * bool(url)


def _marked(lines: list[str], details: Details) -> dict[int, str | None]:
    """Return the lines that the block touches, in order, with what remains of each (None: nothing).

    Starts at every line with the link and grows over neighbours that only a conference writes.
    Blank lines belong to the block when it goes on behind them.
    """
    forms = _forms(details.url)
    marked: dict[int, str | None] = {}
    for index, line in enumerate(lines):
        if not any(form in line for form in forms):
            continue
        rest = _without_link(line, forms)
        if _is_conference_text(rest, details):
            marked[index] = None
            for step in (-1, 1):
                _grow(lines, index, step, details, marked)
        elif index not in marked:
            marked[index] = rest
    return dict(sorted(marked.items()))


def _grow(
    lines: list[str], start: int, step: int, details: Details, marked: dict[int, str | None]
) -> None:
    blank: list[int] = []
    index = start + step
    while 0 <= index < len(lines) and index not in marked:
        plain = _plain(lines[index])
        if not plain:
            blank.append(index)
            if len(blank) > 2:
                return
        elif _is_conference_text(lines[index], details):
            marked.update(dict.fromkeys([*blank, index]))
            blank = []
        else:
            return
        index += step


def _without_link(line: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        anchor = re.compile(
            r"<a\b[^<>]{0,4096}" + re.escape(form) + r"[^<>]{0,4096}>[^<>]{0,4096}</a>",
            re.IGNORECASE,
        )
        line = anchor.sub("", line).replace(form, "")
    return line


def _plain(line: str) -> str:
    return html.unescape(_TAG.sub("", line)).replace("\u00a0", " ").strip()


def _is_conference_text(line: str, details: Details) -> bool:
    """Tell whether a line is one that a conference's block consists of."""
    plain = _plain(line).strip("<>()[] ")
    if not plain or _DIVIDER.fullmatch(plain) or _HEADING.fullmatch(plain):
        return True
    label = _LABEL.match(plain)
    if label is None:
        return False
    value = plain[label.end() :].strip()
    return not value or _is_detail(value, details) or len(value.split()) <= 1


def _is_detail(value: str, details: Details) -> bool:
    """Tell whether a labelled value is one of the conference's own, however it is grouped."""
    own = {details.meeting_code, details.password, details.pin, *details.phone} - {""}
    folded = _folded(value)
    return any(folded == _folded(item) for item in own) or folded.isdigit()


def _folded(value: str) -> str:
    return re.sub(r"[\s\-().#+]", "", value).casefold()


def _closed_up(text: str) -> str:
    """Take the blank lines away that a block leaves behind at the end."""
    return re.sub(r"(?:\s|<br[ /]{0,2}>){1,64}\Z", "", text, flags=re.IGNORECASE)
