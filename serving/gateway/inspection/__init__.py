"""A look into pictures and videos, in processes that may fail: their structure, pixels, streams.

`pool` is the gateway's side. All else runs in the worker, which imports nothing large.
"""
