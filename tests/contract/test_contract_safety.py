"""What the contract never has: a message that can be anything, a host's key, a grant that nobody checks.

Read off the descriptors, so that a new field is looked at when it is made.
"""

from __future__ import annotations

import re

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from unit import contract

pytestmark = pytest.mark.security

ANYTHING = "google.protobuf.Any"
GRANTS = {"grant_id", "conf_grant_id"}
"""The names of fields that hold the id of a grant; who may use it is looked up by these names."""

HOSTS_ONLY = re.compile(
    r"(?:^|_)(?:start|host|admin|owner|organizer|moderator|leader)_?(?:url|uri|link|key|code|pin|password|token)$"
    r"|(?:^|_)(?:token|secret|credential|credentials|api_key|authorization|cookie|zak|jwt)$"
)
"""Names of what makes whoever has it the host, or lets them call in another's name."""

# A page token opens nothing: it is sealed, and bound to the request that it is of.
TOKENS = {"page_token", "next_page_token"}


def messages_of(descriptor, seen=None):
    """A message and all that it can hold, each once; recursion is followed once."""
    seen = {} if seen is None else seen
    if descriptor.full_name not in seen:
        seen[descriptor.full_name] = descriptor
        for field in descriptor.fields:
            if field.message_type is not None:
                messages_of(field.message_type, seen)
    return seen.values()


def fields_of(descriptor):
    return [field for message in messages_of(descriptor) for field in message.fields]


def can_be_anything(descriptor):
    """The fields that a caller could put any message in."""
    return [
        field.full_name
        for field in fields_of(descriptor)
        if field.message_type is not None and field.message_type.full_name == ANYTHING
    ]


def of_hosts_only(descriptor):
    """The fields whose names promise what only the host may have."""
    return [
        field.full_name
        for field in fields_of(descriptor)
        if HOSTS_ONLY.search(field.name) and field.name not in TOKENS
    ]


def grants_that_nobody_checks(descriptor):
    """The fields that hold a grant's id, are read, and have another name than those that are checked."""
    return [
        field.full_name
        for field in fields_of(descriptor)
        if re.search(r"grant", field.name)
        and field.type == field.TYPE_STRING
        and not contract.has_behavior(field, contract.OUTPUT_ONLY)
        and (field.name not in GRANTS or field.is_repeated)
    ]


METHODS = list(contract.SERVICE.methods)
IDS = [method.name for method in METHODS]


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_no_request_can_hold_any_message(method):
    """Any is decoded by its caller's word, and nests without a bound in some runtimes."""
    assert can_be_anything(method.input_type) == []


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_no_answer_has_a_field_for_what_only_the_host_may_have(method):
    assert of_hosts_only(method.output_type) == []


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_every_grant_that_a_request_names_has_a_name_that_is_checked(method):
    assert grants_that_nobody_checks(method.input_type) == []


def test_every_method_takes_one_message_and_gives_one():
    """A stream would hold a place among the calls for as long as its caller likes."""
    for method in METHODS:
        assert not method.client_streaming, method.name
        assert not method.server_streaming, method.name


def test_the_walk_reaches_every_depth():
    create = next(method for method in METHODS if method.name == "CreateEvent")
    names = {
        field.full_name.removeprefix("conferencing.v1.") for field in fields_of(create.input_type)
    }
    assert {
        *("CreateEventRequest.grant_id", "Autocreate.conf_grant_id", "Event.grant_id"),
        *("ConferenceDetails.url", "EntryPoint.uri", "Reminder.minutes"),
    } <= names


# ---- A contract that has them is found out --------------------------------------------------


def made(name, type_name=""):
    """A message that holds one that has a field of this name."""
    file = descriptor_pb2.FileDescriptorProto(name="bad.proto", package="bad", syntax="proto3")
    file.dependency.append("google/protobuf/any.proto")
    inner, outer = file.message_type.add(name="Inner"), file.message_type.add(name="Outer")
    kind = descriptor_pb2.FieldDescriptorProto
    field = inner.field.add(name=name, number=1, label=kind.LABEL_OPTIONAL)
    field.type = kind.TYPE_MESSAGE if type_name else kind.TYPE_STRING
    if type_name:
        field.type_name = type_name
    outer.field.add(
        name="inner",
        number=1,
        label=kind.LABEL_REPEATED,
        type=kind.TYPE_MESSAGE,
        type_name=".bad.Inner",
    )
    pool = descriptor_pool.DescriptorPool()
    anything = descriptor_pb2.FileDescriptorProto()
    descriptor_pool.Default().FindFileByName("google/protobuf/any.proto").CopyToProto(anything)
    pool.Add(anything)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bad.Outer")).DESCRIPTOR


def test_a_message_that_can_be_anything_is_found_out():
    assert can_be_anything(made("extra", f".{ANYTHING}")) == ["bad.Inner.extra"]


@pytest.mark.parametrize(
    "name",
    [
        *("start_url", "host_url", "host_key", "host_pin", "moderator_code", "zak"),
        *("token", "access_token", "refresh_token", "api_key", "client_secret"),
    ],
)
def test_a_field_for_the_host_alone_is_found_out(name):
    assert of_hosts_only(made(name)) == [f"bad.Inner.{name}"]


@pytest.mark.parametrize("name", ["host_grant_id", "grant", "grant_ids", "zoom_grant_id"])
def test_a_grant_under_another_name_is_found_out(name):
    assert grants_that_nobody_checks(made(name)) == [f"bad.Inner.{name}"]
