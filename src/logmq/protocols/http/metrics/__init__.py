"""`GET /metrics`: what the broker counts and has, in Prometheus' formats.

    families.py    THE table: names, kinds, labels, help
    collector.py   families with few series, by way of prometheus_client
    series.py      families with several series a partition or group, formatted here
    scrape.py      one after the other, in the format that the client takes

prometheus_client is loaded with the first scrape.
"""
