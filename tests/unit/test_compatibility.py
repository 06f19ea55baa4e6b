"""Verdicts on the declared Nylas capabilities: the compatibility table, cell by cell."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from conferencing_service.core.compatibility import CrossPlatformPolicy, Question, evaluate
from conferencing_service.core.model import (
    Alternative,
    Calendar,
    Decision,
    DetailField,
    Grant,
    Platform,
    Provider,
    Reason,
    Verdict,
    Way,
)
from conferencing_service.upstreams.nylas.capabilities import NYLAS

REFUSE, ALLOW = CrossPlatformPolicy.REFUSE, CrossPlatformPolicy.ALLOW
TEAMS_SCOPE = "OnlineMeetings.ReadWrite"
TEAMS_SCOPE_URI = "https://graph.microsoft.com/OnlineMeetings.ReadWrite"

NO_CALENDAR = (Platform.ZOOM, Platform.IMAP)
CALENDARS = tuple(platform for platform in Platform if platform not in NO_CALENDAR)
PROVIDERS = tuple(provider for provider in Provider if provider is not Provider.OTHER)
NEVER_AUTOCREATED = (
    Provider.WEBEX,
    Provider.GOTOMEETING,
    Provider.SKYPE_FOR_BUSINESS,
    Provider.SKYPE_FOR_CONSUMER,
)

ALLOWED = (Decision.ALLOWED, None)
CONDITIONAL = (Decision.CONDITIONAL, Reason.SUBSCRIPTION_REQUIRED)
CROSS = (Decision.REFUSED, Reason.CROSS_PLATFORM_AUTOCREATE)
UNSUPPORTED = (Decision.REFUSED, Reason.AUTOCREATE_UNSUPPORTED)
REQUIRED = (Decision.REFUSED, Reason.CONF_GRANT_REQUIRED)
MISMATCH = (Decision.REFUSED, Reason.CONF_GRANT_MISMATCH)

# Without a conference grant: on google, on microsoft, on every other calendar.
AUTOCREATE = {
    Provider.GOOGLE_MEET: (ALLOWED, CROSS, CROSS),
    Provider.MICROSOFT_TEAMS: (CROSS, CONDITIONAL, CROSS),
    Provider.ZOOM_MEETING: (REQUIRED, REQUIRED, REQUIRED),
    Provider.WEBEX: (UNSUPPORTED, UNSUPPORTED, UNSUPPORTED),
    Provider.GOTOMEETING: (UNSUPPORTED, UNSUPPORTED, UNSUPPORTED),
    Provider.SKYPE_FOR_BUSINESS: (UNSUPPORTED, UNSUPPORTED, UNSUPPORTED),
    Provider.SKYPE_FOR_CONSUMER: (UNSUPPORTED, UNSUPPORTED, UNSUPPORTED),
}
COLUMN = {Platform.GOOGLE: 0, Platform.MICROSOFT: 1}


def grant(platform: Platform, *scopes: str, known: bool = True) -> Grant:
    return Grant("g", platform, scopes=frozenset(scopes) if known else None)


def fully_scoped(platform: Platform) -> Grant:
    return grant(platform, TEAMS_SCOPE)


def verdict(
    platform: Platform,
    provider: Provider,
    way: Way = Way.AUTOCREATE,
    *,
    policy: CrossPlatformPolicy = REFUSE,
    own: Grant | None = None,
    host: Grant | None = None,
    calendar: Calendar | None = None,
) -> Verdict:
    own = fully_scoped(platform) if own is None else own
    return evaluate(NYLAS, policy, Question(platform, provider, way, own, host, calendar))


def answer(given: Verdict) -> tuple[Decision, Reason | None]:
    return given.decision, given.reason


# ---- The table -----------------------------------------------------------------------------


def test_the_declaration_names_every_provider_that_has_a_name() -> None:
    assert set(NYLAS.providers) == set(PROVIDERS)


@pytest.mark.parametrize("platform", CALENDARS)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("way", [Way.READ, Way.DETAILS, Way.REMOVE])
def test_reading_details_and_removal_are_allowed_everywhere(
    platform: Platform, provider: Provider, way: Way
) -> None:
    assert verdict(platform, provider, way) == Verdict(provider, way, Decision.ALLOWED)


@pytest.mark.parametrize("platform", CALENDARS)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_autocreate_without_a_conference_grant_follows_the_table(
    platform: Platform, provider: Provider, policy: CrossPlatformPolicy
) -> None:
    given = verdict(platform, provider, policy=policy)
    assert answer(given) == AUTOCREATE[provider][COLUMN.get(platform, 2)]
    assert (given.provider, given.way) == (provider, Way.AUTOCREATE)
    assert bool(given.explanation) is (given.decision is not Decision.ALLOWED)


@pytest.mark.parametrize("platform", NO_CALENDAR)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_a_grant_without_a_calendar_is_refused_every_way(
    platform: Platform, provider: Provider, way: Way, policy: CrossPlatformPolicy
) -> None:
    given = verdict(platform, provider, way, policy=policy, host=fully_scoped(Platform.ZOOM))
    assert answer(given) == (Decision.REFUSED, Reason.GRANT_HAS_NO_CALENDAR)
    assert given.requirements


@pytest.mark.parametrize(
    ("provider", "fields", "phones"),
    [
        (Provider.GOOGLE_MEET, {DetailField.PHONE, DetailField.PIN}, 1),
        (Provider.ZOOM_MEETING, {DetailField.MEETING_CODE, DetailField.PASSWORD}, 0),
        (Provider.MICROSOFT_TEAMS, set(), 0),
        (Provider.SKYPE_FOR_BUSINESS, set(), 0),
        (Provider.SKYPE_FOR_CONSUMER, set(), 0),
        (Provider.WEBEX, {DetailField.PASSWORD, DetailField.PIN, DetailField.PHONE}, 20),
        (
            Provider.GOTOMEETING,
            {DetailField.MEETING_CODE, DetailField.PASSWORD, DetailField.PHONE},
            20,
        ),
    ],
)
def test_the_declaration_stores_exactly_the_documented_details(
    provider: Provider, fields: set[DetailField], phones: int
) -> None:
    assert NYLAS.providers[provider].details == fields
    assert NYLAS.providers[provider].phones == phones


def test_the_own_providers_are_meet_on_google_and_teams_on_microsoft() -> None:
    assert dict(NYLAS.own_provider) == {
        Platform.GOOGLE: Provider.GOOGLE_MEET,
        Platform.MICROSOFT: Provider.MICROSOFT_TEAMS,
    }


# ---- Conference grants ---------------------------------------------------------------------


@pytest.mark.parametrize("platform", CALENDARS)
@pytest.mark.parametrize("host", Platform)
@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_zoom_takes_a_zoom_grant_on_every_calendar_and_no_other_grant(
    platform: Platform, host: Platform, policy: CrossPlatformPolicy
) -> None:
    given = verdict(platform, Provider.ZOOM_MEETING, policy=policy, host=fully_scoped(host))
    assert answer(given) == (ALLOWED if host is Platform.ZOOM else MISMATCH)


@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_a_conference_grant_of_the_calendars_own_platform_is_accepted(
    policy: CrossPlatformPolicy,
) -> None:
    meet = verdict(
        Platform.GOOGLE, Provider.GOOGLE_MEET, policy=policy, host=fully_scoped(Platform.GOOGLE)
    )
    teams = verdict(
        Platform.MICROSOFT,
        Provider.MICROSOFT_TEAMS,
        policy=policy,
        host=fully_scoped(Platform.MICROSOFT),
    )
    assert (answer(meet), answer(teams)) == (ALLOWED, CONDITIONAL)


HOSTED = (
    (Provider.GOOGLE_MEET, Platform.GOOGLE, ALLOWED),
    (Provider.MICROSOFT_TEAMS, Platform.MICROSOFT, CONDITIONAL),
)


@pytest.mark.parametrize(
    ("provider", "platform", "host"),
    [
        (provider, platform, host)
        for (provider, home, _), platform, host in itertools.product(HOSTED, CALENDARS, Platform)
        if platform is not home
    ],
)
def test_the_refuse_policy_refuses_every_conference_grant_across_platforms(
    provider: Provider, platform: Platform, host: Platform
) -> None:
    assert answer(verdict(platform, provider, host=fully_scoped(host))) == CROSS


@pytest.mark.parametrize(
    ("provider", "platform", "host", "expected"),
    [
        (provider, platform, host, let_through if host is home else MISMATCH)
        for (provider, home, let_through), platform, host in itertools.product(
            HOSTED, CALENDARS, Platform
        )
        if platform is not home
    ],
)
def test_the_allow_policy_lets_only_the_providers_own_grants_host_across_platforms(
    provider: Provider,
    platform: Platform,
    host: Platform,
    expected: tuple[Decision, Reason | None],
) -> None:
    given = verdict(platform, provider, policy=ALLOW, host=fully_scoped(host))
    assert answer(given) == expected


def test_the_allow_policy_tells_which_conference_grant_would_help() -> None:
    allow = verdict(Platform.ICLOUD, Provider.GOOGLE_MEET, policy=ALLOW)
    refuse = verdict(Platform.ICLOUD, Provider.GOOGLE_MEET, policy=REFUSE)
    assert allow.requirements == ("autocreate.conf_grant_id of a Google grant.",)
    assert refuse.requirements == ()


@pytest.mark.parametrize(
    ("home", "host"),
    [
        (home, host)
        for home, host in itertools.product((Platform.GOOGLE, Platform.MICROSOFT), Platform)
        if host is not home
    ],
)
@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_at_home_a_conference_grant_of_another_kind_is_a_mismatch(
    home: Platform, host: Platform, policy: CrossPlatformPolicy
) -> None:
    given = verdict(home, NYLAS.own_provider[home], policy=policy, host=fully_scoped(host))
    assert answer(given) == MISMATCH


@pytest.mark.parametrize("provider", NEVER_AUTOCREATED)
@pytest.mark.parametrize("host", Platform)
@pytest.mark.parametrize("policy", CrossPlatformPolicy)
def test_no_conference_grant_makes_a_details_only_provider_autocreate(
    provider: Provider, host: Platform, policy: CrossPlatformPolicy
) -> None:
    given = verdict(Platform.GOOGLE, provider, policy=policy, host=fully_scoped(host))
    assert answer(given) == UNSUPPORTED


# ---- Scopes --------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [TEAMS_SCOPE, TEAMS_SCOPE_URI])
def test_a_scope_counts_in_its_short_form_and_as_a_uri(scope: str) -> None:
    own = grant(Platform.MICROSOFT, "Calendars.ReadWrite", scope)
    given = verdict(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=own)
    assert answer(given) == CONDITIONAL
    assert given.requirements == ("An active Microsoft 365 subscription of the hosting account.",)


@pytest.mark.parametrize(
    "scope",
    [
        "OnlineMeetings.Read",
        "XOnlineMeetings.ReadWrite",
        "OnlineMeetings.ReadWrite.All",
        "https://graph.microsoft.com/OnlineMeetings.Read",
    ],
)
def test_a_list_without_the_scope_is_scope_missing_and_names_it(scope: str) -> None:
    own = grant(Platform.MICROSOFT, scope)
    given = verdict(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=own)
    assert answer(given) == (Decision.REFUSED, Reason.SCOPE_MISSING)
    assert any(TEAMS_SCOPE in each for each in given.requirements)


def test_an_empty_list_of_scopes_is_scope_missing() -> None:
    given = verdict(
        Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=grant(Platform.MICROSOFT, known=True)
    )
    assert given.reason is Reason.SCOPE_MISSING


def test_no_list_of_scopes_is_conditional_and_never_scope_missing() -> None:
    own = grant(Platform.MICROSOFT, known=False)
    given = verdict(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=own)
    assert given.decision is Decision.CONDITIONAL
    assert any(TEAMS_SCOPE in each for each in given.requirements)


def test_a_platform_asked_about_as_such_is_conditional_on_the_scope() -> None:
    question = Question(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, Way.AUTOCREATE)
    given = evaluate(NYLAS, REFUSE, question)
    assert given.decision is Decision.CONDITIONAL
    assert any(TEAMS_SCOPE in each for each in given.requirements)


def test_the_scopes_are_those_of_the_grant_that_hosts() -> None:
    bare, scoped = grant(Platform.MICROSOFT), fully_scoped(Platform.MICROSOFT)
    hosted_by_bare = verdict(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=scoped, host=bare)
    hosted_by_scoped = verdict(Platform.MICROSOFT, Provider.MICROSOFT_TEAMS, own=bare, host=scoped)
    across = verdict(Platform.GOOGLE, Provider.MICROSOFT_TEAMS, policy=ALLOW, host=bare)
    assert hosted_by_bare.reason is Reason.SCOPE_MISSING
    assert answer(hosted_by_scoped) == CONDITIONAL
    assert across.reason is Reason.SCOPE_MISSING


# ---- Calendars -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_read_only_calendar_can_be_read_and_nothing_else(way: Way, provider: Provider) -> None:
    given = verdict(
        Platform.GOOGLE,
        provider,
        way,
        host=fully_scoped(Platform.ZOOM),
        calendar=Calendar("c", read_only=True),
    )
    if way is Way.READ:
        assert answer(given) == ALLOWED
    else:
        assert answer(given) == (Decision.REFUSED, Reason.CALENDAR_READ_ONLY)


def test_a_calendar_that_can_be_written_changes_no_verdict() -> None:
    for platform, provider, way in itertools.product(CALENDARS, PROVIDERS, Way):
        with_calendar = verdict(platform, provider, way, calendar=Calendar("c"))
        assert with_calendar == verdict(platform, provider, way)


# ---- Ways out ------------------------------------------------------------------------------


def questions() -> list[tuple[CrossPlatformPolicy, Question]]:
    """Return every autocreate that can be asked about a calendar that can be written."""
    grants = [
        grant(platform, *scopes, known=known)
        for platform in Platform
        for scopes, known in (((TEAMS_SCOPE,), True), ((), True), ((), False))
    ]
    return [
        (policy, Question(platform, provider, Way.AUTOCREATE, own, host))
        for policy, platform, provider in itertools.product(
            CrossPlatformPolicy, CALENDARS, PROVIDERS
        )
        for own in (None, *(each for each in grants if each.platform is platform))
        for host in (None, *grants)
    ]


def asked(question: Question, alternative: Alternative) -> Question:
    """Return the question whether an alternative is allowed, with the grant that it calls for."""
    rule = NYLAS.providers[alternative.provider].autocreate
    host = fully_scoped(rule.host) if rule and alternative.needs_conf_grant else None
    return dataclasses.replace(
        question, provider=alternative.provider, way=alternative.way, conf_grant=host
    )


def test_every_refused_autocreate_names_alternatives_that_are_allowed_when_asked() -> None:
    refused = 0
    for policy, question in questions():
        given = evaluate(NYLAS, policy, question)
        if given.decision is not Decision.REFUSED:
            assert given.alternatives == ()
            continue
        refused += 1
        assert given.alternatives
        for alternative in given.alternatives:
            again = evaluate(NYLAS, policy, asked(question, alternative))
            assert again.decision is not Decision.REFUSED, (question, alternative)
            assert alternative.explanation
    assert refused > 1000


def test_the_alternatives_are_details_zoom_and_the_platforms_own_provider() -> None:
    given = verdict(Platform.MICROSOFT, Provider.GOOGLE_MEET)
    ways = [(each.provider, each.way, each.needs_conf_grant) for each in given.alternatives]
    assert ways == [
        (Provider.GOOGLE_MEET, Way.DETAILS, False),
        (Provider.ZOOM_MEETING, Way.AUTOCREATE, True),
        (Provider.MICROSOFT_TEAMS, Way.AUTOCREATE, False),
    ]


def test_an_own_provider_that_would_be_refused_is_no_alternative() -> None:
    own = grant(Platform.MICROSOFT, "Calendars.ReadWrite")
    given = verdict(Platform.MICROSOFT, Provider.GOOGLE_MEET, own=own)
    assert [each.provider for each in given.alternatives] == [
        Provider.GOOGLE_MEET,
        Provider.ZOOM_MEETING,
    ]


def test_a_wrong_conference_grant_at_home_has_the_way_out_of_naming_none() -> None:
    wrong = verdict(Platform.GOOGLE, Provider.GOOGLE_MEET, host=grant(Platform.ZOOM))
    assert answer(wrong) == MISMATCH
    ways_out = {(each.provider, each.way, each.needs_conf_grant) for each in wrong.alternatives}
    assert (Provider.GOOGLE_MEET, Way.AUTOCREATE, False) in ways_out


def test_under_the_allow_policy_a_host_of_the_providers_own_is_a_way_out() -> None:
    ways_out = {
        policy: {
            (each.provider, each.way, each.needs_conf_grant)
            for each in verdict(
                Platform.GOOGLE, Provider.MICROSOFT_TEAMS, policy=policy
            ).alternatives
        }
        for policy in CrossPlatformPolicy
    }
    own = (Provider.MICROSOFT_TEAMS, Way.AUTOCREATE, True)
    assert own in ways_out[ALLOW]
    assert own not in ways_out[REFUSE]
