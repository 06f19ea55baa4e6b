"""Verdicts on real grants: fetches what the compatibility rules want to know, then asks them."""

from __future__ import annotations

import dataclasses

from conferencing_service.core.compatibility import (
    Capabilities,
    CrossPlatformPolicy,
    Question,
    evaluate,
)
from conferencing_service.core.errors import InvalidField, Refused, Violation
from conferencing_service.core.grants import FACTS_SECONDS, GrantDirectory
from conferencing_service.core.model import (
    Autocreate,
    Calendar,
    Conferencing,
    Decision,
    Details,
    Grant,
    Platform,
    Provider,
    Reason,
    Verdict,
    Way,
)
from conferencing_service.core.upstream import CalendarUpstream, Call, Tracer

CONF_GRANT_FIELD = "event.conferencing.autocreate.conf_grant_id"
VERDICT_SPAN = "conferencing.verdict"


class Conferences:
    """Reaches verdicts.

    Args:
        grants: finds grants.
        policy: whether a conference grant of another platform may host.
        tracer: opens the verdict's span.
    """

    def __init__(self, grants: GrantDirectory, policy: CrossPlatformPolicy, tracer: Tracer) -> None:
        self._grants = grants
        self._policy = policy
        self._tracer = tracer

    async def settle(
        self, call: Call, upstream: CalendarUpstream, grant: Grant, conferencing: Conferencing
    ) -> Conferencing:
        """Return the conference with its provider settled, once the verdict lets it pass.

        Raises Refused with the verdict otherwise; nothing was written then.
        """
        match conferencing.source:
            case Autocreate() as autocreate:
                way, conf_grant_id = Way.AUTOCREATE, autocreate.conf_grant_id
            case Details():
                way, conf_grant_id = Way.DETAILS, ""
            case None:
                raise ValueError("a validated conference has a source")
        provider = conferencing.provider or _own_provider(upstream.capabilities, grant.platform)
        call.attributes["conferencing.provider"] = provider.value
        call.attributes["conferencing.source"] = way.value.lower()
        with self._tracer.start_as_current_span(VERDICT_SPAN) as span:
            verdict = await self._verdict(
                call,
                upstream,
                Question(grant.platform, provider, way, grant),
                conf_grant_id=conf_grant_id,
                conf_grant_field=CONF_GRANT_FIELD,
            )
            span.set_attribute("conferencing.provider", provider.value)
            span.set_attribute("conferencing.source", way.value.lower())
            span.set_attribute("conferencing.platform", grant.platform.value)
            span.set_attribute("conferencing.decision", verdict.decision.value)
            if verdict.reason is not None:
                span.set_attribute("conferencing.reason", verdict.reason.value)
        call.attributes["conferencing.decision"] = verdict.decision.value
        if verdict.decision is Decision.REFUSED:
            raise _refused(verdict, grant.platform)
        if conferencing.provider is provider:
            return conferencing
        return dataclasses.replace(conferencing, provider=provider)

    async def survey(
        self,
        call: Call,
        upstream: CalendarUpstream,
        platform: Platform,
        *,
        grant: Grant | None = None,
        calendar: Calendar | None = None,
        provider: Provider | None = None,
        conf_grant_id: str = "",
    ) -> tuple[Verdict, ...]:
        """Return a verdict for each provider, or the one asked about, and each way."""
        verdicts = []
        with self._tracer.start_as_current_span(VERDICT_SPAN) as span:
            span.set_attribute("conferencing.platform", platform.value)
            for each in upstream.capabilities.providers:
                if provider is not None and each is not provider:
                    continue
                for way in Way:
                    question = Question(platform, each, way, grant, calendar=calendar)
                    verdicts.append(
                        await self._verdict(
                            call,
                            upstream,
                            question,
                            conf_grant_id=conf_grant_id if way is Way.AUTOCREATE else "",
                            conf_grant_field="conf_grant_id",
                        )
                    )
        return tuple(verdicts)

    async def _verdict(
        self,
        call: Call,
        upstream: CalendarUpstream,
        question: Question,
        *,
        conf_grant_id: str,
        conf_grant_field: str,
    ) -> Verdict:
        """Evaluate with what is known; what is refused for lack of a scope is looked up anew."""
        rule = upstream.capabilities.providers[question.provider].autocreate
        uses_scopes = question.way is Way.AUTOCREATE and rule is not None and bool(rule.scopes)
        if conf_grant_id and rule is not None:
            conf_grant = await self._grants.find(
                call,
                upstream,
                conf_grant_id,
                field=conf_grant_field,
                max_age=FACTS_SECONDS,
            )
            question = dataclasses.replace(question, conf_grant=conf_grant)
        elif uses_scopes and question.grant is not None:
            grant = await self._grants.find(
                call, upstream, question.grant.id, max_age=FACTS_SECONDS
            )
            question = dataclasses.replace(question, grant=grant)
        verdict = evaluate(upstream.capabilities, self._policy, question)
        if verdict.reason is not Reason.SCOPE_MISSING:
            return verdict
        if question.conf_grant is not None:
            conf_grant = await self._grants.find_fresh(
                call, upstream, conf_grant_id, field=conf_grant_field
            )
            question = dataclasses.replace(question, conf_grant=conf_grant)
        elif question.grant is not None:
            grant = await self._grants.find_fresh(call, upstream, question.grant.id)
            question = dataclasses.replace(question, grant=grant)
        return evaluate(upstream.capabilities, self._policy, question)


def _own_provider(capabilities: Capabilities, platform: Platform) -> Provider:
    own = capabilities.own_provider.get(platform)
    if own is None:
        raise InvalidField(
            [
                Violation(
                    "event.conferencing.provider",
                    "is required: this calendar's platform has no provider of its own",
                )
            ]
        )
    return own


def _refused(verdict: Verdict, platform: Platform) -> Refused:
    assert verdict.reason is not None  # noqa: S101 - a refusal has a reason
    return Refused(
        verdict.reason,
        verdict,
        {
            "provider": verdict.provider.value,
            "platform": platform.value,
            "way": verdict.way.value,
        },
    )
