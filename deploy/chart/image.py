"""Images and what is pulled when."""

from typing import Annotated, Literal

from deploy.chart.group import Group, text

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Digest = Annotated[str, text("sha256:[0-9a-f]{64}", 71, empty=True)]
# A registry with its port, then folders: neither https:// nor a tag belongs to it.
REPOSITORY = (
    r"[a-z0-9]([-a-zA-Z0-9._]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([-a-z0-9._]*[a-z0-9])?)*"
)


class Image(Group):
    """An image's name and version."""

    repository: Annotated[str, text(REPOSITORY, 255)]
    tag: Annotated[str, text("[A-Za-z0-9_][-A-Za-z0-9._]*", 128, empty=True)]
    digest: Digest
    pull_policy: PullPolicy


class OwnImage(Image):
    """The gateway's image; its variants have its tag with a suffix, and digests of their own."""

    tiny_digest: Digest
    loadtest_digest: Digest


class WeightsImage(Image):
    """An image that only `weights.source` image needs."""

    repository: Annotated[str, text(REPOSITORY, 255, empty=True)]
