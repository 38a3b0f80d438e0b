"""The acceptance test of any deployment: a client that knows the right answers.

It speaks HTTP only and imports nothing of the gateway, so that it judges what clients get.
"""
