"""Secrets that hold keys, certificates and addresses, and whom a pod runs as."""

from typing import Annotated

from pydantic import Field

from deploy.chart.group import Entry, Group, NameOrNone, UrlOrNone

Id = Annotated[int, Field(ge=1, le=2_147_483_647)]


class Keys(Group):
    """The file of hashed keys."""

    existing_secret: NameOrNone
    file: Entry


class SecretEntry(Group):
    """One entry of a Secret: the database's URL, or a client's key."""

    existing_secret: NameOrNone
    key: Entry


class Tls(Group):
    """The certificate of the API port."""

    existing_secret: NameOrNone


class HuggingFace(Group):
    """The hub or its mirror."""

    token_secret: NameOrNone
    token_key: Entry
    endpoint: UrlOrNone
    ca_secret: NameOrNone


class Security(Group):
    """User and group of all containers; where null took one away, the cluster chooses."""

    run_as_user: Id | None = None
    fs_group: Id | None = None
