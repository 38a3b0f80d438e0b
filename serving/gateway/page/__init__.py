"""The model page at /: what is served, a chat, plots, usage and samples of the API, for people."""
