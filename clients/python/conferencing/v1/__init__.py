"""Generated messages and stubs of conferencing.v1; `make protos` makes them."""
