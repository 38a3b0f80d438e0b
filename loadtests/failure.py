"""The one exception that ends a load test before or instead of its load."""


class LoadError(Exception):
    """A reason, in one sentence for the user, why there is no measurement."""
