"""All sections together, and the names of their environment variables."""

from __future__ import annotations

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.config.dicom import DicomSettings
from gateway.config.sections import (
    DatabaseSettings,
    LogSettings,
    MrdSettings,
    NodeSettings,
    ReconSettings,
    RoutingSettings,
    StoreSettings,
)
from gateway.config.values import Section

ENVIRONMENT_PREFIX = "GATEWAY_"
SECTION_DELIMITER = "__"


class Settings(BaseSettings):
    """Everything that an administrator can set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=SECTION_DELIMITER,
        enable_decoding=False,
        validate_default=True,
    )

    dicom: DicomSettings = DicomSettings()
    mrd: MrdSettings = MrdSettings()
    database: DatabaseSettings = DatabaseSettings()
    store: StoreSettings = StoreSettings()
    routing: RoutingSettings = RoutingSettings()
    recon: ReconSettings = ReconSettings()
    node: NodeSettings = NodeSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the file's content, which `load` passes in."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def sections() -> dict[str, type[Section]]:
    """The tables of gateway.toml by name, in their order."""
    annotations = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in annotations.items() if isinstance(kind, type) and issubclass(kind, Section)}


def variable(section: str, key: str) -> str:
    """The environment variable that overrides a setting."""
    return f"{ENVIRONMENT_PREFIX}{section}{SECTION_DELIMITER}{key}".upper()
