"""What is asked: seeded prompts, their pictures and videos, and what makes an answer right."""

from loadtests.workloads.body import encoded

__all__ = ["encoded"]
