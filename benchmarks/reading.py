"""Time the reader beside a loop of many URL patterns, in one run: `--quick` for a short one.

README.md beside this file says what is measured and how.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from urllib.parse import quote

from conferencing_service.core import reading
from conferencing_service.core.model import Conferencing, Details

DETECTION_GOAL = 8.0
"""How many times faster than the loop links are to be found."""

# ---- The loop -------------------------------------------------------------------------------

_REST = r"[^\s<>\"']*"
SERVICES: dict[str, str] = {
    "Google Meet": r"https?://meet\.google\.com/(?:_meet/)?[a-z]{3}-[a-z]{4}-[a-z]{3}" + _REST,
    "Google Meet lookup": r"https?://meet\.google\.com/lookup/[\w-]+" + _REST,
    "Google Hangouts": r"https?://hangouts\.google\.com/" + _REST,
    "Google Chat": r"https?://chat\.google\.com/room/" + _REST,
    "Zoom": r"https?://(?:[\w-]+\.)*zoom(?:-x)?\.(?:us|com|com\.cn|de)/(?:j|my|w|wc)/" + _REST,
    "Zoom client": r"zoommtg://(?:[\w-]+\.)*zoom\.(?:us|com)/join\?" + _REST,
    "Zoom for Government": r"https?://(?:[\w-]+\.)*zoomgov\.com/(?:j|my|w|wc)/" + _REST,
    "Zoom Events": r"https?://events\.zoom\.us/" + _REST,
    "Teams": r"https?://(?:[\w-]+\.)*teams\.microsoft\.(?:com|us)/l/meetup-join/" + _REST,
    "Teams short": r"https?://teams\.(?:microsoft\.com|cloud\.microsoft)/meet/\d+" + _REST,
    "Teams for home": r"https?://teams\.live\.com/meet/\d+" + _REST,
    "Webex": r"https?://(?:[\w-]+\.)+webex\.com/(?:[\w.-]+/)?(?:j|e)\.php\?MTID=\w+" + _REST,
    "Webex rooms": r"https?://(?:[\w-]+\.)+webex\.com/(?:meet|join)/[\w.-]+" + _REST,
    "GoToMeeting": r"https?://(?:[\w-]+\.)*gotomeeting\.com/(?:join/)?\d+" + _REST,
    "GoTo": r"https?://(?:meet|app)\.goto\.com/(?:meeting/)?[\w-]+" + _REST,
    "GoTo rooms": r"https?://(?:www\.)?gotomeet\.me/[\w.-]+" + _REST,
    "GoToWebinar": r"https?://(?:[\w-]+\.)*gotowebinar\.com/join/" + _REST,
    "Skype": r"https?://join\.skype\.com/(?:invite/)?\w+" + _REST,
    "Skype for Business": r"https?://meet\.lync\.com/[\w.-]+/[\w.-]+/\w+" + _REST,
    "Lync on premises": r"https?://(?:meet|join)\.[\w.-]+/[\w.-]+/[A-Z0-9]{6,10}\b" + _REST,
    "Jitsi": r"https?://meet\.jit\.si/" + _REST,
    "Jitsi as a service": r"https?://8x8\.vc/vpaas-[\w-]+/" + _REST,
    "8x8": r"https?://8x8\.vc/[\w-]+/" + _REST,
    "Amazon Chime": r"https?://(?:[\w-]+\.)?chime\.aws/\d+" + _REST,
    "RingCentral": r"https?://v\.ringcentral\.com/join/\d+" + _REST,
    "RingCentral Meetings": r"https?://meetings\.ringcentral\.com/j/\d+" + _REST,
    "BlueJeans": r"https?://(?:[\w-]+\.)?bluejeans\.com/\d+" + _REST,
    "Whereby": r"https?://(?:[\w-]+\.)?whereby\.com/[\w-]+" + _REST,
    "Dialpad": r"https?://meetings\.dialpad\.com/(?:room/)?[\w-]+" + _REST,
    "UberConference": r"https?://(?:[\w-]+\.)?uberconference\.com/[\w-]+" + _REST,
    "join.me": r"https?://(?:secure\.)?join\.me/[\w.-]+" + _REST,
    "Slack": r"https?://app\.slack\.com/huddle/[\w/-]+" + _REST,
    "Discord": r"https?://(?:discord\.gg|discord\.com/(?:invite|channels))/[\w/-]+" + _REST,
    "Workplace": r"https?://(?:[\w-]+\.)?workplace\.com/(?:groupcall|meet)/[\w:-]+" + _REST,
    "Messenger rooms": r"https?://(?:msngr\.com|m\.me/j)/[\w-]+" + _REST,
    "FaceTime": r"https?://facetime\.apple\.com/join" + _REST,
    "Lark": r"https?://vc\.larksuite\.com/j/\d+" + _REST,
    "Feishu": r"https?://vc\.feishu\.cn/j/\d+" + _REST,
    "VooV": r"https?://voovmeeting\.com/(?:dm/)?[\w-]+" + _REST,
    "Tencent Meeting": r"https?://meeting\.tencent\.com/(?:dm|p)/[\w-]+" + _REST,
    "DingTalk": r"https?://(?:[\w-]+\.)?dingtalk\.com/conference/[\w-]+" + _REST,
    "Zoho Meeting": r"https?://meeting\.zoho\.(?:com|eu|in)/(?:join|meeting)/?" + _REST,
    "Zoho Cliq": r"https?://cliq\.zoho\.(?:com|eu|in)/meetings/\d+" + _REST,
    "Lifesize": r"https?://call\.lifesizecloud\.com/\d+" + _REST,
    "StarLeaf": r"https?://meet\.starleaf\.com/\d+" + _REST,
    "Pexip": r"https?://(?:[\w-]+\.)*pexip\.(?:me|com)/meet/[\w.-]+" + _REST,
    "Vonage": r"https?://meetings\.vonage\.com/\w+" + _REST,
    "Avaya Spaces": r"https?://spaces\.avayacloud\.com/spaces/\w+" + _REST,
    "Vidyo": r"https?://(?:[\w-]+\.)?vidyo(?:cloud)?\.com/join/\w+" + _REST,
    "Livestorm": r"https?://app\.livestorm\.co/[\w-]+/[\w-]+" + _REST,
    "Demio": r"https?://event\.demio\.com/ref/\w+" + _REST,
    "Demodesk": r"https?://demodesk\.com/[\w-]+" + _REST,
    "ClickMeeting": r"https?://[\w-]+\.clickmeeting\.com/[\w-]+" + _REST,
    "BigBlueButton": r"https?://[\w.-]+/b/[a-z0-9]{3}-[a-z0-9]{3}-[a-z0-9]{3}" + _REST,
    "Blackboard Collaborate": r"https?://(?:[\w-]+\.)?bbcollab\.com/(?:guest/)?\w+" + _REST,
    "Adobe Connect": r"https?://[\w-]+\.adobeconnect\.com/[\w-]+" + _REST,
    "TeamViewer": r"https?://go\.teamviewer\.com/v\d+/m[\w-]+" + _REST,
    "VSee": r"https?://vsee\.com/c/[\w-]+" + _REST,
    "Doxy": r"https?://(?:[\w-]+\.)?doxy\.me/[\w-]+" + _REST,
    "Gather": r"https?://app\.gather\.town/app/[\w/%-]+" + _REST,
    "Tuple": r"https?://tuple\.app/c/[\w-]+" + _REST,
    "Around": r"https?://(?:meet\.)?around\.co/r/[\w-]+" + _REST,
    "Pop": r"https?://pop\.com/j/[\w-]+" + _REST,
    "Gong": r"https?://(?:[\w-]+\.)?join\.gong\.io/[\w-]+" + _REST,
    "Riverside": r"https?://riverside\.fm/studio/[\w-]+" + _REST,
    "StreamYard": r"https?://streamyard\.com/\w+" + _REST,
    "Vimeo": r"https?://vimeo\.com/(?:event|showcase)/\d+" + _REST,
    "YouTube": r"https?://(?:www\.)?youtube\.com/(?:live/|watch\?v=)[\w-]+" + _REST,
    "Nextcloud Talk": r"https?://[\w.-]+/(?:index\.php/)?call/[a-z0-9]{8}\b" + _REST,
    "Proton Meet": r"https?://meet\.proton\.me/join/" + _REST,
}
PATTERNS = [re.compile(pattern, re.IGNORECASE) for pattern in SERVICES.values()]
CASED_PATTERNS = [re.compile(pattern) for pattern in SERVICES.values()]
_TAG = re.compile(r"<[^>]+>")


def loop(text: str) -> list[str]:
    """Return every match of every pattern, in the text and in the text without its tags."""
    return _matches(PATTERNS, text)


def cased_loop(text: str) -> list[str]:
    """Do the same with patterns that know one case only, which `re` searches faster."""
    return _matches(CASED_PATTERNS, text)


def _matches(patterns: list[re.Pattern[str]], text: str) -> list[str]:
    found = []
    for each in (text, _TAG.sub("", text)):
        for pattern in patterns:
            found += pattern.findall(each)
    return found


# ---- The bodies -----------------------------------------------------------------------------

_WORDS = re.findall(
    r"\w+",
    "agenda budget review draft quarter customer please open items notes decision owner before the "
    "and with for of next week team plan status report minutes follow schedule room agreed",
)
TEAMS_URL = "https://teams.microsoft.com/meet/24850550123456?p=aBcDeFgHiJkLmNoPqR"
DETAILS = Details(
    url=TEAMS_URL,
    meeting_code="24850550123456",
    password="xT9Lq2Vd",  # noqa: S106 - nobody's
    pin="551236784",
    phone=("+13235550151",),
)


@dataclass(frozen=True, slots=True)
class Body:
    """An HTML body and what is in it."""

    name: str
    html: str
    details: Details | None


def paragraph(chance: random.Random) -> str:
    """Return a paragraph as mail programs write it, with one link that joins nothing."""
    words = " ".join(chance.choices(_WORDS, k=12))
    host = chance.choice(("www.example.com", "docs.example.org", "tickets.example.net"))
    path = "/".join(chance.choices(_WORDS, k=2))
    return (
        f'<p class="MsoNormal"><span style="font-size:11.0pt">{words} '
        f'<a href="https://{host}/{path}?id={chance.randrange(10**6)}">{chance.choice(_WORDS)}</a>'
        "&nbsp;.</span></p>\n"
    )


def invitation(url: str) -> str:
    """Return the block that Teams writes, round a link."""
    rule = "_" * 80
    return (
        f'<div>{rule}</div><div><span style="font-size:24px">Microsoft Teams meeting</span></div>'
        f'<div><a href="{url}">Join the meeting now</a></div>'
        "<div><span>Meeting ID: </span><span>248 505 501 234 56</span></div>"
        "<div><span>Passcode: </span><span>xT9Lq2Vd</span></div><hr>"
        '<div><a href="https://aka.ms/JoinTeamsMeeting?omkt=en-US">Need help?</a></div>'
        '<div><b>Dial in by phone</b></div><div><a href="tel:+13235550151,,551236784#">'
        "+1 323-555-0151,,551236784#</a> United States, Los Angeles</div>"
        f"<div>Phone conference ID: <span>551 236 784#</span></div><div>{rule}</div>"
    )


def body(name: str, size: int, block: str, details: Details | None) -> Body:
    """Return a body of a size: paragraphs, and a block as the last of them."""
    chance = random.Random(size)  # noqa: S311 - the same body in every run
    head, tail = "<html><body>\n", f"{block}</body></html>\n"
    pieces = [head]
    length = len(head) + len(tail)
    while length < size:
        pieces.append(paragraph(chance))
        length += len(pieces[-1])
    return Body(f"{size // 1000} kB HTML, {name}", "".join(pieces) + tail, details)


def bodies() -> list[Body]:
    """Return the bodies that are read."""
    safelink = (
        "https://eur03.safelinks.protection.outlook.com/?url="
        + quote(TEAMS_URL, safe="")
        + "&amp;data=05%7C02%7C&amp;sdata=bXAyA7EC1lCO%3D&amp;reserved=0"
    )
    return [
        each
        for size in (10_000, 100_000)
        for each in (
            body("Teams last", size, invitation(TEAMS_URL), DETAILS),
            body("no meeting", size, "", None),
            body("SafeLinks", size, invitation(safelink), DETAILS),
        )
    ]


# ---- The measure ----------------------------------------------------------------------------


def detect(text: str) -> reading.JoinLink | None:
    """Find the first join link, and nothing else."""
    return next(reading.join_links_in(text), None)


def read(text: str) -> Conferencing | None:
    """Read a body with all details."""
    return reading.conferencing_from_microsoft({"body": {"contentType": "html", "content": text}})


ARMS: dict[str, Callable[[str], object]] = {
    "loop": loop,
    "cased loop": cased_loop,
    "detection": detect,
    "reading": read,
}


def microseconds(text: str, rounds: int, sample: float) -> dict[str, float]:
    """Return the median of each arm, their samples taken in turns."""
    calls = {name: _calls(arm, text, sample) for name, arm in ARMS.items()}
    samples: dict[str, list[float]] = {name: [] for name in ARMS}
    for _ in range(rounds):
        for name, arm in ARMS.items():
            started = time.process_time()
            for _ in range(calls[name]):
                arm(text)
            samples[name].append((time.process_time() - started) / calls[name] * 1e6)
    return {name: median(of_arm) for name, of_arm in samples.items()}


def _calls(arm: Callable[[str], object], text: str, sample: float) -> int:
    """Return how many calls of an arm, once warm, take as long as a sample should."""
    arm(text)
    started = time.process_time()
    arm(text)
    return max(1, round(sample / max(1e-7, time.process_time() - started)))


def faults(each: Body) -> list[str]:
    """Return what the reader reads wrong, for a fast wrong answer is none."""
    link, found = detect(each.html), read(each.html)
    source = found.source if found is not None else None
    if each.details is None:
        return ["a meeting where there is none"] * (link is not None or found is not None)
    wrong = [] if link is not None and link.url == each.details.url else ["detection: url"]
    return wrong + [
        f"reading: {key}"
        for key in ("url", "meeting_code", "password", "pin", "phone")
        if getattr(source, key, None) != getattr(each.details, key)
    ]


def main() -> int:
    """Print the table and the goals; return 1 for a wrong answer or, but if quick, a miss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; a miss does not fail")
    quick = parser.parse_args().quick
    rounds, sample = (15, 0.001) if quick else (25, 0.005)
    out = sys.stdout
    out.write(
        f"{len(PATTERNS)} patterns; median process CPU of {rounds} rounds taken in turns, in us;\n"
        "in brackets how many times as long the loop and the cased loop take\n\n"
        f"{'body':<25}{'bytes':>7}{'URLs':>5}{'loop':>10}{'cased loop':>12}"
        f"{'detection':>11}{'':>17}{'reading':>10}\n"
    )
    gc.disable()
    detections, readings, wrong = [], [], []
    for each in bodies():
        took = microseconds(each.html, rounds, sample)
        detection, full = (took["loop"] / took[name] for name in ("detection", "reading"))
        detections.append(detection)
        readings.append(full)
        wrong += [f"{each.name}: {fault}" for fault in faults(each)]
        cased = [took["cased loop"] / took[name] for name in ("detection", "reading")]
        out.write(
            f"{each.name:<25}{len(each.html.encode()):>7}{each.html.count('://'):>5}"
            f"{took['loop']:>10.1f}{took['cased loop']:>12.1f}"
            f"{took['detection']:>11.1f} ({detection:>6.1f}x{cased[0]:>6.1f}x)"
            f"{took['reading']:>10.1f} ({full:>6.1f}x{cased[1]:>6.1f}x)\n"
        )
        gc.collect()
    met = [min(detections) >= DETECTION_GOAL, min(readings) > 1]
    out.write(
        f"\nLinks found at least {DETECTION_GOAL:.0f} times faster than by the loop: "
        f"{_verdict(met[0])} (least {min(detections):.1f}x)\n"
        "All details read faster than the loop finds links alone: "
        f"{_verdict(met[1])} (least {min(readings):.1f}x)\n"
    )
    out.write("".join(f"WRONG {fault}\n" for fault in wrong) or "Every body read right.\n")
    return 1 if wrong or not (quick or all(met)) else 0


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
