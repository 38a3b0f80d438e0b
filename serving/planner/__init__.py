"""Capacity and cost from measured curves: how many GPUs a traffic needs, and what they cost."""
