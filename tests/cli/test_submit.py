"""`submit`: where ids come from, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.commands import ingestion
from tests.support.cli import Service, lines
from tests.support.host import Host
from tests.support.scripted import answer, problem, reset, scripted


def test_submit_prints_the_id_and_nothing_else(service: Service) -> None:
    result = service("submit", "1", "2,3", "4", "-p", "high")
    assert result.exit_code == 0
    assert result.stderr == ""
    found = service.host.ingestion.get(result.stdout.strip())
    assert (found.id_count, found.priority.name) == (4, "HIGH")


def test_submit_from_a_file_from_stdin_and_all_at_once(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("\ufeff4,5\n6\n", encoding="utf-8")
    result = service("submit", "1", "-", "2", "-f", str(file), "--json", stdin="7 8\n9\n")
    (document,) = lines(result)
    service.host.heard.until_finished(document["ingestion_id"])
    assert [one["id"] for one in lines(service("results", document["ingestion_id"]))] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert service("submit", "-f", "-", stdin="1\n").exit_code == 0


def test_strings_one_an_argument_and_one_a_line(serve: Callable[..., Host], tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("SKU 1, red\n\u00fc\n", encoding="utf-8")
    service = Service(serve(id_type="string"))
    try:
        typed = service("submit", "a/b", "007", "-f", str(file), "--id-type", "string")
        by_environment = service("quote", "a", environ={"INGEST_ID_TYPE": "string"})
        without = service("submit", "a/b")
        shown = service("status", typed.stdout.strip())
    finally:
        service.close()
    batches = service.host.store.batches(typed.stdout.strip())[1]
    assert [one for batch in batches for one in batch.ids] == ["a/b", "007", "SKU 1, red", "\u00fc"]
    assert "a/b, 007, SKU 1, red" in shown.stdout
    assert by_environment.exit_code == 0
    assert without.exit_code == 2
    assert "'a/b' is not an id: a whole number of up to 64 bits, unless --id-type is string" in without.stderr


def test_a_million_ids_from_a_file(serve: Callable[..., Host], tmp_path: Path) -> None:
    file = tmp_path / "million.txt"
    file.write_text("\n".join(map(str, range(10**12, 10**12 + 1_000_000))))
    service = Service(serve(max_ids=1_000_000))
    try:
        result = service("submit", "-f", str(file))
    finally:
        service.close()
    assert service.host.ingestion.get(result.stdout.strip()).id_count == 1_000_000


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["submit"], None, "there are none"),
        (["submit", "-"], "", "there are none"),
        (["submit", "1", "x2"], None, "In the arguments, 'x2' is not an id"),
        (["submit", "-"], "1\n2\n3.5\n", "In stdin, line 3, '3.5' is not an id"),
        (["submit", "-f", "/no/such/file"], None, "No such file"),
        (["submit", "1", "-p", "URGENT"], None, "'URGENT' is not one of"),
        (["submit", "1", "--timeout", "5"], None, "--timeout needs --wait"),
        (["submit", "1", "--idempotency-key", "ä"], None, "An idempotency key is"),
        (["queue", "--url", "localhost:8000"], None, "looks like http://127.0.0.1:8000, not 'localhost:8000'"),
        (["queue", "--url", "http://queue..internal"], None, "not 'http://queue..internal'"),
        (["status", "a\udcff"], None, '"a\\udcff" is not UTF-8.'),
        (["submit", "1", "2\udcff", "--id-type", "string"], None, '"2\\udcff" is not UTF-8.'),
        (["pause", "--owner", "\udcff"], None, '"\\udcff" is not UTF-8.'),
        (["status"], None, "Missing argument"),
        (["list", "--status", "done"], None, "'done' is not one of"),
        (["verify", "-", "--burst", "0"], "[]", "0 is not in the range"),
        (["verify", "-"], "[]", "give --interval and --burst"),
        (["verify", "-"], "nothing", "This is not JSON"),
        (["nonsense"], None, "No such command"),
    ],
)
def test_wrong_usage_is_2_and_says_what(service: Service, words: list[str], stdin: str | None, message: str) -> None:
    result = service(*words, stdin=stdin)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


def test_a_wrong_id_in_a_file_is_named_with_its_line(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("id\n1\n")
    result = service("submit", "-f", str(file))
    assert result.exit_code == 2
    assert f"In {file}, line 1, 'id' is not an id" in result.stderr


def test_the_same_key_makes_one_ingestion(service: Service) -> None:
    first, second = (service("submit", "1", "2", "--idempotency-key", "monday") for _ in range(2))
    assert first.stdout == second.stdout
    assert len(lines(service("list", "--json"))) == 1
    other = service("submit", "3", "--idempotency-key", "monday")
    assert other.exit_code == 4
    assert "was used with another request" in other.stderr


def test_a_lost_connection_makes_one_submit(service: Service) -> None:
    with scripted(reset, answer(200, {"ingestion_id": "abc"})) as server:
        result = service("submit", "1", "--url", server.url)
    assert (result.exit_code, result.stdout) == (0, "abc\n")
    assert "the connection was lost" in result.stderr
    assert "Trying again in" in result.stderr
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


def test_how_old_answers_may_be_goes_with_it(serve: Callable[..., Host]) -> None:
    service = Service(serve(fresh=60, interval=0, autostart=True))
    try:
        service.host.finished(service("submit", "1").stdout.strip())
        served, anew = service("submit", "1"), service("submit", "1", "--fresh", "0")
        shown = service("status", served.stdout.strip())
        refused = service("submit", "1", "--fresh", "61")
    finally:
        service.close()
    assert "served     1 ids without a call" in shown.stdout
    assert service.host.finished(anew.stdout.strip()).served == 0
    assert "fresh must be a number of seconds from 0 to 60, not 61" in refused.stderr


def test_a_deadline_goes_with_it(service: Service) -> None:
    assert service("submit", "1", "--deadline", "60").exit_code == 0
    late = service("submit", "1", "--deadline", "2001-01-01T00:00:00Z")
    assert late.exit_code == 4
    assert "The deadline cannot be met" in late.stderr


def test_a_refusal_is_4_and_lists_every_fault(service: Service) -> None:
    result = service("submit", "--", "-1", "5", "-2")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "ids[0] must be from 1" in result.stderr
    assert "ids[2] must be from 1" in result.stderr


def test_later_is_obeyed_and_told(service: Service) -> None:
    with scripted(problem(503, "The queue is full.", Retry_After="9"), answer(200, {"ingestion_id": "abc"})) as server:
        result = service("submit", "1", "--url", server.url)
    assert result.stdout == "abc\n"
    assert result.stderr == "The queue is full. Trying again in 9.0 s.\n"


def test_the_key_comes_from_the_environment(serve: Callable[..., Host]) -> None:
    made = CliRunner().invoke(ingestion, ["keys", "new", "anna"])
    service = Service(serve(api_keys=made.stderr.splitlines()[-1]))
    try:
        refused = service("submit", "1")
        accepted = service("submit", "1", environ={"INGEST_KEY": made.stdout})
    finally:
        service.close()
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "key" in refused.stderr
    assert accepted.exit_code == 0, accepted.stderr
    assert service.host.ingestion.get(accepted.stdout.strip()).owner == "anna"
