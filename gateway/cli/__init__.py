"""The command line: parse, call an operation, print its result. No logic of the node lives here."""
