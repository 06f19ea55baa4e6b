"""HTTP/2 as a hostile peer speaks it: what is written on one connection, made out of a random source.

hpack encodes headers without looking at them. Frames are put together here, since hyperframe would
refuse to make most of these.
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable, Iterator, Sequence

import hpack
from hyperframe.frame import Frame

from conferencing.v1 import conferencing_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from fuzz.rounds import CANARY

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20

PATH = "/conferencing.v1.ConferencingService/"
ASKED = service_pb2.CheckCompatibilityRequest(platform=conferencing_pb2.PLATFORM_GOOGLE)
Headers = list[tuple[str | bytes, str | bytes]]


def frame(
    kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None
) -> bytes:
    """A frame; the length may lie."""
    said = len(payload) if length is None else length
    return (
        struct.pack(">I", said & 0xFFFFFF)[1:] + struct.pack(">BBI", kind, flags, stream) + payload
    )


def good_headers(method: str = "CheckCompatibility") -> Headers:
    """The headers of a right call."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH + method),
        (":authority", "127.0.0.1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]


def block(headers: Headers) -> bytes:
    """A header block that needs no table."""
    return bytes(hpack.Encoder().encode(headers))


def message(data: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its prefix; flag and length may lie."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


def call(headers: Headers, body: bytes, stream: int = 1, end: int = END_STREAM) -> bytes:
    """A call: headers, one DATA frame."""
    head = frame(HEADERS, END_HEADERS, stream, block(headers))
    return head + frame(DATA, end, stream, body)


GOOD_BODY = message(ASKED.SerializeToString())
GOOD_CALL = call(good_headers(), GOOD_BODY)

# ---- What is sent after the preface ---------------------------------------------------------


def right(_: random.Random) -> bytes:
    return GOOD_CALL


def anything(rng: random.Random) -> bytes:
    frames = []
    for _ in range(rng.randint(1, 12)):
        payload = rng.randbytes(rng.choice([0, 1, 4, 5, 6, 8, rng.randint(0, 300), 17_000]))
        lie = rng.choice([None, None, None, 0, len(payload) + rng.randint(-3, 9), 2**24 - 1])
        frames.append(
            frame(
                *(rng.choice([rng.randint(0, 9), rng.randint(0, 255)]), rng.randint(0, 255)),
                *(rng.choice([0, 1, 1, 2, 3, 2**31 - 1, 2**32 - 1]), payload),
                None if lie is None else max(0, lie),
            )
        )
    return b"".join(frames)


def flipped(rng: random.Random) -> bytes:
    data = bytearray(frame(SETTINGS) + GOOD_CALL + call(good_headers(), GOOD_BODY, 3))
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data[: rng.randint(0, len(data))] if rng.random() < 0.3 else data)


ODD_HEADERS: Sequence[tuple[str | bytes, str | bytes]] = (
    *(("te", ""), ("te", "gzip"), ("content-type", "text/html"), ("content-type", CANARY)),
    *(("content-type", "application/grpc+json"), ("content-type", "application/grpc-web")),
    *(("grpc-timeout", value) for value in ("1n", "0S", "-1S", "99999999999H", CANARY, "1", "")),
    *(("grpc-encoding", value) for value in ("gzip", "deflate", "br", CANARY, "identity")),
    *(("grpc-accept-encoding", CANARY), (":method", "GET"), (":method", "PUT"), (":method", "")),
    *(
        (":scheme", "ftp"),
        (":path", ""),
        (":path", "/"),
        (":path", PATH + "Nothing"),
        (":path", "*"),
    ),
    *((":path", PATH + CANARY), (":path", "http://evil.example/"), (":authority", CANARY)),
    *((":authority", ""), (":status", "200"), (":unknown", "x"), ("Upper-Case", CANARY)),
    *(("x-value", "a\r\nb: c"), ("x-value", b"\x00"), ("x-value", b"\xff\xfe"), ("x\r\ny", "z")),
    *(("", "x"), ("x y", "z"), ("connection", "close"), ("transfer-encoding", "chunked")),
    *(("host", CANARY), ("x-bin", "\x01"), ("x-bin", "!!!"), ("x-long", "v" * 7000)),
    *(("x-long", "v" * 20_000), ("x-long", "v" * 200_000), ("grpc-status", "13")),
    *(("grpc-previous-rpc-attempts", CANARY), ("traceparent", CANARY), ("traceparent", "00-0-0-0")),
    *(("grpc-trace-bin", "AAAA"), ("grpc-tags-bin", "!"), ("content-length", "-1")),
    *(("content-length", "999999"), ("user-agent", CANARY), ("authorization", "Bearer " + CANARY)),
)


def odd_headers(rng: random.Random) -> bytes:
    headers = good_headers(rng.choice(["CheckCompatibility", "CreateEvent", "GetEvent"]))
    for _ in range(rng.randint(1, 3)):
        name, value = rng.choice(ODD_HEADERS)
        kept = [each for each in headers if each[0] != name or rng.random() < 0.3]
        kept.insert(rng.randint(0, len(kept)), (name, value))
        headers = kept
    if rng.random() < 0.3:
        del headers[rng.randrange(len(headers))]
    data = block(headers)
    pieces = [data[at : at + 16_384] for at in range(0, len(data), 16_384)]
    head = frame(HEADERS, END_HEADERS if len(pieces) == 1 else 0, 1, pieces[0])
    for number, piece in enumerate(pieces[1:], 2):
        head += frame(CONTINUATION, END_HEADERS if number == len(pieces) else 0, 1, piece)
    return head + frame(DATA, END_STREAM, 1, GOOD_BODY)


def many_headers(rng: random.Random) -> bytes:
    more: Headers = [(f"x-{number}", CANARY) for number in range(rng.choice([100, 1000, 4000]))]
    data = block(good_headers() + more)
    head, rest = data[:16_384], data[16_384:]
    parts = [rest[at : at + 16_384] for at in range(0, len(rest), 16_384)]
    frames = [frame(HEADERS, 0 if parts else END_HEADERS, 1, head)]
    for number, part in enumerate(parts, 1):
        frames.append(frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, 1, part))
    return b"".join(frames) + frame(DATA, END_STREAM, 1, GOOD_BODY)


