"""Protocols as pure state machines: bytes in, events out. No socket, thread, process or clock may enter."""
