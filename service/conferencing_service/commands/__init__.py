"""The command line: a module per command, and nothing that another part of the service needs."""
