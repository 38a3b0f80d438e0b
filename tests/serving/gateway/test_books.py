"""The books: a book that fails harms neither the request nor the other books."""

import logging

from prometheus_client import CollectorRegistry, Counter

from serving.gateway.books import Books
from serving.gateway.record import Record


class Kept:
    """A book in memory."""

    name = "kept"

    def __init__(self) -> None:
        self.records: list[Record] = []

    def enter(self, record: Record) -> None:
        """Keep it."""
        self.records.append(record)


class Torn:
    """A book that takes nothing."""

    name = "torn"

    def enter(self, record: Record) -> None:
        """Fail."""
        raise OSError(record.id)


def test_a_failing_book_is_counted_and_complained_about_once(caplog):
    """A thousand failures are one line a minute; the other book has every request."""
    registry = CollectorRegistry()
    failures = Counter("failures", "Failures", ["book"], registry=registry)
    kept = Kept()
    books = Books([Torn(), kept], failures)
    with caplog.at_level(logging.ERROR):
        for number in range(1000):
            books.enter(Record(id=str(number), time=0.0))
    assert [record.id for record in kept.records] == [str(number) for number in range(1000)]
    assert registry.get_sample_value("failures_total", {"book": "torn"}) == 1000
    assert len(caplog.records) == 1
    assert "torn" in caplog.text


def test_a_books_failures_are_counted_from_the_start():
    """A count that first appears at 1 has not risen for Prometheus, and no alert would fire."""
    registry = CollectorRegistry()
    Books([Torn()], Counter("failures", "Failures", ["book"], registry=registry))
    assert registry.get_sample_value("failures_total", {"book": "torn"}) == 0
