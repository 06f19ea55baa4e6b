"""Invented meetings of every provider, as the lines of the invitation and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from conferencing_service.core.model import Provider
from reading import wordings

OPEN: Final = None
"""What the rules leave open, so that nothing is claimed about it."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
VANITY = ("northwind", "blue-harbour", "kestrel", "uni-halden", "lumen42", "stadtwerk")
PEOPLE = ("dana.winter", "ilse", "marek-k", "j.okafor", "room7north")


@dataclass(frozen=True)
class Say:
    text: str = ""


@dataclass(frozen=True)
class Rule:
    text: str


@dataclass(frozen=True)
class Link:
    """A link with words about it; `bare` shows the address alone, `tidy` stands in no sentence."""

    url: str
    words: str = ""
    tidy: bool = False
    wrap: bool = True


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    whole: bool = False
    """Whether label and value stay on one line, because words stand behind them."""


@dataclass(frozen=True)
class Row:
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Dial:
    """A phone number as shown, with what a telephone would dial behind a tel: link."""

    shown: str
    tel: str = ""
    before: str = ""
    after: str = ""


Line = Say | Rule | Link | Fact | Row | Dial


@dataclass(frozen=True)
class Meeting:
    provider: Provider
    language: str
    link: str
    lines: tuple[Line, ...]
    url: str | None = ""
    code: str | None = ""
    password: str | None = ""
    pin: str | None = ""
    phones: tuple[str, ...] | None = ()
    never: tuple[str, ...] = ()
    framed: bool = False
    schemeless: bool = False
    wordy: bool = False
    """Whether it is known only by the words at its link."""
    numeric_end: bool = True
    """Whether letters of another script may be glued to the link's end."""
    traits: tuple[str, ...] = field(default=())

    def marks(self) -> tuple[str, ...]:
        """What would show in a result that any part of this meeting got there."""
        own = [self.code or "", self.password or "", self.pin or "", *(self.phones or ())]
        tail = self.link.partition("://")[2].partition("/")[2][:60]
        return tuple(mark for mark in (*own, tail, *self.never) if len(mark) >= 5)


def digits(rng: Random, count: int, first: str = "123456789") -> str:
    return rng.choice(first) + "".join(rng.choices("0123456789", k=count - 1))


def token(rng: Random, count: int) -> str:
    return "".join(rng.choices(ALNUM, k=count))


def grouped(number: str, sizes: tuple[int, ...], mark: str) -> str:
    parts = []
    at = 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    if at < len(number):
        parts.append(number[at:])
    return mark.join(part for part in parts if part)


