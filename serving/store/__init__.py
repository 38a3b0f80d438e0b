"""What outlives a process: API keys, and what gateways share of their limits."""
