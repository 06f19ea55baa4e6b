// Takes events through their whole life with the vendor's own client; exits non-zero on any mismatch.
import assert from "node:assert/strict";
import Nylas from "nylas";

const [apiUri, ...grants] = process.argv.slice(2);
const nylas = new Nylas({ apiKey: "sandbox", apiUri, timeout: 10 });

const start = 1_900_000_000;
const when = { startTime: start, endTime: start + 3600 };
const queryParams = { calendarId: "primary" };
const url = "https://us02web.zoom.us/j/1234567890";
const manual = { provider: "Zoom Meeting", details: { url, meetingCode: "1234567890" } };
const made = {
  provider: "Zoom Meeting",
  autocreate: {
    confGrantId: "zoom-demo",
    confSettings: { password: "abc", settings: { waitingRoom: true } },
  },
};

for (const identifier of grants) {
  const requestBody = {
    title: "Review",
    when,
    conferencing: made,
    participants: [{ email: "ann@example.com" }],
    metadata: { key1: "a b" },
  };
  const created = (
    await nylas.events.create({
      identifier,
      requestBody,
      queryParams: { ...queryParams, notifyParticipants: false },
    })
  ).data;
  assert.equal(created.when.object, "timespan");
  assert.equal(created.grantId, identifier);
  assert.equal(created.conferencing.details.password, "abc");
  assert.match(created.conferencing.details.meetingCode, /^\d{11}$/);

  const found = await nylas.events.find({ identifier, eventId: created.id, queryParams });
  assert.deepEqual(found.data, created);

  const listed = await nylas.events.list({
    identifier,
    queryParams: { ...queryParams, metadataPair: { key1: "a b" } },
  });
  assert.deepEqual(listed.data, [created]);

  const update = (conferencing) =>
    nylas.events.update({
      identifier,
      eventId: created.id,
      requestBody: { title: "New", description: "Agenda", conferencing },
      queryParams,
    });
  assert.deepEqual((await update(manual)).data.conferencing, manual);
  assert.equal((await update({})).data.conferencing, undefined);

  const second = (
    await nylas.events.create({
      identifier,
      requestBody: { title: "Second", when, conferencing: manual },
      queryParams,
    })
  ).data;
  assert.deepEqual(second.conferencing, manual);

  // The client asks for pages until it has as many events as it was told to bring.
  const range = { ...queryParams, start: String(start), end: String(start + 1), limit: 2 };
  const titles = (await nylas.events.list({ identifier, queryParams: range })).data.map((e) => e.title);
  assert.deepEqual(titles.sort(), ["New", "Second"]);

  for (const { id } of [created, second]) {
    const gone = await nylas.events.destroy({ identifier, eventId: id, queryParams });
    assert.ok(gone.requestId);
    await assert.rejects(nylas.events.find({ identifier, eventId: id, queryParams }), (error) => {
      assert.equal(error.statusCode, 404);
      assert.equal(error.type, "not_found_error");
      assert.ok(error.requestId);
      return true;
    });
  }
}
console.log(`agreed: ${grants.length} grants`);
