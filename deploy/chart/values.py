"""The chart's values as a whole."""

from typing import Annotated

from pydantic import Field

from deploy.chart.access import HuggingFace, Keys, SecretEntry, Security, Tls
from deploy.chart.group import Group, Labels, Name, Open, PrefixOrNone, text
from deploy.chart.image import REPOSITORY, OwnImage
from deploy.chart.monitoring import Monitoring
from deploy.chart.network import NetworkPolicy, Proxy
from deploy.chart.pool import OwnValues, Pool
from deploy.chart.questions import Loadtest, Verify

PoolName = Annotated[str, text("[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", 20)]


class PullSecret(Group):
    """A Secret that images are pulled with."""

    name: Name


class Values(Group):
    """values.yaml with a user's values over it."""

    name_override: PrefixOrNone
    fullname_override: PrefixOrNone
    image_registry: Annotated[str, text(f"{REPOSITORY}/?", 255, empty=True)]
    image_pull_secrets: list[PullSecret]
    common_labels: Labels
    image: OwnImage
    pools: dict[PoolName, OwnValues | None]
    pool: Pool
    keys: Keys
    store: SecretEntry
    client_key: SecretEntry
    tls: Tls
    hugging_face: HuggingFace
    offline: bool
    proxy: Proxy
    security: Security
    network_policy: NetworkPolicy
    monitoring: Monitoring
    verify: Verify
    loadtest: Loadtest
    of_all_charts: Open = Field(
        default={},
        alias="global",
        description="Helm's own: what a parent chart tells all its charts; nothing reads it here.",
    )
