"""Blocking sockets with deadlines: what drives the pure protocol machines of `gateway.wire`."""
