"""Stands in for vLLM where a test wants an engine that starts at once and fails when told."""
