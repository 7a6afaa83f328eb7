"""One module an API, named as `api.py` says: `handle(request, context)` returns the response's fields."""
