"""One module for each question that a load test answers; each holds one `SCENARIO`."""