def continuations(rng: random.Random) -> bytes:
    """Headers that never end."""
    piece = block([("x-flood", "v" * rng.choice([0, 10, 1000]))])
    head = frame(HEADERS, rng.choice([0, END_STREAM]), 1, block(good_headers()))
    return head + frame(CONTINUATION, 0, 1, piece) * rng.choice([1, 10, 500, 3000])


def interrupted(rng: random.Random) -> bytes:
    head = frame(HEADERS, 0, 1, block(good_headers()))
    between = frame(
        rng.choice([DATA, PING, SETTINGS, HEADERS, WINDOW_UPDATE]), 0, rng.choice([0, 1, 3])
    )
    return head + between + frame(CONTINUATION, END_HEADERS, rng.choice([1, 3]), b"")


def padded(rng: random.Random) -> bytes:
    pad = rng.choice([0, 1, 200, 255])
    kind = rng.choice([HEADERS, DATA])
    body = block(good_headers()) if kind == HEADERS else GOOD_BODY
    first = b"" if kind == HEADERS else frame(HEADERS, END_HEADERS, 1, block(good_headers()))
    payload = bytes([pad]) + body + bytes(rng.choice([0, pad, max(0, pad - 1)]))
    if rng.random() < 0.3:
        payload = payload[: rng.randint(0, 2)]
    flags = PADDED | END_HEADERS | rng.choice([0, END_STREAM, PRIORITISED])
    return first + frame(kind, flags, 1, payload)


def streams(rng: random.Random) -> bytes:
    """Calls and data on streams that are not there yet, no more, or not a client's."""
    ids = [rng.choice([0, 1, 2, 3, 5, 2**31 - 1]) for _ in range(rng.randint(1, 6))]
    parts = [GOOD_CALL] if rng.random() < 0.5 else []
    for stream in ids:
        choices = (
            frame(DATA, rng.choice([0, 1]), stream, GOOD_BODY),
            call(good_headers(), GOOD_BODY, stream),
            frame(HEADERS, END_HEADERS | END_STREAM, stream, block(good_headers())),
            frame(RST_STREAM, 0, stream, struct.pack(">I", rng.choice([0, 8, 2**32 - 1]))),
            frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", rng.choice([0, 1, 2**31 - 1]))),
            frame(PRIORITY, 0, stream, struct.pack(">IB", stream, 255)),
        )
        parts.append(rng.choice(choices))
    return b"".join(parts)


def floods(rng: random.Random) -> bytes:
    times = rng.choice([1, 20, 300])
    kind = rng.choice(["ping", "settings", "ack", "reset", "empty", "window", "priority"])
    if kind == "reset":
        return b"".join(
            call(good_headers(), GOOD_BODY, stream)
            + frame(RST_STREAM, 0, stream, bytes([0, 0, 0, 8]))
            for stream in range(1, 2 * times, 2)
        )
    one = {
        "ping": frame(PING, 0, 0, bytes(8)),
        "settings": frame(
            SETTINGS, 0, 0, struct.pack(">HI", 4, rng.choice([0, 65_535, 2**31 - 1]))
        ),
        "ack": frame(SETTINGS, ACK),
        "empty": frame(DATA, 0, 1, b""),
        "window": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", rng.choice([1, 2**31 - 1]))),
        "priority": frame(PRIORITY, 0, 7, struct.pack(">IB", 5, 1)),
    }[kind]
    return frame(HEADERS, END_HEADERS, 1, block(good_headers())) + one * times


def odd_settings(rng: random.Random) -> bytes:
    pairs = b"".join(
        struct.pack(
            ">HI",
            rng.choice([1, 2, 3, 4, 5, 6, 0, 65_535]),
            rng.choice([0, 1, 16_383, 16_384, 2**24 - 1, 2**24, 2**31, 2**32 - 1]),
        )
        for _ in range(rng.choice([1, 2, 6, 500]))
    )
    odd = frame(
        SETTINGS, rng.choice([0, 0, ACK]), rng.choice([0, 0, 1]), pairs + rng.choice([b"", b"x"])
    )
    return odd + GOOD_CALL


