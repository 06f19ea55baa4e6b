"""The outside: one vendor per module, all behind the interface of `core.upstream`."""
