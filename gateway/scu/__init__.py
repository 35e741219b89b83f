"""Outbound: associations that this node requests, one module a service."""
