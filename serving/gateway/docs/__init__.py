"""The description of the API, made from the types that validate it: /openapi.json and /docs."""
