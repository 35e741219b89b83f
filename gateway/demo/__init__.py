"""What `make demo` shows: a node and a downstream PACS as processes, a study and a raw scan on their way through."""
