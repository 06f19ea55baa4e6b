"""A conference out of one text: which link it is, and what the lines beside that link say.

The first join link wins, in the best of its spellings. Labels bind to the block of the chosen link:
what follows it up to the next meeting's link, a closing divider or a signature; or what stands
right before it where an invitation names the id first.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from conferencing_service.core.model import (
    Conferencing,
    DetailField,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    Provider,
    State,
)
from conferencing_service.core.reading.labels import ANNOUNCED, label_of
from conferencing_service.core.reading.links import JoinLink, join_links_in
from conferencing_service.core.reading.phones import WRITTEN, e164, e164_of_tel
from conferencing_service.core.reading.plain import lines_of
from conferencing_service.core.reading.rules import Label, ProviderRules

_AFTER = 8192
_BEFORE = 2048
_LINES_BEFORE = 8
_LONGEST_LINE = 1024
_MOST_LINES = 200

_CLOSING = re.compile(r"_{60,}|-::~[:~]{4,}.{0,8}|[.\u2026]{40,}|[\u2500\u2501\u2550=]{8,}|\*{20,}")
_DIVIDER = re.compile(r"[_\-\u2013\u2014.:~=*\u2500\u2501\u2550]{8,}")
_REFERENCE = re.compile(
    r"referen|verweis|référence|riferiment|odwołani|ссылк|参照|参考|參考|참조", re.IGNORECASE
)
_DIGITS = re.compile(r"[<(]?(\d(?:[ \-.]?\d){3,24})(?!\w)", re.ASCII)
_NOTHING = frozenset(
    [
        "none",
        "n/a",
        "na",
        "-",
        "keine",
        "kein",
        "aucun",
        "aucune",
        "ninguna",
        "ninguno",
        "nenhuma",
        "nessuna",
        "geen",
        "brak",
        "нет",
        "ingen",
        "なし",
        "无",
        "無",
        "없음",
    ]
)
_DIALLING = re.compile(
    r"dial|call|phone|toll|tap|wähl|telefon|anruf|téléphon|appel|compos|llam|marc|teléfono|toque"
    r"|lig|dis[cq]|telefone|chiam|compon|telefoon|bel|dzwo|звон|телефон|набер|номер|ring|電話|ダイヤル"
    r"|电话|拨|電話|撥|전화|걸기|numbers?\b",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"(?:tel|phone|mobile?|cell|fax|handy|telefon|téléphone|teléfono|telefone|telefono|telefoon"
    r"|móvil|portable|тел|[tmpf])(?:\.|efon)?\s?[:：.|]?\s?(?:<tel:[^<>]{1,64}>\s?)?\(?\+",
    re.IGNORECASE,
)
_TOLL_FREE = re.compile(
    r"toll[- ]?free|gebührenfrei|kostenlos|gratuit|gratis|gratuito|bezpłatn|бесплатн|フリーダイヤル|免费|무료",
    re.IGNORECASE,
)
_REGION_AFTER = re.compile(r"\s?\(?([A-Z]{2})\)?(?=\s?[(,]|$)")
_REGION_BEFORE = re.compile(r"\(([A-Z]{2})\)\s?$")
# Pages that list more numbers to dial.
_NUMBER_PAGES = re.compile(
    r"https://(?:tel\.meet/|(?:[\w-]{1,63}\.)?zoom(?:gov)?\.(?:us|com)/u/|dialin\.lync\.com/"
    r"|dialin\.teams\.microsoft\.com/|[\w-]{1,63}(?:\.my)?\.webex\.com/[\w.-]{1,64}/globalcallin\.php)"
    r"[\w/.-]{0,256}",
    re.IGNORECASE | re.ASCII,
)
_SIP = re.compile(
    r"(?:sip:)?([\w.+-]{1,64}@(?:zoomcrc\.com|[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.webex\.com))",
    re.IGNORECASE | re.ASCII,
)


def conferencing_from_text(text: str, source_field: str = "text") -> Conferencing | None:
    """Return the conference that a plain or HTML text invites to, or None."""
    links = list(join_links_in(text))
    if not links:
        return None
    first = links[0]
    chosen, end = _chosen(text, links)
    details = _details(text, first, chosen, end)
    return Conferencing(
        provider=chosen.provider,
        source=details,
        state=State.READY,
        origin=Origin.PARSED,
        source_field=source_field,
    )


def details_beside(text: str, wanted: JoinLink) -> Details | None:
    """Return what a text says of a meeting that is known already, None where its link is not there."""
    links = list(join_links_in(text))
    for index, link in enumerate(links):
        if link.identity == wanted.identity:
            chosen, end = _chosen(text, links[index:])
            return _details(text, link, chosen, end)
    return None


def _chosen(text: str, links: Sequence[JoinLink]) -> tuple[JoinLink, int]:
    """Return the best link to the first link's meeting, and where the next meeting's begins."""
    first = links[0]
    chosen, end = first, len(text)
    for link in links[1:]:
        if link.identity == chosen.identity or _is_sibling(text, chosen, link):
            if link.rank > chosen.rank:
                chosen = link
        else:
            end = link.start
            break
    return chosen, end


def _is_sibling(text: str, chosen: JoinLink, link: JoinLink) -> bool:
    """Tell whether two links with different ids join one meeting: Teams' short and long form."""
    if chosen.provider is not Provider.MICROSOFT_TEAMS or link.provider is not chosen.provider:
        return False
    if chosen.path.rank > link.path.rank:
        return True
    if chosen.path.rank == link.path.rank:
        return False
    around = text[max(0, chosen.start - 80) : chosen.start] + text[chosen.end : chosen.end + 80]
    return bool(_REFERENCE.search(around))


