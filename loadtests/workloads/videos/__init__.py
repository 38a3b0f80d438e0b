"""Short videos, committed as files so that a load test needs no encoder; `__main__` makes them."""