def threes(number: str, mark: str = " ") -> str:
    return grouped(number, (3,) * (len(number) // 3), mark)


def gap(rng: Random) -> str:
    return rng.choice((" ", " ", " ", "\u00a0"))


def phone(rng: Random) -> tuple[str, str]:
    """An invented number: as E.164, and as it is shown."""
    kind = rng.randrange(6)
    if kind <= 2:
        area = rng.choice(("646", "312", "415", "206", "617"))
        end = f"01{rng.randrange(100):02d}"
        styles = ("+1 {}-555-{}", "+1 {} 555 {}", "+1 ({}) 555-{}", "+1-{}-555-{}", "+1{}555{}")
        return f"+1{area}555{end}", rng.choice(styles).format(area, end)
    if kind == 3:
        end = f"0{rng.randrange(1000):03d}"
        styles = ("+44 20 7946 {}", "+44 (0)20 7946 {}", "+44 (0) 20 7946 {}", "+44-20-7946-{}")
        return f"+44207946{end}", rng.choice(styles).format(end)
    if kind == 4:
        end = f"{rng.randrange(1000):03d}"
        styles = ("+49 30 23125 {}", "+49 (0)30 23125 {}", "+49 30 23125-{}")
        return f"+493023125{end}", rng.choice(styles).format(end)
    end = f"{rng.randrange(10000):04d}"
    styles = ("+33 1 99 00 {} {}", "+33 (0)1 99 00 {} {}", "+33.1.99.00.{}.{}")
    return f"+3319900{end}", rng.choice(styles).format(end[:2], end[2:])


def phones(rng: Random, count: int) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    while len(found) < count:
        number, shown = phone(rng)
        found.setdefault(number, shown)
    return list(found.items())


def passcode(rng: Random) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return digits(rng, 6)
    if kind == 1:
        return token(rng, rng.randrange(6, 11))
    if kind == 2:
        return rng.choice(LETTERS) + token(rng, 5) + rng.choice("0123456789")
    return token(rng, 3) + rng.choice("!@#$%^*_-=+") + token(rng, 3) + rng.choice(("", "!", "*"))


def join_words(rng: Random, language: str, what: str) -> str:
    return wordings.PHRASES[language][0].format(what)


def _facts(rng: Random, facts: list[Fact]) -> list[Line]:
    """The facts in a line each, or once in a while side by side, or with shouted labels."""
    if rng.random() < 0.06:
        write = rng.choice((str.upper, str.lower))
        facts = [replace(fact, label=write(fact.label)) for fact in facts]
    plain = all(fact.value.replace(" ", "").replace("\u00a0", "").isalnum() for fact in facts)
    if len(facts) > 1 and plain and rng.random() < 0.08:
        return [Row(tuple(facts))]
    return list(facts)


# ---- Google Meet -----------------------------------------------------------------------------


def google_meet(rng: Random, language: str) -> Meeting:
    code = "-".join("".join(rng.choices(LETTERS, k=size)) for size in (3, 4, 3))
    path = code
    form = rng.random()
    if form < 0.1:
        path = f"_meet/{code}"
    elif form < 0.2:
        code = rng.choice(LETTERS) + "".join(rng.choices(LETTERS + "0123456789", k=9))
        path = f"lookup/{code}"
    query = rng.choice(("", "", "", "", "?hs=122&authuser=0", "?authuser=1", "?pli=1&authuser=0"))
    link = f"https://meet.google.com/{path}{query}"
    lines: list[Line] = [Link(link, join_words(rng, language, "Google Meet"))]
    pin = ""
    numbers: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    if rng.random() < 0.5:
        number, shown = phone(rng)
        numbers = (number,)
        pin = digits(rng, 9)
        more = digits(rng, 13)
        never = (more,)
        region = {"1": "US", "4": "GB" if number[2] == "4" else "DE", "3": "FR"}[number[1]]
        label = rng.choice(wordings.MEET_PIN[language])
        colon = rng.choice((": ", "\u00a0: ", " : ")) if language == "fr" else ": "
        shown_pin = rng.choice((pin, threes(pin), threes(pin, "\u00a0")))
        dial = f"{wordings.PHRASES[language][1]}: ({region}) "
        lines.append(Dial(shown, before=dial, after=f" {label}{colon}{shown_pin}#"))
        lines.append(Link(f"https://tel.meet/{code}?pin={more}&hs=7", "More phone numbers"))
    lines.append(Link("https://support.google.com/a/users/answer/9282720", "Learn more about Meet"))
    framed = rng.random() < 0.5
    if framed:
        rule = Rule("-::~:~::" + "~:" * rng.randrange(10, 40) + ":~:~::-")
        lines = [rule, *lines, Say(), Say("Please do not edit this section."), rule]
    return Meeting(
        Provider.GOOGLE_MEET,
        language,
        link,
        tuple(lines),
        url=link,
        code=code,
        pin=pin,
        phones=numbers,
        never=never,
        framed=framed,
        schemeless=True,
        numeric_end=False,
    )


# ---- Zoom ------------------------------------------------------------------------------------


def zoom_host(rng: Random) -> str:
    vanity = rng.choice(VANITY)
    region = f"us{rng.randrange(2, 8):02d}web"
    return rng.choice(
        (
            "zoom.us",
            f"{region}.zoom.us",
            f"{region}.zoom.us",
            f"{vanity}.zoom.us",
            f"{vanity}.zoom.us",
            "zoom.com",
            f"{vanity}.zoom.com",
            "zoom.com.cn",
            f"{vanity}.zoom.com.cn",
            "zoomgov.com",
            f"{vanity}.zoomgov.com",
            f"{vanity}.zoom-x.de",
        )
    )


def zoom(rng: Random, language: str) -> Meeting:
    ids, passwords = wordings.ZOOM[language]
    host = zoom_host(rng)
    number = digits(rng, rng.choice((9, 10, 10, 11, 11, 11)))
    sizes = {9: (3, 3, 3), 10: (3, 3, 4), 11: (3, 4, 4)}[len(number)]
    shown = grouped(number, sizes, rng.choice((" ", " ", " ", " ", "\u00a0", "-")))
    hashed = token(rng, 20) + rng.choice(("", ".1", "-_x", "_b.1"))
    form = rng.choice(("j", "j", "j?", "j?", "j?", "w", "w?", "my", "my?", "wc", "wcj", "zoommtg"))
    paths = {
        "j": f"/j/{number}",
        "j?": f"/j/{number}?pwd={hashed}" + rng.choice(("", "", "&jst=2", "&from=addon")),
        "w": f"/w/{number}",
        "w?": f"/w/{number}?tk={token(rng, 30)}",
        "my": f"/my/{rng.choice(PEOPLE)}",
        "my?": f"/my/{rng.choice(PEOPLE)}?pwd={hashed}",
        "wc": f"/wc/join/{number}",
        "wcj": f"/wc/{number}/join",
        "zoommtg": f"/join?confno={number}&pwd={hashed}&zc=0",
    }
    scheme = "zoommtg" if form == "zoommtg" else "https"
    if form == "j" and rng.random() < 0.1:
        scheme, host = "HTTPS", host.upper()
    link = f"{scheme}://{host}{paths[form]}"
    named = form.startswith("my")
    facts: list[Fact] = []
    code: str | None = "" if named else number
    password = ""
    if rng.random() < 0.85:
        if not named or rng.random() < 0.5:
            facts.append(Fact(rng.choice(ids), shown))
            code = OPEN if named else number
        if rng.random() < 0.8:
            password = passcode(rng)
            facts.append(Fact(rng.choice(passwords), password))
    lines: list[Line] = [Link(link, join_words(rng, language, "Zoom"), wrap=scheme != "zoommtg")]
    if form == "j?" and rng.random() < 0.15:
        short = link.partition("?")[0]
        lines.insert(0, Link(short, "Short"))
    if rng.random() < 0.4:
        lines.append(Say())
    lines += _facts(rng, facts)
    never: tuple[str, ...] = ()
    numbers: list[str] = []
    if facts and not named and form != "zoommtg" and rng.random() < 0.5:
        typed = digits(rng, 6)
        if password and not password.isdigit():
            never = (typed,)
        else:
            typed = password
        tail = f",,,,*{typed}#" if typed else ""
        chosen = phones(rng, rng.randrange(1, 4))
        numbers = [found for found, _ in chosen]
        lines.append(Say("One tap mobile"))
        if rng.random() < 0.6:
            lines += [
                Dial(f"{found},,{number}#{tail}", after=" (City)", tel=f"{found},,{number}#{tail}")
                for found in numbers
            ]
        lines += [Say(), Say("Dial by your location")]
        lines += [Dial(text, after=" (City)") for _, text in chosen]
        if rng.random() < 0.5:
            lines.append(Fact(facts[0].label, facts[0].value))
        lines.append(Link(f"https://{host}/u/{token(rng, 9)}", "Find your local number"))
        if rng.random() < 0.3:
            machine = rng.choice(
                (
                    [Say("Join by SIP"), Say(f"{number}@zoomcrc.com")],
                    [Say("Join by H.323"), Say("192.0.2.10 (US West)"), facts[0]],
                )
            )
            lines += [Say(), *machine]
            if never:
                lines.append(Fact(passwords[0], typed))
        if rng.random() < 0.1:
            key = digits(rng, 6)
            never += (key,)
            lines += [Say(), Fact("Host Key", key)]
    link_last = not numbers and rng.random() < 0.06
    if link_last:
        # Where people write it themselves, the link may come last.
        links = [line for line in lines if isinstance(line, Link)]
        lines = [line for line in lines if isinstance(line, Fact | Row)] + links
    return Meeting(
        Provider.ZOOM_MEETING,
        language,
        link,
        tuple(lines),
        url=OPEN if scheme == "zoommtg" else link,
        code=code,
        password=password,
        pin=OPEN,
        phones=tuple(numbers),
        never=never,
        schemeless=scheme == "https" and host.endswith("zoom.us"),
        numeric_end=not named,
        traits=(f"zoom-{form}", "link-last") if link_last else (f"zoom-{form}",),
    )


# ---- Microsoft Teams -------------------------------------------------------------------------


def guid(rng: Random) -> str:
    text = "".join(rng.choices("0123456789abcdef", k=32))
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def meetup_join(rng: Random, host: str) -> str:
    kind = "gcch%3ameeting_" if host.endswith(".us") and rng.random() < 0.5 else "meeting_"
    thread = f"19%3a{kind}{token(rng, 44)}%40thread.v2/0"
    tenant = f"%7b%22Tid%22%3a%22{guid(rng)}%22%2c%22Oid%22%3a%22{guid(rng)}%22%7d"
    if rng.random() < 0.2:
        thread = thread.replace("%3a", ":").replace("%40", "@")
    if rng.random() < 0.2:
        tenant = tenant.replace("%3a", ":")
    if rng.random() < 0.2:
        thread, tenant = thread.replace("%3a", "%3A"), tenant.replace("%3a", "%3A")
    return f"https://{host}/l/meetup-join/{thread}?context={tenant}"


def teams(rng: Random, language: str) -> Meeting:
    ids, passwords, conference_ids = wordings.TEAMS[language]
    host = rng.choice(
        (
            "teams.microsoft.com",
            "teams.microsoft.com",
            "teams.microsoft.com",
            "teams.live.com",
            "teams.cloud.microsoft",
            "gov.teams.microsoft.us",
            "dod.teams.microsoft.us",
            "teams.microsoft.us",
            "gov.teams.microsoft.com",
            "teams.microsoftonline.cn",
        )
    )
    number = digits(rng, rng.choice((11, 12, 13, 13, 14, 14, 15, 16)))
    form = "meet" if host == "teams.live.com" or rng.random() < 0.5 else "join"
    url: str | None
    if form == "meet":
        link = f"https://{host}/meet/{number}?p={token(rng, rng.choice((8, 18)))}"
        url = link
    else:
        link = meetup_join(rng, host)
        url = link
        odd = rng.random()
        if odd < 0.06:
            link = link.replace(host, f"{host}:443", 1)
            url, form = OPEN, "port"
        elif odd < 0.14:
            inner = link.partition(host)[2].replace("%", "%25").replace("/", "%2f")
            inner = inner.replace("?", "%3f").replace("=", "%3d").replace("&", "%26")
            link = (
                f"https://{host}/dl/launcher/launcher.html?url=%2f_%23{inner}"
                f"&type=meetup-join&deeplinkId={guid(rng)}&directDl=true"
            )
            url, form = OPEN, "launcher"
    facts: list[Fact] = []
    code = number if form == "meet" else ""
    password = ""
    if rng.random() < 0.8:
        code = number
        facts.append(Fact(rng.choice(ids), threes(number, gap(rng))))
        if rng.random() < 0.85:
            password = token(rng, rng.choice((6, 7, 8)))
            facts.append(Fact(rng.choice(passwords), password))
    words = rng.choice(wordings.TEAMS_JOIN[language])
    lines: list[Line] = [Say("Microsoft Teams"), Link(link, words), *_facts(rng, facts)]
    framed = rng.random() < 0.6
    if framed and rng.random() < 0.5:
        lines.append(Rule("_" * 32))
    lines.append(Link("https://aka.ms/JoinTeamsMeeting?omkt=en-US", "?", wrap=False))
    if form == "meet" and rng.random() < 0.6:
        lines.append(Link(meetup_join(rng, host), "System reference"))
    pin = ""
    numbers: list[str] = []
    if facts and rng.random() < 0.5:
        pin = digits(rng, 9)
        number_, shown = phone(rng)
        numbers = [number_]
        lines.append(Dial(f"{shown},,{pin}#", tel=f"{number_},,{pin}#", after=" City"))
        lines.append(
            Link(f"https://dialin.teams.microsoft.com/{guid(rng)}?id={pin}", "Find a local number")
        )
        lines.append(Fact(rng.choice(conference_ids), f"{threes(pin, gap(rng))}#"))
    if rng.random() < 0.4:
        options = f"https://{host}/meetingOptions/?organizerId={guid(rng)}&language=en-US"
        lines.append(Link(options, "Meeting options"))
        if numbers:
            pins = "https://dialin.teams.microsoft.com/usp/pstnconferencing"
            lines.append(Link(pins, "Reset dial-in PIN"))
    never: list[str] = []
    if rng.random() < 0.15:
        tenant, video = f"{digits(rng, 9)}@t.plcm.vc", digits(rng, 10)
        lines += [Fact("Tenant key", tenant), Fact("Video ID", threes(video))]
        never = [video]
    if framed:
        lines = [Rule("_" * 80), *lines, Rule("_" * 80)]
    return Meeting(
        Provider.MICROSOFT_TEAMS,
        language,
        link,
        tuple(lines),
        url=url,
        code=code,
        password=password,
        pin=pin,
        phones=tuple(numbers),
        never=tuple(never),
        framed=framed,
        schemeless=host == "teams.microsoft.com" and form in {"meet", "join"},
        traits=(f"teams-{form}",),
    )


# ---- Webex -----------------------------------------------------------------------------------


def webex(rng: Random, language: str) -> Meeting:
    labels, passwords = wordings.WEBEX[language]
    vanity = rng.choice(VANITY)
    host = f"{vanity}.webex.com"
    form = rng.choice(("j", "j", "j", "my", "meet", "meet", "join", "regional", "event"))
    hashed = "m" + "".join(rng.choices("0123456789abcdef", k=32))
    site = vanity
    if form == "my":
        host, site = f"{vanity}.my.webex.com", f"{vanity}.my"
    elif form == "regional":
        host, form = f"meet{rng.randrange(10, 300)}.webex.com", "meet"
    if form in {"j", "my", "event"}:
        page = "e.php" if form == "event" else "j.php"
        link = f"https://{host}/{site}/{page}?MTID={hashed}"
    else:
        link = f"https://{host}/{form}/{rng.choice(PEOPLE)}"
    number = digits(rng, rng.choice((9, 10, 11, 11)))
    sizes = {9: (3, 3, 3), 10: (3, 3, 4), 11: (4, 3, 4)}[len(number)]
    lines: list[Line] = [Link(link, join_words(rng, language, "Webex"))]
    code: str | None = ""
    password = ""
    never: list[str] = []
    numbers: list[str] = []
    if form in {"j", "my"} and rng.random() < 0.8:
        code = number
        facts = [Fact(rng.choice(labels), grouped(number, sizes, gap(rng)))]
        if rng.random() < 0.85:
            password = token(rng, rng.randrange(6, 12))
            value = password
            if language in wordings.FROM_PHONES and rng.random() < 0.4:
                typed = digits(rng, 8)
                never.append(typed)
                value = f"{password} ({typed} {rng.choice(wordings.FROM_PHONES[language])})"
            facts.append(Fact(rng.choice(passwords), value, whole=value != password))
        lines += _facts(rng, facts)
        if rng.random() < 0.5:
            area, end = rng.choice(("650", "415", "408")), f"01{rng.randrange(100):02d}"
            numbers = [f"+1{area}555{end}"]
            shown = f"+1-{area}-555-{end}"
            style = rng.randrange(3)
            if style == 0:
                lines.append(Dial(f"1-{area}-555-{end}", after=" Call-in toll number"))
                tel = f"tel:%2B1-{area}-555-{end},,*01*{number}%23%23*01*"
                lines.append(Say(f"Tap here to call (mobile phones only): {tel}"))
            elif style == 1:
                tel = f"%2B1-{area}-555-{end},,*01*{number}%23%23*01*"
                lines.append(Dial(shown, tel=tel, after=" US Toll"))
            else:
                lines.append(Dial(shown, after=" US Toll"))
            if language == "en" and rng.random() < 0.5:
                lines.append(Fact("Access code", grouped(number, (3, 3, 5), " ")))
            lines.append(
                Link(f"https://{host}/{site}/globalcallin.php?MTID={hashed}", "Global numbers")
            )
        if rng.random() < 0.1:
            key = digits(rng, 6)
            never.append(key)
            lines.append(Fact("Host key", key))
        if rng.random() < 0.3:
            lines += [Say(), Say(f"{number}@{host}")]
    return Meeting(
        Provider.WEBEX,
        language,
        link,
        tuple(lines),
        url=link,
        code=code,
        password=password,
        pin=OPEN,
        phones=tuple(numbers),
        never=tuple(never),
        numeric_end=False,
        traits=(f"webex-{form}",),
    )


# ---- GoTo ------------------------------------------------------------------------------------


def goto(rng: Random, language: str) -> Meeting:
    number = digits(rng, 9)
    room = rng.choice(("danawinter", "northwind-weekly", "ilseb"))
    link, code = rng.choice(
        (
            (f"https://global.gotomeeting.com/join/{number}", number),
            (f"https://www.gotomeeting.com/join/{number}", number),
            (f"https://www1.gotomeeting.com/join/{number}", number),
            (f"https://app.gotomeeting.com/join/{number}", number),
            (f"https://app.gotomeeting.com/?meetingId={number}", number),
            (f"https://meet.goto.com/{number}", number),
            (f"https://meet.goto.com/{number}", number),
            (f"https://app.goto.com/meeting/{number}", number),
            (f"https://www.gotomeet.me/{room}", ""),
            (f"https://meet.goto.com/{room}", ""),
        )
    )
    lines: list[Line] = [Link(link, join_words(rng, language, "GoTo"))]
    numbers: list[str] = []
    if code:
        chosen = phones(rng, rng.choice((0, 1, 1, 2)))
        for found, shown in chosen:
            numbers.append(found)
            tel = f"{found},,{number}#" if rng.random() < 0.5 else ""
            lines.append(Dial(shown, before="Country: ", tel=tel))
        if rng.random() < 0.3:
            end = f"01{rng.randrange(100):02d}"
            free = f"+1866555{end}"
            numbers.append(free)
            lines.append(Dial(f"1 866 555 {end}", before="Toll free: ", tel=f"{free},,{number}#"))
        labels = wordings.GOTO.get(language, wordings.GOTO["en"])
        if rng.random() < 0.85:
            lines += [Say(), Fact(rng.choice(labels), threes(number, rng.choice(("-", "-", " "))))]
        if rng.random() < 0.5:
            install = rng.choice(
                (
                    f"https://global.gotomeeting.com/install/{number}",
                    "https://meet.goto.com/install",
                    "https://link.gotomeeting.com/system-check",
                )
            )
            lines.append(Link(install, "Get the app now"))
    return Meeting(
        Provider.GOTOMEETING,
        language,
        link,
        tuple(lines),
        url=link,
        code=code,
        pin=OPEN,
        phones=tuple(numbers),
        never=(threes(number, "-"),),
        numeric_end=bool(code),
    )


# ---- Skype -----------------------------------------------------------------------------------


def skype_business(rng: Random, language: str) -> Meeting:
    code = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=8))
    person = rng.choice(PEOPLE)
    wordy = rng.random() < 0.25
    if wordy:
        language = "en"
        host = rng.choice(
            ("meet.northwind.example", "join.kestrel.example", "meet.uni-halden.test")
        )
        link = f"https://{host}/{person}/{code}"
        words = rng.choice(("Join Skype Meeting", "Join Lync Meeting"))
    else:
        link = f"https://meet.lync.com/{rng.choice(VANITY)}/{person}/{code}"
        words = rng.choice(("Join Skype Meeting", join_words(rng, language, "Skype")))
    lines: list[Line] = [Link(link, words, tidy=wordy)]
    if rng.random() < 0.6:
        web = Link(f"{link}?sl=1", "Try Skype Web App")
        lines.insert(0 if rng.random() < 0.2 and not wordy else 1, web)
    pin = ""
    numbers: list[str] = []
    if rng.random() < 0.7:
        pin = digits(rng, rng.randrange(6, 11))
        if rng.random() < 0.6:
            number, shown = phone(rng)
            numbers = [number]
            lines.append(Dial(shown, after=rng.choice((f",,{pin}# (City)", " (City)"))))
            lines.append(Link(f"https://dialin.lync.com/{guid(rng)}", "Find a local number"))
        lines.append(Fact(rng.choice(wordings.SKYPE[language]), pin))
        if numbers:
            forgot = "https://mysettings.lync.com/pstnconferencing"
            lines.append(Link(forgot, "Forgot your dial-in PIN?"))
    lines.append(Link("https://go.microsoft.com/fwlink/?LinkId=389737", "Help"))
    framed = rng.random() < 0.6
    if framed:
        rule = Rule("." * rng.randrange(60, 140))
        lines = [rule, *lines, rule]
    return Meeting(
        Provider.SKYPE_FOR_BUSINESS,
        language,
        link,
        tuple(lines),
        url=link,
        code=OPEN,
        pin=pin,
        phones=tuple(numbers),
        framed=framed,
        wordy=wordy,
        traits=("skype-own-host",) if wordy else (),
    )


