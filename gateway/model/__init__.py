"""What crosses boundaries: frozen dataclasses, enumerations and the one error tree. No behaviour, no I/O."""
