"""How far a run's own times can be trusted, measured while it runs."""
