"""What an administrator can do: one function an operation, JSON in and out.

An operation runs in the process that owns the database: the node, asked over its control socket, or the command line
itself when no node runs. Nothing here parses a command line or prints.
"""
