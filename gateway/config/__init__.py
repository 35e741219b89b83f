"""The settings: `gateway.toml` in the node's home, each key overridden by GATEWAY_<SECTION>__<KEY>.

Read once by `load`, frozen, passed in. Every field carries its description, its unit and its bounds, so that the
commented gateway.toml of `gateway init`, the README's table and the error messages say the same. An unknown key is
an error that names the nearest known one: a setting with a typing mistake must not be silently without effect.
"""

from gateway.config.dicom import Access, AnswerCharset
from gateway.config.reading import FILE_NAME, load
from gateway.config.sections import LogFormat, LogLevel, LogSettings
from gateway.config.settings import Settings, sections, variable
from gateway.config.values import Section, is_loopback, parse_duration

__all__ = [
    "FILE_NAME",
    "Access",
    "AnswerCharset",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "Section",
    "Settings",
    "is_loopback",
    "load",
    "parse_duration",
    "sections",
    "variable",
]
