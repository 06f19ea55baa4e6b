"""HTML as lines of text, in one pass; plain text comes through as it is."""

from __future__ import annotations

import html
import re

_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]{0,15})(?P<rest>(?:[\s/][^<>]{0,4096})?)>|<!--.{0,4096}?-->",
    re.DOTALL,
)
_TEL = re.compile(
    r"href\s{0,4}=\s{0,4}[\"']?\s{0,4}(?P<uri>(?:tel|sip):[^\"'\s<>]{1,256})", re.IGNORECASE
)
_BLOCKS = frozenset(
    [
        "br",
        "p",
        "div",
        "li",
        "ul",
        "ol",
        "tr",
        "td",
        "th",
        "table",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "section",
        "pre",
        "dt",
        "dd",
        "dl",
    ]
)
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]{1,64}")
# What mail programs make of mark-up in plain text: quotation marks, bullets, asterisks for bold.
_MARKS = re.compile(r"(?:> ?){1,8}|[-*\u2022\u00b7\u2013] (?=\S)")
_BOLD = re.compile(r"(?<!\S)\*(?=\S)([^*]{1,60})\*(?=[\s:\uff1a]|$)")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def lines_of(text: str) -> list[str]:
    """Return a text's lines: tags taken out, references decoded, spaces made single.

    The address of a telephone or SIP link is put before its text, since only it is complete.
    """
    if "<" in text:
        text = _TAG.sub(_without_tag, text)
    if "&" in text:
        text = html.unescape(text)
    text = _INVISIBLE.sub("", text)
    lines = [_SPACES.sub(" ", line).strip() for line in text.replace("\r", "\n").split("\n")]
    return [_unmarked(line) for line in lines]


def _unmarked(line: str) -> str:
    mark = _MARKS.match(line)
    if mark:
        line = line[mark.end() :].lstrip()
        bullet = _MARKS.match(line)
        line = line[bullet.end() :] if bullet else line
    return _BOLD.sub(r"\1", line) if "*" in line else line


def _without_tag(tag: re.Match[str]) -> str:
    name = (tag["name"] or "").lower()
    if name in _BLOCKS:
        return "\n"
    if name == "a" and not tag["close"]:
        address = _TEL.search(tag["rest"])
        if address:
            return f" <{address['uri']}> "
    return ""