@dataclass(slots=True)
class _Found:
    """What the lines of a block say, the first of each."""

    meeting_code: str = ""
    password: str = ""
    pin: str = ""
    labelled_code: str = ""
    last_label: int = -1
    phones: dict[str, EntryPoint] = field(default_factory=dict)
    sips: dict[str, EntryPoint] = field(default_factory=dict)


def _details(text: str, first: JoinLink, chosen: JoinLink, end: int) -> Details:
    after = _until_the_end_of_the_block(_lines_after(text, first.end, end))
    found = _Found()
    number_of_lines = _read_labels(after, chosen, found)
    before = _lines_before(text, first.start)
    earlier = _Found()
    _read_labels(before, chosen, earlier)
    if _names_first(earlier, found, chosen):
        found.meeting_code = earlier.meeting_code or found.meeting_code
        found.password = earlier.password or ("" if earlier.labelled_code else found.password)
        found.pin = earlier.pin or found.pin
    _read_phones(after[:number_of_lines], found)
    code = chosen.meeting_code or (found.meeting_code if chosen.path.takes_code else "")
    video = EntryPoint(
        EntryPointType.VIDEO, uri=chosen.url, password=found.password, meeting_code=code
    )
    more = _number_pages(text, first.end, end)
    phones = [_with_pin(point, found.pin) for point in found.phones.values()]
    return Details(
        url=chosen.url,
        meeting_code=code,
        password=found.password,
        pin=found.pin,
        phone=tuple(found.phones),
        entry_points=(video, *phones, *found.sips.values(), *more),
    )


def _number_pages(text: str, start: int, end: int) -> Iterator[EntryPoint]:
    """Yield the pages with more numbers that a block names, without the PINs in their queries."""
    window = text[start : min(end, start + _AFTER)]
    pages = (html.unescape(match[0]).partition("?")[0] for match in _NUMBER_PAGES.finditer(window))
    urls = (page.rstrip(".,;:!?)") for page in pages)
    for url in dict.fromkeys(urls):
        yield EntryPoint(EntryPointType.MORE, uri=url)


def _with_pin(point: EntryPoint, pin: str) -> EntryPoint:
    return EntryPoint(
        point.type, point.uri, point.label, point.region_code, pin, toll_free=point.toll_free
    )


def _names_first(earlier: _Found, later: _Found, chosen: JoinLink) -> bool:
    """Tell whether the lines before the link are the ones that belong to it."""
    if chosen.meeting_code and earlier.labelled_code:
        return earlier.labelled_code == chosen.meeting_code
    if earlier.labelled_code or later.labelled_code:
        return bool(earlier.labelled_code)
    return bool(earlier.password or earlier.pin) and not (later.password or later.pin)


def _lines_after(text: str, start: int, end: int) -> list[str]:
    window = text[start : min(end, start + _AFTER)]
    closing, opening = window.find(">"), window.find("<")
    if closing >= 0 and (opening < 0 or closing < opening) and "\n" not in window[:closing]:
        # The link stood in a tag or in angle brackets; what is left of them is no text.
        window = window[closing + 1 :]
    last_open = window.rfind("<")
    if last_open > window.rfind(">"):
        window = window[:last_open]
    lines = [line[:_LONGEST_LINE] for line in lines_of(window) if line]
    return lines[:_MOST_LINES]


