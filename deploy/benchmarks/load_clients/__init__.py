"""Load clients side by side: what each reports of one scripted engine that knows the truth.

`python -m deploy.benchmarks.load_clients` runs them all, prints the table and keeps the
result in deploy/results/70-load-clients.json.
"""
