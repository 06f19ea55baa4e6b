"""Stubs of the conferencing service: import the messages from `conferencing.v1`."""