def _lines_before(text: str, start: int) -> list[str]:
    window = text[max(0, start - _BEFORE) : start]
    last_open = window.rfind("<")
    if last_open > window.rfind(">"):
        window = window[:last_open]
    lines = [line for line in lines_of(window) if line][-_LINES_BEFORE:]
    for index in range(len(lines) - 1, -1, -1):
        if _DIVIDER.fullmatch(lines[index]):
            return lines[index + 1 :]
    return [line[-_LONGEST_LINE:] for line in lines]


def _until_the_end_of_the_block(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line == "--" or _CLOSING.fullmatch(line):
            return lines[:index]
    return lines


# ---- Labels --------------------------------------------------------------------------------


def _read_labels(lines: list[str], chosen: JoinLink, found: _Found) -> int:
    """Take what labels announce, up to another meeting's id; return how many lines are ours."""
    rules = chosen.rules
    for index, label, value in _labelled(lines):
        detail = rules.labels.get(label)
        if detail is DetailField.MEETING_CODE:
            code = _code(value, rules)
            known = chosen.meeting_code or found.labelled_code
            if code and known and code != known and label is Label.MEETING_ID:
                return index
            if code:
                found.last_label = index
            if code and not found.labelled_code:
                found.labelled_code = code
                found.meeting_code = code
        elif detail is DetailField.PASSWORD and not found.password:
            found.password = _passcode(value)
            found.last_label = index if found.password else found.last_label
        elif detail is DetailField.PIN and not found.pin:
            found.pin = _digits(value)
            found.last_label = index
    return len(lines)


def _labelled(lines: list[str]) -> Iterator[tuple[int, Label, str]]:
    """Yield the labels in their order: the line, what is announced, and the value's text."""
    for index, line in enumerate(lines):
        matches = list(ANNOUNCED.finditer(line))
        for position, match in enumerate(matches):
            if not match["colon"] and match.start() > 0:
                continue
            stop = matches[position + 1].start() if position + 1 < len(matches) else len(line)
            value = line[match.end() : stop].strip()
            if position + 1 < len(matches):
                value = value.rstrip(" ,;|/·•(")
            if not value and position + 1 == len(matches):
                value = _next_value(lines, index)
            if value:
                yield index, label_of(match["label"]), value


def _next_value(lines: list[str], index: int) -> str:
    """Return the line that follows a label which stands alone, unless it is a label itself."""
    following = lines[index + 1] if index + 1 < len(lines) else ""
    return "" if ANNOUNCED.match(following) else following


def _digits(value: str) -> str:
    match = _DIGITS.match(value)
    return re.sub(r"\D", "", match[1], flags=re.ASCII) if match else ""


def _code(value: str, rules: ProviderRules) -> str:
    digits = _digits(value)
    least, most = rules.code_digits
    return digits if least <= len(digits) <= most else ""


def _passcode(value: str) -> str:
    """Return the one word of a passcode, "" where prose stands."""
    token, _, rest = value.partition(" ")
    token = token.strip("\"'\u201c\u201d\u201e\u00ab\u00bb").rstrip("\u3002\u3001\uff0c")
    rest = rest.lstrip()
    if rest and rest[0] not in "(|/·•,;<[\uff08-":
        return ""
    if rest:
        token = token.rstrip(",;")
    if not token or len(token) > 64 or "://" in token or token.casefold() in _NOTHING:
        return ""
    return token


# ---- Telephones ----------------------------------------------------------------------------


def _read_phones(lines: list[str], found: _Found) -> None:
    """Take the numbers that one dials to join, not those of a signature."""
    # The link itself announces the numbers that follow it at once.
    heading = -1
    for index, line in enumerate(lines):
        for match in _SIP.finditer(line):
            address = match[1]
            found.sips.setdefault(
                address, EntryPoint(EntryPointType.SIP, uri=f"sip:{address}", label=address)
            )
        is_signature = _SIGNATURE.match(line) is not None
        is_heading = not is_signature and _DIALLING.search(line) is not None
        taken = False
        for match in WRITTEN.finditer(line):
            number = e164_of_tel("tel:" + match["number"]) or e164(match["number"])
            after = _REGION_AFTER.match(line, match.end())
            before = _REGION_BEFORE.search(line, 0, match.start())
            belongs = (
                match["dialled"]
                or is_heading
                or after
                or before
                or index - heading <= 3
                or index < found.last_label
            )
            if not number or (is_signature and not match["dialled"]) or not belongs:
                continue
            region = after or before
            found.phones.setdefault(
                number,
                EntryPoint(
                    EntryPointType.PHONE,
                    uri=f"tel:{number}",
                    label=match["number"].strip(),
                    region_code=region[1] if region else "",
                    toll_free=_TOLL_FREE.search(line) is not None,
                ),
            )
            taken = True
        if is_heading or taken:
            heading = index
