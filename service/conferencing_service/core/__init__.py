"""The rules: what may be asked, what is allowed, in which order things happen.

Nothing in here knows gRPC, protobuf, HTTP, a vendor or a database.
"""
