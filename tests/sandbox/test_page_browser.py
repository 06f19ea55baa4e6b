"""The page for people in a real browser: live, in both schemes, on a narrow screen, by keyboard."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Keys

from support.browser import browsing
from support.sandbox import START

PICTURE = Path(__file__).resolve().parents[2] / "build" / "screenshots" / "sandbox-page.png"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
# Twice the time after which an open page asks again.
LONG_ENOUGH = 2
BERLIN = {
    "start_time": START,
    "end_time": START + 3600,
    "start_timezone": "Europe/Berlin",
    "end_timezone": "Europe/Berlin",
}
MEET = {"provider": "Google Meet", "autocreate": {}}
ZOOM = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": "zoom-demo"}}
WEBEX = {
    "provider": "WebEx",
    "details": {
        "url": "https://example.webex.com/meet/grace",
        "password": "rye-bread",
        "pin": "77",
    },
}

SAYS = "return document.getElementById('state').textContent === arguments[0]"
HOLDS = "return document.body.innerText.includes(arguments[0])"
ROWS = "return document.querySelectorAll(`#${arguments[0]} tr[data-key]`).length"

# WCAG 2.2, contrast: of every text with what is behind it; those below 4.5 are returned.
FAINT = """
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = numbers(color).map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (numbers(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
};
const faint = new Set();
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  texts += 1;
  const [one, other] = [light(getComputedStyle(element).color), light(behind(element))]
    .sort((a, b) => a - b);
  if ((other + 0.05) / (one + 0.05) < 4.5) faint.add(`${element.className}: ${element.textContent}`);
}
return [texts, Array.from(faint)];
"""


@pytest.fixture(scope="module")
def running_browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def browser(running_browser):
    """The browser, as wide as a desk; whatever it complained about in the end is a failure."""
    running_browser.show(1280, 900)
    running_browser.complaints()
    yield running_browser
    complaints = running_browser.complaints()
    running_browser.open("about:blank")
    assert complaints == []


@pytest.fixture
def filled(start):
    """A sandbox with something of everything; to be asked for before the browser.

    Then the browser leaves it before it ends.
    """
    with start() as sandbox:
        fill(sandbox)
        yield sandbox


def open_live(browser, sandbox, grant=None):
    browser.open(f"{sandbox.url}/" if grant is None else f"{sandbox.url}/?grant={grant.id}")
    browser.wait_for(SAYS, "Live")


def press(browser, *keys):
    ActionChains(browser.driver).send_keys(*keys).perform()


def fill(sandbox):
    """Something of everything, so that a picture shows it."""
    google, microsoft = sandbox.demo("google-demo"), sandbox.demo("microsoft-demo")
    google.http.headers["traceparent"] = f"00-{'7c1d3f0a9be24586' * 2}-53995c3f42cd8ad8-01"
    people = [{"email": f"{name}@example.com"} for name in ("ada", "grace", "alan")]
    google.created(title="Quarterly planning", when=BERLIN, participants=people, conferencing=ZOOM)
    google.created(
        title="Interview", when={"time": START + 90_000}, location="https://example.com/room"
    )
    microsoft.created(title="Customer call", participants=people[:1], conferencing=WEBEX)
    teams = {"provider": "Microsoft Teams", "autocreate": {}}
    microsoft.created(title="Board", when=BERLIN, participants=people, conferencing=teams)
    microsoft.fault("server_error", value=503)
    microsoft.listed()
    sandbox.arm({"kind": "rate_limit", "value": 2, "grant_id": "microsoft-demo", "method": "POST"})


def test_an_open_page_follows_what_happens(filled, browser):
    open_live(browser, filled)
    browser.evaluate("window.opened = true")
    assert "Design review" not in browser.text()
    google = filled.demo("google-demo")
    path = f"/v3/grants/{google.id}/events?calendar_id=primary"
    event = {"title": "Design review", "when": BERLIN, "conferencing": MEET}
    event["participants"] = [{"email": "ada@example.com"}, {"email": "grace@example.com"}]
    created = google.http.post(
        path,
        content=json.dumps(event),
        headers={"content-type": "application/json", "traceparent": TRACEPARENT},
    ).json()["data"]
    browser.wait_for(HOLDS, "Design review")
    details = created["conferencing"]["details"]
    link = "return document.querySelector(`a[href='${arguments[0]}']`).checkVisibility()"
    assert browser.evaluate(link, details["url"])
    text = re.sub(r"\s+", " ", browser.text())
    assert f"Meeting code {details['meeting_code']} PIN {details['pin']}" in text
    assert "Sun 17 Mar 2030 18:46 to 19:46 Europe/Berlin Design review 2 participants" in text
    assert f"google-demo {TRACE} 200" in text
    effects = "return document.querySelector('#effects tbody').innerText"
    assert f"event_created google-demo {created['id']}" in re.sub(
        r"\s+", " ", browser.evaluate(effects)
    )
    assert browser.evaluate("return window.opened")
    browser.wait_for("return document.getAnimations().length === 0")
    browser.picture(PICTURE)
    assert PICTURE.read_bytes().startswith(b"\x89PNG")


def test_without_scripts_it_is_as_complete_but_stands_still(browser, sandbox, google):
    created = google.created(title="Quiet", conferencing=MEET)
    browser.scripts(run=False)
    try:
        browser.open(f"{sandbox.url}/?grant={google.id}")
        text = browser.text()
        assert "Reload to see what changed" in text
        assert "Pause" not in text
        assert "Quiet" in text
        assert created["conferencing"]["details"]["meeting_code"] in text
    finally:
        browser.scripts(run=True)


def test_what_was_planted_does_not_run_and_does_not_break_the_page(browser, sandbox, google):
    planted = (
        "</td></table><script>window.owned = true</script><img src=x onerror='window.owned = 1'>"
    )
    open_live(browser, sandbox, google)
    google.created(title=planted, location="javascript:window.owned = true")
    browser.wait_for(HOLDS, planted)
    assert browser.evaluate("return window.owned") is None
    assert browser.evaluate("return document.scripts.length") == 1
    assert browser.evaluate(ROWS, "calendars") == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(filled, browser, scheme):
    browser.show(1280, 900, scheme)
    open_live(browser, filled)
    browser.wait_for("return document.getAnimations().length === 0")
    texts, faint = browser.evaluate(FAINT)
    assert texts > 100
    assert faint == []
    ground = browser.evaluate("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) > 3 * 128) is (scheme == "light")
    browser.picture(PICTURE.with_name(f"sandbox-page-{scheme}.png"))


@pytest.mark.parametrize("width", [320, 420, 768, 1080, 1280, 1920])
def test_nothing_is_wider_than_the_window(filled, browser, width):
    browser.show(width, 900)
    open_live(browser, filled)
    browser.picture(PICTURE.with_name(f"sandbox-page-{width}.png"))
    long = {"title": "W" * 300, "location": f"https://x.example/{'w' * 200}"}
    filled.demo("google-demo").created(**long)
    browser.wait_for(HOLDS, "WWW")
    assert browser.evaluate("return document.documentElement.scrollWidth") <= width


def test_a_screen_reader_finds_headings_and_tables(browser, sandbox, google):
    google.created(conferencing=MEET)
    for width in (1280, 420):
        browser.show(width, 900)
        open_live(browser, sandbox, google)
        tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        seen = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node["ignored"]
        ]
        names = {role: [name for each, name in seen if each == role] for role, _ in seen}
        assert names["main"]
        assert names["navigation"] == ["Grants"]
        assert names["status"]
        assert {"Calendars", "Armed faults 0", "REST calls 1", "Effect log 2"} <= set(
            names["heading"]
        )
        assert {f"Events of Holidays, {google.id}", "REST calls", "Effect log"} <= set(
            names["table"]
        )
        assert {"When", "Event", "Conference", "Status"} <= set(names["columnheader"])
        assert names["cell"]


def test_it_can_be_walked_through_by_keyboard(browser, sandbox, google):
    for _ in range(10):
        google.created()
    open_live(browser, sandbox, google)
    press(browser, Keys.TAB, Keys.ENTER)
    assert browser.evaluate("return document.activeElement.id") == "contents"
    press(browser, Keys.TAB)
    assert browser.evaluate("return document.activeElement.textContent") == "All grants"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.evaluate(outline) == "solid"
    focused = "return document.activeElement.id"
    tabs = 0
    while browser.evaluate(focused) != "older-calls":
        assert (tabs := tabs + 1) < 200
        press(browser, Keys.TAB)
    press(browser, Keys.ENTER)
    assert browser.evaluate("return document.querySelector('#calls details').open")


def test_what_a_reader_unfolded_and_where_they_are_outlives_a_change(browser, sandbox, google):
    for _ in range(10):
        google.created()
    open_live(browser, sandbox, google)
    browser.evaluate("document.getElementById('older-calls').focus()")
    press(browser, Keys.ENTER)
    google.created(title="Later")
    browser.wait_for(HOLDS, "Later")
    assert browser.evaluate("return document.querySelector('#calls details').open")
    assert browser.evaluate("return document.activeElement.id") == "older-calls"
    assert browser.evaluate("return document.querySelector('#effects details').open") is False
    assert browser.evaluate(ROWS, "calls") == 11


def test_it_waits_while_text_is_selected_and_while_it_is_paused(browser, sandbox, google):
    google.created(title="First")
    open_live(browser, sandbox, google)
    browser.evaluate("getSelection().selectAllChildren(document.querySelector('#calls code'))")
    browser.wait_for(SAYS, "Waits while text is selected")
    google.created(title="Second")
    time.sleep(LONG_ENOUGH)
    assert "Second" not in browser.text()
    browser.evaluate("getSelection().removeAllRanges()")
    browser.wait_for(HOLDS, "Second")
    browser.evaluate("document.getElementById('pause').click()")
    browser.wait_for(SAYS, "Paused")
    google.created(title="Third")
    time.sleep(LONG_ENOUGH)
    assert "Third" not in browser.text()
    browser.evaluate("document.getElementById('pause').click()")
    browser.wait_for(HOLDS, "Third")
    browser.wait_for(SAYS, "Live")


def test_a_pending_conference_shows_its_link_in_time(browser, sandbox, microsoft):
    microsoft.fault("pending_conference", value=3000)
    microsoft.created(conferencing={"provider": "Microsoft Teams", "autocreate": {}})
    open_live(browser, sandbox, microsoft)
    assert "pending until" in browser.text()
    browser.wait_for(HOLDS, "teams.microsoft.com/l/")


def test_an_end_does_not_wait_for_the_page_and_the_page_says_so(start, running_browser):
    with start() as sandbox:
        open_live(running_browser, sandbox)
        sandbox.process.terminate()
        assert sandbox.process.wait(10) == 0
        running_browser.wait_for(SAYS, "No answer from the sandbox")
    refused = running_browser.complaints()
    assert refused
    assert all("ERR_CONNECTION_REFUSED" in line for line in refused)
    running_browser.open("about:blank")
