"""Locust's users, in one process or several: what sends the requests of a step."""
