// Puts a new Zoom meeting on an event, reads the event back, and takes two refusals apart.
//
//     npm run quickstart [ADDRESS [REQUEST_ID]]
//
// `make run` serves on the default address. The same request_id again is the same request: it makes
// no second meeting, and its answer is the first one's.

import { randomUUID } from "node:crypto";

import { enumToJson, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import {
  type ConferenceDetails,
  ConferencingService,
  type CreateEventRequestSchema,
  DecisionSchema,
  errorDetails,
  ErrorReason,
  Provider,
  ProviderSchema,
  WaySchema,
} from "@conferencing/client";

const address = process.argv[2] ?? process.env["CONFERENCING_ADDRESS"] ?? "127.0.0.1:50051";
const requestId = process.argv[3] ?? randomUUID();

const client = createClient(
  ConferencingService,
  createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 30_000 }),
);

const calendar = { grantId: "google-demo", calendarId: "primary" };
const when = {
  kind: {
    case: "timespan" as const,
    value: {
      startTime: timestampFromDate(new Date("2030-01-07T14:00:00Z")),
      endTime: timestampFromDate(new Date("2030-01-07T15:00:00Z")),
      startTimezone: "UTC",
      endTimezone: "UTC",
    },
  },
};

const { event: created } = await client.createEvent({
  ...calendar,
  requestId,
  event: {
    title: "Planning",
    when,
    conferencing: {
      provider: Provider.ZOOM_MEETING,
      source: {
        case: "autocreate",
        value: { confGrantId: "zoom-demo", confSettings: { password: "demo42" } },
      },
    },
  },
});

const { event } = await client.getEvent({ ...calendar, eventId: created?.id ?? "" });
if (event?.conferencing?.source.case === "details") {
  printDetails(event.conferencing.provider, event.conferencing.source.value);
}

// Microsoft Teams cannot be autocreated on a Google calendar.
await refused({
  ...calendar,
  requestId: randomUUID(),
  event: {
    title: "Planning",
    when,
    conferencing: {
      provider: Provider.MICROSOFT_TEAMS,
      source: { case: "autocreate", value: {} },
    },
  },
});

// An event needs a when.
await refused({ ...calendar, requestId: randomUUID(), event: { title: "Planning" } });

function printDetails(provider: Provider, details: ConferenceDetails): void {
  console.log(`provider: ${enumToJson(ProviderSchema, provider)}`);
  console.log(`url: ${details.url}`);
  console.log(`meeting_code: ${details.meetingCode}`);
  console.log(`password: ${details.password}`);
}

async function refused(request: MessageInitShape<typeof CreateEventRequestSchema>): Promise<void> {
  try {
    await client.createEvent(request);
  } catch (thrown) {
    const { reason, errorInfo, badRequest, verdict } = errorDetails(thrown);
    if (reason === ErrorReason.UNSPECIFIED) throw thrown;
    console.log(`code: ${codeName(ConnectError.from(thrown).code)}`);
    console.log(`reason: ${ErrorReason[reason]}`);
    for (const [key, value] of Object.entries(errorInfo?.metadata ?? {}).sort()) {
      console.log(`metadata: ${key} = ${value}`);
    }
    for (const violation of badRequest?.fieldViolations ?? []) {
      console.log(`violation: ${violation.field}: ${violation.description}`);
    }
    if (verdict) {
      console.log(`decision: ${enumToJson(DecisionSchema, verdict.decision)}`);
      console.log(`explanation: ${verdict.explanation}`);
      for (const { provider, way, explanation } of verdict.alternatives) {
        const names = [enumToJson(ProviderSchema, provider), enumToJson(WaySchema, way)];
        console.log(`alternative: ${names.join(" ")}: ${explanation}`);
      }
    }
    return;
  }
  throw new Error("the request was not refused");
}

/** Connect names codes `FailedPrecondition`; gRPC's own spelling is FAILED_PRECONDITION. */
function codeName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
