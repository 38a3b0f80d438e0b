"""`pool.settings`: the options of engine and gateway, without those that the chart decides."""

import copy
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from serving import options
from serving.engine import profile

# Addresses and files are the chart's, secrets never stand in a ConfigMap.
DECIDED: Final = {
    "engine": {"listen"},
    "gateway": {
        "port",
        "admin_port",
        "control_socket",
        "api_keys",
        "keys_file",
        "tls_cert_file",
        "tls_key_file",
        "image",
        "reports_folder",
    },
    "store": {"url"},
    "models": set(),
}
# Without them the rest of the chart cannot be derived; others are left out where they are usual.
WRITTEN: Final = {
    "engine": {"model", "profile", "tensor_parallel_size", "shutdown_timeout"},
    "gateway": {"drain_grace_seconds", "drain_seconds"},
}
# What a cluster must be told more closely than a machine, which can look for itself, and what the
# options check by code.
NARROWED: Final[dict[str, Any]] = {
    "profile": Literal[tuple(profile.names())],
    "model": Annotated[str, StringConstraints(pattern="^/?[A-Za-z0-9][-A-Za-z0-9._/]*$")],
    "revision": Annotated[str, StringConstraints(pattern="^[0-9a-f]{40}$")] | None,
    "otlp_traces_endpoint": Annotated[
        str, StringConstraints(pattern=r"^https?://[^\s/?#]+/+[^\s/?#]\S*$")
    ]
    | None,
    "media_domains": tuple[Annotated[str, StringConstraints(pattern=r"^[^\s/:?#@]+$")], ...],
    # They are also peers of the network policy.
    "media_private_networks": tuple[
        Annotated[str, StringConstraints(pattern="^[0-9a-fA-F.:]+/[0-9]{1,3}$")], ...
    ],
}


class Options(BaseModel):
    """Settings as `serving settings` prints them: their names keep their underscores."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _group(name: str, group: Any) -> type[Options]:
    fields: dict[str, Any] = {
        option: _field(name, option, field)
        for option, field in group.model_fields.items()
        if option not in DECIDED[name]
    }
    return create_model(group.__name__, __base__=Options, __doc__=group.__doc__, **fields)


def _field(group: str, option: str, field: FieldInfo) -> tuple[Any, FieldInfo]:
    """Return an option's type and limits; its default only where it may be left out."""
    if option in NARROWED:
        field = FieldInfo(default=field.default, description=field.description)
    own = copy.copy(field)
    if option in WRITTEN.get(group, ()):
        own.default = PydanticUndefined
    return NARROWED.get(option, field.annotation), own


Settings = create_model(
    "Settings",
    __base__=Options,
    **{  # type: ignore[call-overload]  # the groups are known when the module is read
        name: (_group(name, group.annotation), ...)
        for name, group in options.Settings.model_fields.items()
    },
)


def defaults() -> str:
    """Return the product's defaults as the chart's templates read them, the same on any machine."""
    usual = options.Settings().model_dump(mode="json")
    del usual["engine"]["listen"]  # a folder of whoever asks
    return json.dumps(usual, indent=2) + "\n"
