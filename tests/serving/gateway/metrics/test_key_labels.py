"""Keys as labels: their number is closed."""

from serving.gateway.metrics.key_labels import OTHER, KeyLabels


def test_the_first_names_have_labels_of_their_own():
    """Up to the limit each has its own for ever; the others share one."""
    labels = KeyLabels(2)
    asked = ["alice", "bob", "carol", "alice", "dave", "bob"]
    assert [labels.label(name) for name in asked] == [
        "alice",
        "bob",
        OTHER,
        "alice",
        OTHER,
        "bob",
    ]


def test_no_names_at_all():
    """A limit of 0 names nobody."""
    assert KeyLabels(0).label("alice") == OTHER
