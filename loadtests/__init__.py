"""Load tests of an OpenAI-compatible chat endpoint; they measure a service and never import it."""
