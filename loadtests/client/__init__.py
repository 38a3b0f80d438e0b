"""A streaming chat client: the only place of the load tests that takes timestamps of requests."""
