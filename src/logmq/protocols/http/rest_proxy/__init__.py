"""Confluent's REST Proxy, as far as it produces: so that programs written for it work here.

errors.py     errors in its form
embedded.py   keys and values as they stand in its JSON
v2.py, v3.py  the shapes of its requests and answers, by version of its API
reports.py    v3's stream of records in one direction and of reports in the other

Source: its documentation (API reference, v2) and its OpenAPI document (v3).
"""