def skype_consumer(rng: Random, language: str) -> Meeting:
    code = token(rng, 12)
    path = rng.choice((code, code, f"invite/{code}"))
    link = f"https://join.skype.com/{path}"
    return Meeting(
        Provider.SKYPE_FOR_CONSUMER,
        language,
        link,
        (Link(link, join_words(rng, language, "Skype")),),
        url=link,
        code=OPEN,
        numeric_end=False,
    )


MAKERS: dict[Provider, Callable[[Random, str], Meeting]] = {
    Provider.GOOGLE_MEET: google_meet,
    Provider.ZOOM_MEETING: zoom,
    Provider.MICROSOFT_TEAMS: teams,
    Provider.WEBEX: webex,
    Provider.GOTOMEETING: goto,
    Provider.SKYPE_FOR_BUSINESS: skype_business,
    Provider.SKYPE_FOR_CONSUMER: skype_consumer,
}

WEIGHTS = (4, 6, 6, 4, 3, 2, 1)


def meeting(rng: Random, language: str, provider: Provider | None = None) -> Meeting:
    chosen = provider or rng.choices(list(MAKERS), weights=WEIGHTS)[0]
    return MAKERS[chosen](rng, language)


def bare(made: Meeting) -> Meeting:
    """The same meeting with nothing but its link: what its invitation says is not there."""
    by_link = {
        Provider.GOOGLE_MEET: made.code,
        Provider.GOTOMEETING: made.code,
        Provider.ZOOM_MEETING: made.code if "zoom-my" not in "".join(made.traits) else "",
        Provider.MICROSOFT_TEAMS: made.code if "teams-meet" in made.traits else "",
    }
    return replace(
        made,
        lines=(Link(made.link),),
        code=OPEN if made.code is OPEN else by_link.get(made.provider, ""),
        password="",
        pin="",
        phones=(),
        never=(),
        framed=False,
    )
