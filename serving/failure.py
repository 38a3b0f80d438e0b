"""The errors that end the program: a sentence for the user and what to do next."""


class StartError(Exception):
    """A reason not to start, said so that the reader can act on it.

    `what` names the field or part and the limit it broke; `next_step` says what to change or run.
    """

    heading = "Cannot start"

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.what = what
        self.next_step = next_step


class Ended(StartError):
    """A reason why what was already serving has ended."""

    heading = "Ended"


class NotDone(StartError):
    """A reason why a command has changed nothing."""

    heading = "Not done"
