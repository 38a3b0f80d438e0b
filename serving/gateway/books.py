"""The books that are kept of finished requests: none of them can make a request fail."""

import logging
from collections.abc import Iterable

from prometheus_client import Counter

from serving.gateway.record import Book, Record
from serving.logs import Complaints, describe

logger = logging.getLogger(__name__)
access = logging.getLogger("serving.gateway.access")


class AccessLog:
    """One line of the log for each request."""

    name = "log"

    def enter(self, record: Record) -> None:
        """Write it; an open page that asks every few seconds is worth a line to those who debug."""
        is_noise = record.route == "page" and record.outcome == "ok"
        access.log(
            logging.DEBUG if is_noise else logging.INFO,
            "request",
            extra={
                "request_id": record.id,
                "route": record.route,
                "key": record.key,
                "status": record.status,
                "outcome": record.outcome,
                "finish_reason": record.finish_reason,
                "events": record.events,
                **{f"{kind}_tokens": count for kind, count in record.tokens.items()},
                "cost_usd": record.cost,
                "first_token_seconds": _rounded(record.first_token_seconds),
                "first_answer_token_seconds": _rounded(record.first_answer_seconds),
                "duration_seconds": _rounded(record.duration_seconds),
            },
        )


class Books:
    """All books; one that fails is counted, and complained about once a minute."""

    def __init__(self, books: Iterable[Book], failures: Counter) -> None:
        self._books = tuple(books)
        self._failures = failures
        for book in self._books:  # an alert sees a count rise only from one that was there
            failures.labels(book.name)
        self._complaints = Complaints()

    def enter(self, record: Record, *own: Book) -> None:
        """Enter a finished request in each of them, and in those that are its own."""
        for book in (*self._books, *own):
            try:
                book.enter(record)
            except Exception as error:  # the border to the books: the request is over and well
                self._failures.labels(book.name).inc()
                if self._complaints.due():
                    said = describe(error)
                    logger.error("a request could not be entered in the %s: %s", book.name, said)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
