"""The vendor's own SDK, called directly: no gRPC, no server, one thread per call in flight.

Its client has no setting for connections: it makes a new one for each call. A line on stdin says
how many calls are to be in flight.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nylas

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import answers
import driven
import messages


def _serve() -> None:
    client = nylas.Client(api_key="bench", api_uri=sys.argv[1])
    body, title = messages.vendor_event(), answers.EVENT["title"]

    def call() -> bool:
        answer = client.events.create(
            messages.GRANT_ID, request_body=body, query_params={"calendar_id": "primary"}
        )
        return answer.data.id == answers.EVENT["id"] and answer.data.title == title

    driven.by_threads(call)


if __name__ == "__main__":
    _serve()
