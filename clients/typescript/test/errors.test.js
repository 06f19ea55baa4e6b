import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { errorDetails, ErrorReason, Provider, VerdictSchema } from "@conferencing/client";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../dist/gen/google/rpc/error_details_pb.js";

const info = (reason, domain = "conferencing.v1") => ({
  desc: ErrorInfoSchema,
  value: { reason, domain, metadata: { way: "AUTOCREATE" } },
});
const thrown = (...details) => new ConnectError("refused", Code.Unavailable, undefined, details);

test("each kind of detail is decoded", () => {
  const details = errorDetails(
    thrown(
      info("INVALID_FIELD"),
      { desc: BadRequestSchema, value: { fieldViolations: [{ field: "event.when" }] } },
      { desc: RetryInfoSchema, value: { retryDelay: { seconds: 3n } } },
      { desc: VerdictSchema, value: { alternatives: [{ provider: Provider.ZOOM_MEETING }] } },
    ),
  );
  assert.equal(details.reason, ErrorReason.INVALID_FIELD);
  assert.equal(details.errorInfo.metadata.way, "AUTOCREATE");
  assert.equal(details.badRequest.fieldViolations[0].field, "event.when");
  assert.equal(details.retryInfo.retryDelay.seconds, 3n);
  assert.equal(details.verdict.alternatives[0].provider, Provider.ZOOM_MEETING);
});

test("what the error does not carry is not there", () => {
  assert.deepEqual(Object.keys(errorDetails(thrown(info("EVENT_NOT_FOUND")))), [
    "reason",
    "errorInfo",
  ]);
});

test("a reason newer than this package keeps its name", () => {
  const { reason, errorInfo } = errorDetails(thrown(info("OF_TOMORROW")));
  assert.equal(reason, ErrorReason.UNSPECIFIED);
  assert.equal(errorInfo.reason, "OF_TOMORROW");
});

test("another domain's reason is not this service's", () => {
  assert.deepEqual(errorDetails(thrown(info("INVALID_FIELD", "example.com"))), {
    reason: ErrorReason.UNSPECIFIED,
  });
});

test("what is no error of the service has no details", () => {
  for (const other of [new Error("broken"), "broken", undefined, create(VerdictSchema)]) {
    assert.deepEqual(errorDetails(other), { reason: ErrorReason.UNSPECIFIED });
  }
});
