"""The policy: which caller is who, and may do what. A TOML file, checked whole before it holds."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from conferencing_service.access.identity import Identity
from conferencing_service.core.quotas import Limits

_REMEMBERED = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class PolicyError(Exception):
    """A policy does not hold; the text is one line that names the place."""


class Patterns:
    """A set of patterns: `*` stands for any text, `?` for a character, `[ab]` for one of some.

    Args:
        patterns: the patterns; none of them matches anything where there are none.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        # Translated, each `*` is tried once: no text makes them slow.
        self._expression = re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")

    def match(self, text: str) -> bool:
        """Tell whether a text is one of those that are meant."""
        return self._expression.match(text) is not None


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller, as the policy names it, and what it may do."""

    name: str
    subjects: Patterns
    certificates: Patterns
    rpcs: frozenset[str]
    grants: Patterns
    conf_grants: Patterns
    limits: Limits

    def is_meant(self, identity: Identity) -> bool:
        """Tell whether somebody is this principal."""
        patterns = self.subjects if identity.by_token else self.certificates
        return any(map(patterns.match, identity.names))


class Policy:
    """All principals.

    Args:
        principals: in the order in which they are asked; the first that is meant is it.
    """

    def __init__(self, principals: Sequence[Principal]) -> None:
        self.principals = tuple(principals)
        self._known: dict[Identity, Principal | None] = {}

    def principal_of(self, identity: Identity) -> Principal | None:
        """Return who somebody is, None for somebody whom the policy does not name."""
        if identity not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = (each for each in self.principals if each.is_meant(identity))
            self._known[identity] = next(found, None)
        return self._known[identity]


# What fnmatch takes for a set of characters; a ] that stands first belongs to it.
_SET = re.compile(r"\[(?:![^\]]|[^!\]]|!?\])[^\]]*\]")

_MESSAGES = {
    "missing": "is missing",
    "list_type": "must be a list of texts",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}

_Limit = Annotated[int, Field(ge=0, le=1_000_000)]


class _Entry(BaseModel):
    """A principal, as the file has it."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    subjects: list[str] = []
    certificates: list[str] = []
    rpcs: list[str]
    grants: list[str] = []
    conf_grants: list[str] = []
    creates_per_minute: _Limit | None = None
    participants_per_event: _Limit | None = None
    concurrent_calls: _Limit | None = None

    @field_validator("subjects", "certificates", "grants", "conf_grants")
    @classmethod
    def _not_empty(cls, patterns: list[str]) -> list[str]:
        if not all(patterns):
            raise ValueError("a pattern is empty")
        if any("[" in _SET.sub("", pattern) for pattern in patterns):
            raise ValueError("a pattern has a [ without its ]")
        return patterns


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    principals: dict[str, _Entry]


def policy_from_toml(data: bytes, rpcs: Iterable[str]) -> Policy:
    """Return the policy that a file holds; raises PolicyError where it does not hold.

    Args:
        data: the file.
        rpcs: the names of the RPCs that there are.
    """
    try:
        file = _File.model_validate(tomllib.loads(data.decode()))
    except UnicodeDecodeError:
        raise PolicyError("is not UTF-8") from None
    except RecursionError:
        raise PolicyError("is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        # Its text ends with the place; what comes before may quote the file.
        found = re.search(r"\(at [^()]*\)$", str(error))
        raise PolicyError(f"is not TOML {found.group() if found else ''}".rstrip()) from None
    except ValidationError as error:
        raise PolicyError(_told(error)) from None
    except ValueError:
        # A number with more digits than Python reads.
        raise PolicyError("is not TOML") from None
    names = tuple(rpcs)
    return Policy([_principal(name, entry, names) for name, entry in file.principals.items()])


def _told(error: ValidationError) -> str:
    """Return what is wrong, and where; a key that is not known first, as it explains the others."""
    found = error.errors(include_input=False, include_url=False)
    first = min(found, key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(map(str, first["loc"]))
    if not place.isprintable():
        place = ascii(place)[1:-1]
    if first["type"] == "extra_forbidden":
        keys = _File.model_fields if len(first["loc"]) == 1 else _Entry.model_fields
        return f"{place}: is not known here; known are {', '.join(keys)}"
    message = _MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{place}: {message[:1].lower()}{message[1:]}"


def _principal(name: str, entry: _Entry, rpcs: Sequence[str]) -> Principal:
    if not _NAME.fullmatch(name):
        raise PolicyError(
            "principals: a name must be up to 64 letters, digits, dots, hyphens and underscores"
        )
    if not entry.subjects and not entry.certificates:
        raise PolicyError(f"principals.{name}: needs subjects or certificates")
    allowed: set[str] = set()
    for number, pattern in enumerate(entry.rpcs):
        meant = fnmatch.filter(rpcs, pattern)
        if not meant:
            raise PolicyError(f"principals.{name}.rpcs.{number}: names no RPC")
        allowed.update(meant)
    return Principal(
        name=name,
        subjects=Patterns(entry.subjects),
        certificates=Patterns(entry.certificates),
        rpcs=frozenset(allowed),
        grants=Patterns(entry.grants),
        conf_grants=Patterns(entry.conf_grants),
        limits=Limits(
            creates_per_minute=entry.creates_per_minute,
            participants_per_event=entry.participants_per_event,
            concurrent_calls=entry.concurrent_calls,
        ),
    )