def bad_hpack(rng: random.Random) -> bytes:
    blocks = (
        rng.randbytes(rng.randint(1, 200)),
        b"\xff" * 20,
        b"\x3f\xff\xff\xff\x7f",  # a table of half a gigabyte
        b"\xff\xff\xff\xff\xff\xff\x0f",  # an index far out
        b"\x80",  # the index zero
        b"\x00\x85\xff\xff\xff\xff\xff\x00",  # Huffman's end within a name
        b"\x40\x7f\xff\xff\xff\x0fa",  # a name of a gigabyte
        block(good_headers())[: rng.randint(1, 40)],
    )
    head = frame(HEADERS, END_HEADERS, 1, rng.choice(blocks))
    return head + frame(DATA, END_STREAM, 1, GOOD_BODY)


def odd_messages(rng: random.Random) -> bytes:
    asked = ASKED.SerializeToString()
    packed = gzip.compress(asked)
    bomb = gzip.compress(bytes(3_000_000))
    bodies = (
        *(b"", b"\x00", GOOD_BODY[:4], GOOD_BODY[:-1], GOOD_BODY + b"\x00", GOOD_BODY * 2),
        *(message(asked, length=2**32 - 1), message(asked, length=0), message(asked, length=100)),
        *(message(asked, flag=1), message(asked, flag=2), message(asked, flag=255)),
        *(message(packed, flag=1), message(packed[:-4], flag=1), message(bomb, flag=1)),
        *(message(rng.randbytes(50), flag=1), message(rng.randbytes(50)), rng.randbytes(50)),
        message(b"", length=2_000_000),
    )
    headers = good_headers(rng.choice(["CheckCompatibility", "CreateEvent", "ExtractConferencing"]))
    if rng.random() < 0.6:
        headers.append(("grpc-encoding", rng.choice(["gzip", "gzip", "deflate", "br", "identity"])))
    return call(headers, rng.choice(bodies), 1, rng.choice([END_STREAM, END_STREAM, 0]))


def other_frames(rng: random.Random) -> bytes:
    choices = (
        frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(good_headers())),
        frame(GOAWAY, 0, 0, struct.pack(">II", 0, rng.choice([0, 2, 11])) + CANARY.encode()),
        frame(PING, 0, rng.choice([0, 1]), bytes(rng.choice([0, 7, 8, 9]))),
        frame(WINDOW_UPDATE, 0, 0, bytes(rng.choice([0, 3, 4, 5]))),
        frame(RST_STREAM, 0, rng.choice([0, 1, 9]), bytes(rng.choice([3, 4, 5]))),
        frame(rng.randint(10, 255), rng.randint(0, 255), rng.choice([0, 1]), rng.randbytes(40)),
    )
    parts = [rng.choice(choices) for _ in range(rng.randint(1, 3))]
    parts.insert(rng.randint(0, len(parts)), GOOD_CALL)
    return b"".join(parts)


ATTACKS: tuple[Callable[[random.Random], bytes], ...] = (
    *(right, anything, flipped, odd_headers, many_headers, continuations, interrupted, padded),
    *(streams, floods, odd_settings, bad_hpack, odd_messages, other_frames),
)


def beginning(rng: random.Random) -> bytes:
    """The preface and first settings, now and then something else."""
    if rng.random() < 0.92:
        return PREFACE + frame(SETTINGS)
    others = (
        *(b"", PREFACE[:10], PREFACE, PREFACE.replace(b"2.0", b"1.1"), rng.randbytes(200)),
        *(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1", bytes(64)),
        PREFACE + frame(SETTINGS, length=2**24 - 1),
    )
    return rng.choice(others)


def attack(rng: random.Random) -> tuple[str, list[bytes]]:
    """A connection's name, and what is written on it, one after the other."""
    make = rng.choice(ATTACKS)
    data = beginning(rng) + make(rng)
    if rng.random() < 0.7:
        return make.__name__, [data]
    cut = rng.randint(0, len(data))
    return make.__name__, [data[:cut], data[cut:]]


# ---- What comes back ------------------------------------------------------------------------


def answers_in(data: bytes) -> Iterator[dict[str, str]]:
    """Yield the header blocks that a server sent; raises where it is no HTTP/2."""
    decoder = hpack.Decoder()
    headers = b""
    while len(data) >= 9:
        head, length = Frame.parse_frame_header(memoryview(data[:9]))
        body, data = data[9 : 9 + length], data[9 + length :]
        if len(body) < length:
            return
        if head.type in {HEADERS, CONTINUATION}:
            headers += body
            if "END_HEADERS" in head.flags:
                told = decoder.decode(headers, raw=True)
                yield {name.decode(): value.decode("latin-1") for name, value in told}
                headers = b""
