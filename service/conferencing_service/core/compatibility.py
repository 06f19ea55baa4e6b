"""Is it allowed? What an upstream declares, and the one function that turns it into a verdict.

An upstream declares its `Capabilities` as data; `evaluate` answers a `Question` from them without
asking anybody. Explanations and alternatives are made here too, so that every refusal says what to
do instead.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conferencing_service.core.model import (
    Alternative,
    Calendar,
    Decision,
    DetailField,
    Grant,
    Notify,
    Platform,
    Provider,
    Reason,
    Verdict,
    Way,
)

PROVIDER_NAMES: Mapping[Provider, str] = {
    Provider.GOOGLE_MEET: "Google Meet",
    Provider.ZOOM_MEETING: "Zoom",
    Provider.MICROSOFT_TEAMS: "Microsoft Teams",
    Provider.WEBEX: "WebEx",
    Provider.GOTOMEETING: "GoToMeeting",
    Provider.SKYPE_FOR_BUSINESS: "Skype for Business",
    Provider.SKYPE_FOR_CONSUMER: "Skype for Consumer",
}
"""Names for people; PROVIDER_OTHER has none and is never asked about."""

PLATFORM_NAMES: Mapping[Platform, str] = {
    Platform.GOOGLE: "Google",
    Platform.MICROSOFT: "Microsoft",
    Platform.ICLOUD: "iCloud",
    Platform.EWS: "Exchange",
    Platform.IMAP: "IMAP",
    Platform.VIRTUAL_CALENDAR: "virtual",
    Platform.ZOOM: "Zoom",
    Platform.OTHER: "other",
}


class CrossPlatformPolicy(enum.StrEnum):
    """Whether a conference grant of another platform may host: an operator's choice."""

    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class AutocreateRule:
    """How an upstream has a provider make conferences.

    Attributes:
        host: the platform of the grants that can host one.
        any_calendar: a host grant serves calendars of every platform, by the vendor's own rule
            (Zoom). Otherwise calendars of the host's platform only, and others by policy.
        scopes: vendor scopes that the host grant needs, in their short form.
        subscription: what the host's account must have bought, for people; nobody can check it.
    """

    host: Platform
    any_calendar: bool = False
    scopes: tuple[str, ...] = ()
    subscription: str = ""


@dataclass(frozen=True, slots=True)
class ProviderCapability:
    """What an upstream can do with one provider's conferences on calendars.

    Attributes:
        details: the fields beside `url` that it stores; others it would drop silently.
        phones: how many telephone numbers it stores.
        autocreate: how conferences are made; None where they cannot be.
    """

    details: frozenset[DetailField]
    phones: int = 0
    autocreate: AutocreateRule | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an upstream can do, as data.

    Attributes:
        providers: every provider but PROVIDER_OTHER.
        without_calendar: platforms whose grants have no calendar.
        notify: per platform the notices that can be asked for; a platform that is missing has
            `default_notify`.
        default_notify: the notices of all other platforms.
        own_provider: per platform the provider that autocreate without a provider means.
        default_visibility: platforms that take an explicit "default" visibility.
        reserved_metadata: keys of an event's metadata that callers may not write.
        settle_seconds: how long after a lost answer a write may still take effect.
    """

    providers: Mapping[Provider, ProviderCapability]
    without_calendar: frozenset[Platform]
    notify: Mapping[Platform, frozenset[Notify]]
    default_notify: frozenset[Notify]
    own_provider: Mapping[Platform, Provider]
    default_visibility: frozenset[Platform]
    reserved_metadata: frozenset[str] = frozenset()
    settle_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What `evaluate` is asked.

    Attributes:
        platform: whose calendar it is.
        provider: whose conference it is.
        way: what is to be done with it.
        grant: the calendar's grant, when there is one (a platform can be asked about as such).
        conf_grant: the grant that is to host the conference, when one is named.
        calendar: the calendar, when it was looked up.
    """

    platform: Platform
    provider: Provider
    way: Way
    grant: Grant | None = None
    conf_grant: Grant | None = None
    calendar: Calendar | None = None


def evaluate(
    capabilities: Capabilities, policy: CrossPlatformPolicy, question: Question
) -> Verdict:
    """Return the verdict on a question; never raises."""
    if question.platform in capabilities.without_calendar:
        return _no_calendar(question)
    if question.way is not Way.READ and question.calendar and question.calendar.read_only:
        return Verdict(
            question.provider,
            question.way,
            Decision.REFUSED,
            Reason.CALENDAR_READ_ONLY,
            "The grant may read this calendar, not change it.",
            ("A calendar that the grant may change.",),
        )
    match question.way:
        case Way.READ | Way.DETAILS | Way.REMOVE:
            return Verdict(question.provider, question.way, Decision.ALLOWED)
        case Way.AUTOCREATE:
            return _autocreate(capabilities, policy, question)


