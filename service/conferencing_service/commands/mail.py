"""The texts of a mail (RFC 5322, MIME), within limits that a hostile one cannot stretch.

The standard library reads what headers say and decodes bodies. The parts are found here, by their
boundaries, because its parser takes a level of recursion and another look at every line for each
nested part.
"""

from __future__ import annotations

import codecs
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import islice

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_TEXTS = 1024 * 1024
"""Characters of all texts of a mail together that are read."""

_MAX_HEAD = 256 * 1024
_MAX_HEADER = 4096
_MAX_BOUNDARY = 256
_MAX_BODY = 1024 * 1024
_MOST_HEADERS = 8
_CONTENT = re.compile(
    rb"^content-(?:type|transfer-encoding|disposition)[ \t]*:[^\n]*\n?(?:[ \t][^\n]*\n?)*",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK_LINE = re.compile(rb"\n\r?\n")
_MOST_MARKS = 2000
# Text encodings that take more than linear time, or none of whose bytes are what they seem.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})


class PartKind(enum.Enum):
    """What a part holds, in the order in which parts are asked."""

    CALENDAR = 1
    HTML = 2
    PLAIN = 3


_KINDS = {
    "text/calendar": PartKind.CALENDAR,
    "text/x-vcalendar": PartKind.CALENDAR,
    "application/ics": PartKind.CALENDAR,
    "text/html": PartKind.HTML,
    "text/plain": PartKind.PLAIN,
}


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a mail, decoded."""

    kind: PartKind
    text: str


class Mail:
    """A mail's texts in their order, those of forwarded mails among them.

    Args:
        data: the mail as it was sent.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parts = 0
        self.is_cut = False
        """Whether limits kept a part from being read."""

        left, texts = MAX_TEXTS, []
        for part in self._texts(0, len(data), 0, "text/plain"):
            if left <= 0:
                self.is_cut = True
                break
            texts.append(Part(part.kind, part.text[:left]))
            left -= len(part.text)
        self.texts = tuple(sorted(texts, key=lambda each: each.kind.value))
        """The texts: calendars first, then HTML, then plain text."""

    def _texts(self, start: int, end: int, depth: int, default: str) -> Iterator[Part]:
        """Yield the texts of the part that stands between two offsets."""
        self._parts += 1
        if depth > MAX_DEPTH or self._parts > MAX_PARTS:
            self.is_cut = True
            return
        body = self._end_of_head(start, end)
        header = _content_of(self._data, start, min(body, start + _MAX_HEAD), default)
        kind = header.get_content_type()
        boundary = (header.get_boundary() or "").encode("ascii", "replace")
        if kind.startswith("multipart/") and 0 < len(boundary) <= _MAX_BOUNDARY:
            below = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            for first, last in self._segments(body, end, boundary):
                yield from self._texts(first, last, depth + 1, below)
        elif kind == "message/rfc822":
            yield from self._texts(body, end, depth + 1, "text/plain")
        elif (read_as := _kind_of(header)) is not None:
            yield Part(read_as, _text_of(header, self._data[body : min(end, body + _MAX_BODY)]))

    def _end_of_head(self, start: int, end: int) -> int:
        """Return where a part's body begins; a part that begins with a blank line has no head."""
        for blank in (b"\n", b"\r\n"):
            if self._data.startswith(blank, start, end):
                return start + len(blank)
        found = _BLANK_LINE.search(self._data, start, end)
        return found.end() if found else end

    def _segments(self, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Yield where the parts between a multipart's boundaries begin and end."""
        mark = b"\n--" + boundary
        begin = -1
        # The first boundary may stand right at the start, behind the head's last newline.
        position = self._data.find(mark, max(0, start - 1), end)
        for _ in range(_MOST_MARKS):
            if position < 0:
                break
            stop = self._data.find(b"\n", position + 1, end)
            stop = end if stop < 0 else stop
            rest = self._data[position + len(mark) : min(stop, position + len(mark) + 80)].strip()
            if rest in {b"", b"--"}:
                if begin >= 0:
                    yield begin, max(begin, position)
                if rest:
                    return
                begin = min(stop + 1, end)
            position = self._data.find(mark, max(position + 1, stop), end)
        else:
            self.is_cut = True
            return
        if begin >= 0:
            yield begin, end


def _content_of(data: bytes, start: int, end: int, default: str) -> Message:
    """Return a message with the headers, and only those, that say what a part's content is."""
    content = Message()
    for found in islice(_CONTENT.finditer(data, start, end), _MOST_HEADERS):
        name, _colon, value = b" ".join(found[0].split()).decode("latin-1").partition(":")
        if name.strip() not in content and len(value) <= _MAX_HEADER:
            content[name.strip()] = value.strip()
    if "content-type" not in content:
        content["content-type"] = default
    return content


def _kind_of(header: Message) -> PartKind | None:
    kind = _KINDS.get(header.get_content_type())
    if kind is None and str(header.get_filename("")).lower().endswith(".ics"):
        return PartKind.CALENDAR
    if kind is None and header.get_content_maintype() == "multipart":
        # Without a boundary it is one text, whatever it was meant to be.
        return PartKind.PLAIN
    return kind


def _text_of(header: Message, body: bytes) -> str:
    header.set_payload(body.decode("ascii", "surrogateescape"))
    decoded = header.get_payload(decode=True)
    return text_of(decoded if isinstance(decoded, bytes) else body, header.get_content_charset(""))


def text_of(data: bytes, charset: str = "") -> str:
    """Return bytes as text: by their charset if they keep to it, else by what they can be.

    Args:
        data: the bytes; the last character may be incomplete.
        charset: what they are said to be.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    for name in (charset, "utf-8-sig", "cp1252"):
        try:
            found = codecs.lookup(name)
            # Refused for codecs that make bytes, such as zlib.
            b"-".decode(name, "replace")
            if found.name not in _NO_CHARSETS and found.incrementaldecoder is not None:
                return found.incrementaldecoder("strict").decode(data)
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1")
