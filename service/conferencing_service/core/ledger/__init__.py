"""At most one effect per request: the protocol, and the interface of its store."""