def _autocreate(
    capabilities: Capabilities,
    policy: CrossPlatformPolicy,
    question: Question,
) -> Verdict:
    rule = capabilities.providers[question.provider].autocreate
    name = PROVIDER_NAMES[question.provider]
    refusal = _Refusal(capabilities, policy, question)
    if rule is None:
        return refusal(
            Reason.AUTOCREATE_UNSUPPORTED,
            f"{name} conferences cannot be autocreated; write the details of one that exists.",
        )
    host = question.conf_grant
    host_sentence = f"autocreate.conf_grant_id of a {PLATFORM_NAMES[rule.host]} grant."
    if question.platform != rule.host and not rule.any_calendar:
        if policy is CrossPlatformPolicy.REFUSE or host is None:
            return refusal(
                Reason.CROSS_PLATFORM_AUTOCREATE,
                f"{name} cannot be autocreated on {PLATFORM_NAMES[question.platform]} calendars.",
                () if policy is CrossPlatformPolicy.REFUSE else (host_sentence,),
            )
    elif rule.any_calendar and host is None:
        return refusal(
            Reason.CONF_GRANT_REQUIRED,
            f"{name} conferences are hosted by a grant of their own: name it in "
            "autocreate.conf_grant_id.",
            (host_sentence,),
        )
    if host is None:
        host = question.grant
    elif host.platform != rule.host:
        return refusal(
            Reason.CONF_GRANT_MISMATCH,
            f"The grant in autocreate.conf_grant_id belongs to {PLATFORM_NAMES[host.platform]} and "
            f"cannot host {name} conferences.",
            (host_sentence,),
        )
    return _hosted(refusal, question, rule, host)


def _hosted(
    refusal: _Refusal, question: Question, rule: AutocreateRule, host: Grant | None
) -> Verdict:
    """Answer once it is clear who hosts: what remains are scopes and subscriptions."""
    unknown: list[str] = []
    for scope in rule.scopes:
        if host is None or host.scopes is None:
            unknown.append(f"The hosting grant's scope {scope}.")
        elif not _has_scope(host.scopes, scope):
            return refusal(
                Reason.SCOPE_MISSING,
                f"The hosting grant lacks the scope {scope}; its owner has to connect again.",
                (f"The hosting grant's scope {scope}.",),
            )
    if rule.subscription:
        unknown.append(rule.subscription)
    if not unknown:
        return Verdict(question.provider, question.way, Decision.ALLOWED)
    return Verdict(
        question.provider,
        question.way,
        Decision.CONDITIONAL,
        Reason.SUBSCRIPTION_REQUIRED if rule.subscription else None,
        "It succeeds if the requirements hold, which could not be checked beforehand.",
        tuple(unknown),
    )


def _has_scope(scopes: frozenset[str], wanted: str) -> bool:
    """Tell whether a scope is there in its short form or as a URI that ends in it."""
    return any(scope == wanted or scope.endswith("/" + wanted) for scope in scopes)


def _no_calendar(question: Question) -> Verdict:
    return Verdict(
        question.provider,
        question.way,
        Decision.REFUSED,
        Reason.GRANT_HAS_NO_CALENDAR,
        f"{PLATFORM_NAMES[question.platform]} grants have no calendar.",
        ("A grant that has a calendar.",),
    )


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Builds refusals of one question, each with all its ways out."""

    capabilities: Capabilities
    policy: CrossPlatformPolicy
    question: Question

    def __call__(
        self, reason: Reason, explanation: str, requirements: tuple[str, ...] = ()
    ) -> Verdict:
        return Verdict(
            self.question.provider,
            self.question.way,
            Decision.REFUSED,
            reason,
            explanation,
            requirements,
            tuple(self._alternatives()),
        )

    def _alternatives(self) -> Iterator[Alternative]:
        """Yield manual details, then Zoom with a conference grant, then the platform's own."""
        provider, platform = self.question.provider, self.question.platform
        yield Alternative(
            provider,
            Way.DETAILS,
            needs_conf_grant=False,
            explanation=f"Write the details of a {PROVIDER_NAMES[provider]} conference that exists.",
        )
        for other, capability in self.capabilities.providers.items():
            rule = capability.autocreate
            if rule is not None and rule.any_calendar:
                yield Alternative(
                    other,
                    Way.AUTOCREATE,
                    needs_conf_grant=True,
                    explanation=f"Autocreate {PROVIDER_NAMES[other]} with the conf_grant_id of a "
                    f"{PLATFORM_NAMES[rule.host]} grant.",
                )
        asked = self.capabilities.providers[provider].autocreate
        if (
            asked is not None
            and not asked.any_calendar
            and platform != asked.host
            and self.policy is CrossPlatformPolicy.ALLOW
        ):
            yield Alternative(
                provider,
                Way.AUTOCREATE,
                needs_conf_grant=True,
                explanation=f"Autocreate {PROVIDER_NAMES[provider]} with the conf_grant_id of a "
                f"{PLATFORM_NAMES[asked.host]} grant.",
            )
        own = self.capabilities.own_provider.get(platform)
        is_another_way = own is not provider or self.question.conf_grant is not None
        if own is not None and is_another_way and self._is_open_to(own):
            yield Alternative(
                own,
                Way.AUTOCREATE,
                needs_conf_grant=False,
                explanation=f"Autocreate {PROVIDER_NAMES[own]}, the calendar's own provider.",
            )

    def _is_open_to(self, own: Provider) -> bool:
        """Tell whether the calendar's own grant can host the platform's own provider."""
        question = dataclasses.replace(self.question, provider=own, conf_grant=None)
        verdict = _autocreate(self.capabilities, self.policy, question)
        return verdict.decision is not Decision.REFUSED
