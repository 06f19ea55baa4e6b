"""What mail filters and calendars make of a link, by the descriptions of their makers."""

from __future__ import annotations

import base64
from random import Random
from urllib.parse import quote

TLDS = ("com", "de", "fr", "co.uk", "com.br", "co.jp", "it", "pl", "ca", "com.au", "nl", "es")
RUN_LENGTHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LONGEST = 3_000
"""Far below the 4,096 characters that a link may have."""


def _token(rng: Random, length: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(rng.choices(letters, k=length))


def safelinks(url: str, rng: Random) -> str:
    region = rng.choice(("nam02", "nam10", "eur03", "eur05", "gbr01", "apc01", "can01", "aus01"))
    inner = quote(url, safe=rng.choice(("", "", "-_.~")))
    data = f"05%7C02%7Cdana%40example.com%7C{_token(rng, 8)}%7C0%7C0%7C6380%7CUnknown%7CTWFpb3d8"
    amp = rng.choice(("&", "&", "&amp;"))
    return (
        f"https://{region}.safelinks.protection.outlook.com/?url={inner}"
        f"{amp}data={data}&sdata={_token(rng, 20)}%3D&reserved=0"
    )


def google(url: str, rng: Random) -> str:
    host = rng.choice(("www.google", "www.google", "google"))
    inner = quote(url, safe=rng.choice((":/?", "")))
    tld = rng.choice(TLDS)
    usg = f"AOvVaw{_token(rng, 16)}"
    if rng.random() < 0.25:
        return f"https://{host}.{tld}/url?sa=D&q={inner}&ust=1764000000000000&usg={usg}"
    return f"https://{host}.{tld}/url?q={inner}&sa=D&source=calendar&usg={usg}"


def proofpoint_v2(url: str, rng: Random) -> str:
    kept = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.")
    inner = "".join(
        "_" if char == "/" else char if char in kept else f"-{ord(char):02X}" for char in url
    )
    return (
        f"https://urldefense.proofpoint.com/v2/url?u={inner}&d=DwMFaQ&c={_token(rng, 30)}"
        f"&r={_token(rng, 30)}&m={_token(rng, 30)}&s={_token(rng, 30)}&e="
    )


def _v3(url: str, rng: Random, replaced: str) -> str:
    host = rng.choice(("urldefense.com", "urldefense.com", "urldefense.us"))
    parts: list[str] = []
    taken = ""
    at = 0
    while at < len(url):
        end = at
        while end < len(url) and url[end] in replaced:
            end += 1
        run = end - at
        if run == 0:
            parts.append(url[at])
            at += 1
            continue
        parts.append("*" if run == 1 else f"**{RUN_LENGTHS[run - 2]}")
        taken += url[at:end]
        at = end
    bytes_ = base64.urlsafe_b64encode(taken.encode()).decode().rstrip("=")
    inner = "".join(parts)
    tail = f"{_token(rng, 12)}!{_token(rng, 40)}"
    return f"https://{host}/v3/__{inner}__;{bytes_}!!{tail}$"


def proofpoint_v3(url: str, rng: Random) -> str:
    return _v3(url, rng, "*")


def proofpoint_v3_starred(url: str, rng: Random) -> str:
    return _v3(url, rng, rng.choice(("*%", "*%&", "*%=", "*?&", "*%+!")))


WRAPPERS = {
    "safelinks": safelinks,
    "google": google,
    "proofpoint-v2": proofpoint_v2,
    "proofpoint-v3": proofpoint_v3,
    "proofpoint-v3*": proofpoint_v3_starred,
}


def wrapped(url: str, layers: tuple[str, ...], rng: Random) -> str:
    """The link in the named wrappers, the first one innermost."""
    for name in layers:
        url = WRAPPERS[name](url, rng)
    return url


def some_layers(rng: Random) -> tuple[str, ...]:
    """No wrapper in half of the cases, else one, or two to four."""
    draw = rng.random()
    if draw < 0.45:
        return ()
    names = list(WRAPPERS)
    if draw < 0.8:
        return (rng.choice(names),)
    layers: list[str] = []
    for _ in range(rng.choice((2, 2, 2, 3, 3, 4))):
        # Its maker leaves its own links as they are, so v3 never stands straight in v3.
        fits = [
            name
            for name in names
            if not (layers and "v3" in layers[-1] and name.startswith("proofpoint-v3"))
        ]
        layers.append(rng.choice(fits))
    return tuple(layers)
