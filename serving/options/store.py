"""The options of the store."""

from pydantic import Field, SecretStr

from serving.options.group import Group


class StoreSettings(Group):
    """Where keys are kept."""

    url: SecretStr | None = Field(
        default=None,
        description="sqlite:///FILE or postgresql://…; by default a file in the state folder",
    )
