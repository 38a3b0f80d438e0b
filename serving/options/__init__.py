"""Every option of the product with its default, limits and meaning, in four frozen groups."""

from serving.options.engine import EngineSettings
from serving.options.gateway import GatewaySettings
from serving.options.group import Group, Text
from serving.options.models import ModelsSettings
from serving.options.run_folder import run_folder
from serving.options.store import StoreSettings

__all__ = [
    "EngineSettings",
    "GatewaySettings",
    "Group",
    "ModelsSettings",
    "Settings",
    "StoreSettings",
    "Text",
    "run_folder",
]


class Settings(Group):
    """The whole configuration of one process."""

    engine: EngineSettings = EngineSettings()
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    models: ModelsSettings = ModelsSettings()
