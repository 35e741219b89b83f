"""Inbound: listeners, associations that this node accepts, one module a service."""
