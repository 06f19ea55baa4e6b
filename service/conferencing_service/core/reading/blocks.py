"""The conference's own text in a description: where it stands, and the description without it.

Vendors keep a conference as lines in the description: dividers, "Join Zoom Meeting", the link,
"Meeting ID: …". Those lines, next to the link, are the block. A person's prose is none of it: where
the link stands in a sentence, only the link goes.
"""

from __future__ import annotations

import html
import re

from conferencing_service.core.model import Details
from conferencing_service.core.reading.links import MAX_TEXT

# Separators are kept, so that what is not taken out stays as it was, byte for byte.
_SEPARATOR = re.compile(
    r"(\r?\n|<br[ /]{0,2}>|</p>|</div>|</li>|<hr[^>]{0,80}>"
    r"|(?<=[^>\n])(?=<(?:p|div|ul|ol|table)\b))",
    re.IGNORECASE,
)
_BREAK = re.compile(r"\r?\n|<br[ /]{0,2}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,4096}>")
_DIVIDER = re.compile(r"[_\-–—.:~=*\s]{5,}|-{3,4}")
# Lines that open and close a block of Google's and of Teams'; all between two of them is the block.
_FRAMES = (re.compile(r"-::~[:~]{8,200}-"), re.compile(r"_{60,200}"))
_FRAME_LINES = 40
_LONGEST_LINE = 2048
# What may follow a link without making it another link.
_LINK_ENDS = r"(?![\w/%=#-]|[?.]\w|&(?!(?:nbsp|lt|gt|quot|#\d{1,4});)\w)"
_LABEL = re.compile(
    r"(?:meeting (?:id|number|code|password|link|url)|(?:phone )?conference id|video id|passcode"
    r"|password|pin|access code|dial[- ]in|phone|one tap mobile|join|link|video call link"
    r"|click here to join(?: the meeting)?|or dial)(?: \([^()]{1,40}\))?\s{0,4}[:：#]",
    re.IGNORECASE,
)
# Whole lines that vendors write; a person's sentence that begins like one is not among them.
_PHRASE = (
    r"(?:join (?:zoom|webex|skype|teams|microsoft teams|gotomeeting|online|the|your|my)? ?meeting(?: now)?"
    r"|join with google meet|join with a video conferencing device|join by (?:phone|sip|h\.323)"
    r"|join on your computer(?:,| or) ?mobile app(?: or room device)?|join on the web"
    r"|join from (?:a video (?:conferencing )?(?:system|device)(?: or application)?|the meeting link"
    r"|pc, mac, linux, ios or android)|click here to join(?: the meeting)?|or call in \(audio only\)"
    r"|dial in by phone|find (?:a|your) local number|more phone numbers|reset dial-in pin|need help\?"
    r"|learn more|meeting options|for organizers|system reference|one tap mobile"
    r"|dial by your location|video call"
    r"|(?:microsoft teams|zoom|webex|google meet|gotomeeting|skype(?: for business)?)(?: meeting)?"
    r"|.{1,80} is inviting you to a scheduled zoom (?:meeting|webinar))"
)
_LINKED = r"(?:\s{0,4}[<(]?https?://[^\s<>]{1,2048}[>)]?)?"
_HEADING = re.compile(
    rf"{_PHRASE}[.:]?{_LINKED}(?: {{0,2}}\| {{0,2}}{_PHRASE}[.:]?{_LINKED}){{0,4}}", re.IGNORECASE
)
# Zoom's numbers, as one taps them and as one dials them; the last bracket may be gone by then.
_DIALLED = re.compile(
    r"(?:[•*]\s{0,4})?\+\d[\d\s().-]{5,30}(?:,,[\d,*#]{3,60}(?:\s.{0,60})?"
    r"|[A-Z]{2}[A-Za-z ]{0,20}\([^()]{1,40}\)?)"
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
        kept += [remainder, separators[index] if index < len(separators) else ""]
    if not any(map(_plain, lines[max(marked) + 1 :])) and marked[max(marked)] is None:
        _close_up(kept)
    return "".join(kept)


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
    return any(form.search(description) for form in _forms(details.url))


def _split(description: str) -> tuple[list[str], list[str]]:
    """Return the lines and what separates them; what is beyond a readable size is one last line."""
    head = description
    if len(description) > MAX_TEXT:
        head = description[: description.rfind("\n", 0, MAX_TEXT) + 1]
    pieces = _SEPARATOR.split(head)
    if head is not description:
        pieces[-1] += description[len(head) :]
    return pieces[::2], pieces[1::2]


def _forms(url: str) -> tuple[re.Pattern[str], ...]:
    """Return the spellings of a whole URL in text and in HTML; none of an empty one."""
    if not url:
        return ()
    spellings = dict.fromkeys((url, html.escape(url, quote=False), html.escape(url)))
    return tuple(re.compile(re.escape(spelling) + _LINK_ENDS) for spelling in spellings)


def _marked(lines: list[str], details: Details) -> dict[int, str | None]:
    """Return the lines that the block touches, in order, with what remains of each (None: nothing).

    Starts at every line with the link and grows over neighbours that only a conference writes.
    Blank lines belong to the block when it goes on behind them.
    """
    forms = _forms(details.url)
    text = _Lines(lines, details)
    marked: dict[int, str | None] = {}
    for index, line in enumerate(lines):
        if len(line) > MAX_TEXT or not any(form.search(line) for form in forms):
            continue
        rest = _without_link(line, forms)
        if _is_conference_text(_plain(rest), details):
            marked.update(dict.fromkeys(text.frame_around(index)))
            marked[index] = None
            for step in (-1, 1):
                text.grow(index, step, marked)
        elif index not in marked:
            marked[index] = rest
    return dict(sorted(marked.items()))


class _Lines:
    """The lines as people see them, each looked at once, however many links there are."""

    def __init__(self, lines: list[str], details: Details) -> None:
        self._lines = lines
        self._details = details
        self._plains: dict[int, str] = {}

    def frame_around(self, index: int) -> range:
        """Return the lines of the vendor's frame around a line, none where it stands in none."""
        for frame in _FRAMES:
            above = range(index - 1, max(-1, index - _FRAME_LINES), -1)
            below = range(index + 1, min(len(self._lines), index + _FRAME_LINES))
            first = next((i for i in above if frame.fullmatch(self._plain(i))), None)
            last = next((i for i in below if frame.fullmatch(self._plain(i))), None)
            if first is not None and last is not None:
                return range(first, last + 1)
        return range(0)

    def grow(self, start: int, step: int, marked: dict[int, str | None]) -> None:
        """Mark the neighbours in one direction as long as a conference wrote them."""
        blank: list[int] = []
        index = start + step
        while 0 <= index < len(self._lines) and index not in marked:
            plain = self._plain(index)
            if not plain:
                blank.append(index)
                if len(blank) > 2:
                    return
            elif _is_conference_text(plain, self._details):
                marked.update(dict.fromkeys([*blank, index]))
                blank = []
            else:
                return
            index += step

    def _plain(self, index: int) -> str:
        plain = self._plains.get(index)
        if plain is None:
            plain = self._plains[index] = _plain(self._lines[index][:_LONGEST_LINE])
        return plain


def _without_link(line: str, forms: tuple[re.Pattern[str], ...]) -> str:
    for form in forms:
        anchor = re.compile(
            r"<a\b[^<>]{0,4096}" + form.pattern + r"[^<>]{0,4096}>[^<>]{0,4096}</a>",
            re.IGNORECASE,
        )
        line = form.sub("", anchor.sub("", line))
    return line


def _plain(line: str) -> str:
    return html.unescape(_TAG.sub("", line)).replace("\u00a0", " ").strip()


def _is_conference_text(plain: str, details: Details) -> bool:
    """Tell whether a line, as people see it, is one that a conference's block consists of."""
    plain = plain.strip("<>()[] ")
    if not plain or any(each.fullmatch(plain) for each in (_DIVIDER, _HEADING, _DIALLED)):
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


def _close_up(kept: list[str]) -> None:
    """Take the blank lines away that a block leaves behind at the end; the text stays."""
    while kept and not kept[-1].strip(" \t\r\n\u00a0"):
        kept.pop()
    while kept and _BREAK.fullmatch(kept[-1]):
        kept.pop()
        while kept and not kept[-1].strip(" \t\r\n\u00a0"):
            kept.pop()
