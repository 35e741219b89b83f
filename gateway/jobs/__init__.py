"""Durable work: the worker and one module a kind of job. What happens next is read from the database."""
