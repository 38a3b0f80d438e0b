"""The table of parameters: written anew it is the same, and every parameter has its test."""

from serving.catalogue import entry_for
from serving.gateway.docs.document import document
from serving.gateway.docs.fields import fields
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operations import OPERATIONS
from serving.options import GatewaySettings
from tests.contracts import parameter_table


def test_table_is_fresh() -> None:
    """Whoever changes a parameter runs `make contracts`."""
    assert parameter_table.TABLE.read_text(encoding="utf-8") == parameter_table.table()


def test_every_parameter_is_seen_to_have_its_effect() -> None:
    """Each field of each endpoint, or a part of it, has a row in the test of parameters."""
    described = document(Offer.of(entry_for("tiny"), GatewaySettings()))
    unseen = {
        f"{path} {field.name}"
        for path, operation in OPERATIONS.items()
        if operation.request is not None
        for field in fields(described, operation.request.__name__)
        if not field.ignored and not rows_of(path, field.name)
    }
    assert unseen == set()


def rows_of(path: str, name: str) -> list[str]:
    """Return the parameters of the rows about a field or its parts."""
    return [
        row.parameter
        for row in parameter_table.ROWS
        if path in row.on and row.parameter.split(".")[0] == name
    ]


def test_every_row_is_about_a_parameter() -> None:
    """A row for a field that is gone would test nothing."""
    described = document(Offer.of(entry_for("tiny"), GatewaySettings()))
    for path, operation in OPERATIONS.items():
        if operation.request is None:
            continue
        listed = fields(described, operation.request.__name__)
        known = {name for name, _ in parameter_table.parts(described, listed)}
        rows = {row.parameter for row in parameter_table.ROWS if path in row.on}
        assert rows - known == set(), path
