"""HTTP: a REST API, live streams, metrics and the web console, by Starlette on uvicorn's protocol classes."""
