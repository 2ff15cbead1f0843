"""The courier against real receivers: good ones, failing ones, hanging ones, and none at all."""

from __future__ import annotations

import itertools
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from app.callbacks import Callback, CallbackState
from app.core.clock import SystemClock
from app.core.models import Status
from app.errors import StoreUnavailable
from tests.support.host import Host, eventually
from tests.support.sink import SECRET, Sink, good
from tests.support.upstream import Exchange, Upstream

Make = Callable[..., Host]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


@pytest.fixture
def make(serve: Make, sink: Sink) -> Make:
    """Makes a host that tells the sink, and whose processor returns at once."""

    def host(**more: Any) -> Host:
        chosen = {"interval": 0, "webhook_url": f"{sink.url}/in?key=1", "webhook_secret": SECRET, **more}
        return serve(lambda _: None, **chosen)

    return host


def statuses(*codes: int) -> Callable[[Exchange], None]:
    """Answers with one code after the other, then with the last."""
    left = list(codes)

    def answer(exchange: Exchange) -> None:
        exchange.reply(status=left.pop(0) if len(left) > 1 else left[0])

    return answer


def latest(host: Host, ingestion_id: str) -> Callback:
    found = host.service.latest_callback(ingestion_id)
    assert found is not None
    return found


def settled(host: Host, ingestion_id: str, attempts: int = 1) -> Callback:
    """The ingestion's callback, once a number of attempts are over."""
    lease = host.service.settings.webhook_timeout + 20

    def over() -> bool:
        found = host.service.latest_callback(ingestion_id)
        if found is None or found.attempts != attempts or (not attempts and found.error is None):
            return False
        return found.at != host.clock.now() + lease  # as it is during an attempt

    eventually(over, f"{attempts} attempts")
    return latest(host, ingestion_id)


def until(host: Host, ingestion_id: str, state: CallbackState, attempts: int = 1) -> Callback:
    """The same; it must be in this state then."""
    callback = settled(host, ingestion_id, attempts)
    assert callback.state is state, callback
    return callback


def test_an_end_is_told_once_signed_and_without_batches(make: Make, sink: Sink) -> None:
    host = make()
    before = time.time()
    ingestion = host.submit([1, 2, 3, 4])
    (told,) = sink.until(1)
    assert told.path == "/in?key=1"
    assert told.body["type"] == "ingestion.completed"
    expected = host.client.get(f"/status/{ingestion.id}?limit=0").json
    assert expected
    assert told.body["data"] == {name: told for name, told in expected.items() if name not in ("batches", "callback")}
    # The time of the signature is that of the receivers' clocks, whatever the queue's own clock says.
    assert int(before) <= told.timestamp <= time.time()
    sent = until(host, ingestion.id, CallbackState.SENT)
    assert (sent.id, sent.error) == (told.id, None)
    courier = host.service.courier
    assert courier is not None
    eventually(lambda: courier.sent == 1)
    assert (courier.failed, len(sink.told)) == (0, 1)


def test_a_receiver_that_fails_is_told_again_under_the_same_id(make: Make, sink: Sink) -> None:
    sink.answer = statuses(500, 200)
    host = make()
    ingestion = host.submit([1])
    failed = until(host, ingestion.id, CallbackState.PENDING)
    assert failed.error == f"127.0.0.1:{sink.port} answered 500."
    assert 4.5 <= failed.at - host.clock.now() <= 5.5
    host.clock.advance(6)
    until(host, ingestion.id, CallbackState.SENT, 2)
    first, second = sink.until(2)
    assert first.id == second.id
    assert first.body == second.body


def test_after_a_day_it_has_failed_and_an_operator_sends_it_again(make: Make, sink: Sink) -> None:
    sink.answer = statuses(503)
    host = make(retention=1e6)
    ingestion = host.submit([1])
    for attempts in itertools.count(1):
        failed = settled(host, ingestion.id, attempts)
        if failed.state is CallbackState.FAILED:
            break
        host.clock.advance_to(failed.at)
    assert 15 < attempts < 30
    assert 72_000 < host.clock.now() - failed.created_at <= 86_400
    assert failed.error == f"127.0.0.1:{sink.port} answered 503."

    sink.answer = good
    # The host rests, after all that; but an operator knows better.
    host.ingestion.redrive_callback(ingestion.id)
    assert sink.until(attempts + 1)[-1].id == failed.id
    until(host, ingestion.id, CallbackState.SENT, attempts + 1)


def test_a_receiver_that_is_gone_for_good_is_told_no_more(make: Make, sink: Sink) -> None:
    sink.answer = statuses(410)
    host = make()
    ingestion = host.submit([1])
    assert until(host, ingestion.id, CallbackState.FAILED).error == f"127.0.0.1:{sink.port} answered 410."


def test_who_does_not_listen_is_tried_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    host = make(webhook_url="http://127.0.0.1:9/secret?key=hush")
    with caplog.at_level(logging.WARNING, "flask_ingestion"):
        ingestion = host.submit([1])
        callback = until(host, ingestion.id, CallbackState.PENDING)
        assert callback.error == "127.0.0.1:9 cannot be reached (Connection refused)."
        told = f"callback {callback.id} of ingestion {ingestion.id} goes again in 5 s: {callback.error}"
        eventually(lambda: told in caplog.text, told)
    assert "hush" not in caplog.text


def test_a_receiver_that_hangs_delays_no_dispatch(make: Make, sink: Sink) -> None:
    """Ends go on while the receiver says nothing to the first of them."""
    sink.answer = lambda exchange: exchange.hang() and None
    host = make()
    first = host.submit([1])
    sink.until(1)
    for _ in range(50):
        assert host.finished(host.submit([1, 2, 3]).id).status is Status.COMPLETED
    assert len(sink.told) == 1
    assert latest(host, first.id).state is CallbackState.PENDING
    host.clock.advance(10)
    eventually(lambda: latest(host, first.id).error == f"127.0.0.1:{sink.port} did not answer within 10 s.")


def test_a_host_that_is_away_rests_and_others_do_not_wait_for_it(make: Make, sink: Sink) -> None:
    sink.answer = statuses(503)
    with Sink() as other:
        host = make(webhook_hosts=f"127.0.0.1:{other.port}")
        first = host.submit([1])
        until(host, first.id, CallbackState.PENDING)
        rest = [host.submit([1]).id for _ in range(5)]
        host.submit([1], callback=f"{other.url}/mine")
        assert other.until(1)[0].path == "/mine"
        for one in rest:
            until(host, one, CallbackState.PENDING, attempts=0)
        assert len(sink.told) == 1
        sink.answer = good
        host.clock.advance(8)
        assert {told.body["data"]["ingestion_id"] for told in sink.until(7)[1:]} == {first.id, *rest}


def test_others_get_theirs_between_those_of_a_host_that_takes_long(make: Make, sink: Sink) -> None:
    with Sink() as other:
        host = make(webhook_hosts=f"127.0.0.1:{other.port}", autostart=False)
        slow = [host.submit([1]).id for _ in range(5)]
        for one in (*slow, host.submit([1], callback=f"{other.url}/mine").id):
            host.service.cancel(one)
            host.clock.advance(1)

        def late(exchange: Exchange) -> None:
            host.clock.advance(8)
            exchange.reply(status=204)

        sink.answer = late
        host.ingestion.start()
        other.until(1)
        assert len(sink.told) == 1
        for one in slow[1:]:
            assert (
                until(host, one, CallbackState.PENDING, attempts=0).error
                == f"127.0.0.1:{sink.port} took 8.0 s to answer."
            )
        sink.answer = good
        host.clock.advance(3)
        assert {told.body["data"]["ingestion_id"] for told in sink.until(5)} == set(slow)


def test_where_there_are_no_others_a_host_that_takes_long_gets_one_after_the_other(make: Make, sink: Sink) -> None:
    host = make(autostart=False)
    for one in [host.submit([1]).id for _ in range(3)]:
        host.service.cancel(one)

    def late(exchange: Exchange) -> None:
        host.clock.advance(8)
        exchange.reply(status=204)

    sink.answer = late
    host.ingestion.start()
    assert len(sink.until(3)) == 3


def test_the_certificates_that_are_trusted_are_read_once_for_many_callbacks(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    certified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(certified)
    read = []

    def trusted(original: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> ssl.SSLContext:
        context = original()
        authority.configure_trust(context)
        read.append(context)
        return context

    monkeypatch.setattr(ssl, "create_default_context", trusted)
    with Upstream(good, certified) as receiver:
        host = make(webhook_url=f"{receiver.url}/in")
        for one in [host.submit([1]).id for _ in range(3)]:
            until(host, one, CallbackState.SENT)
    assert len(read) == 1


def test_what_waited_out_a_stop_of_more_than_a_day_is_tried_for_a_day(make: Make, sink: Sink) -> None:
    sink.answer = statuses(503, 200)
    host = make(retention=1e6, autostart=False)
    ended = [host.submit([1]).id for _ in range(5)]
    for one in ended:
        host.service.cancel(one)
        host.clock.advance(1)
    host.clock.advance(26 * 3600)
    host.ingestion.start()
    first, *rest = ended
    assert until(host, first, CallbackState.PENDING).error == f"127.0.0.1:{sink.port} answered 503."
    for one in rest:
        until(host, one, CallbackState.PENDING, attempts=0)
    assert len(sink.told) == 1
    host.clock.advance(6)
    assert {told.body["data"]["ingestion_id"] for told in sink.until(6)[1:]} == set(ended)
    for one in rest:
        until(host, one, CallbackState.SENT)


def test_what_was_put_off_more_than_a_day_ago_has_its_day_before_it(make: Make, sink: Sink) -> None:
    sink.answer = statuses(503)
    host = make(retention=1e6)
    until(host, host.submit([1]).id, CallbackState.PENDING)
    behind = host.submit([1]).id
    until(host, behind, CallbackState.PENDING, attempts=0)
    host.clock.advance(30 * 3600)
    assert until(host, behind, CallbackState.PENDING).at <= host.clock.now() + 6


def test_what_waits_for_a_receiver_that_takes_nothing_for_a_day_fails_though_it_was_never_tried(make: Make) -> None:
    host = make(webhook_url="http://127.0.0.1:9/", retention=1e6, autostart=False)
    ended = [host.submit([1]).id for _ in range(400)]
    for one in ended:
        host.service.cancel(one)
    courier, until_now = host.service.courier, host.clock.now() + 50 * 3600
    assert courier is not None
    while host.clock.now() < until_now and (wait := courier._next()) is not None:
        host.clock.advance(min(wait, 300.0))
    callbacks = [latest(host, one) for one in ended]
    assert {one.state for one in callbacks} == {CallbackState.FAILED}
    assert any(one.attempts == 0 for one in callbacks)


def by_path(bad: int) -> Callable[[Exchange], None]:
    """Answers at /bad with this status, elsewhere that all is well."""
    return lambda exchange: exchange.reply(status=bad if exchange.path == "/bad" else 204)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_address_that_refuses_keeps_callbacks_from_no_other_of_its_host(make: Make, sink: Sink, status: int) -> None:
    sink.answer = by_path(status)
    host = make(webhook_url="", webhook_hosts=f"127.0.0.1:{sink.port}")
    for number in range(3):
        refused = host.submit([1], callback=f"{sink.url}/bad").id
        until(host, refused, CallbackState.PENDING, attempts=int(number == 0 or status < 503))
        until(host, host.submit([1], callback=f"{sink.url}/good").id, CallbackState.SENT)


def test_a_host_that_nobody_answers_at_rests_at_every_address(make: Make) -> None:
    host = make(webhook_url="", webhook_hosts="127.0.0.1:9")
    until(host, host.submit([1], callback="http://127.0.0.1:9/one").id, CallbackState.PENDING)
    behind = until(host, host.submit([1], callback="http://127.0.0.1:9/two").id, CallbackState.PENDING, attempts=0)
    assert behind.error == "127.0.0.1:9 cannot be reached (Connection refused)."


def test_after_an_outage_the_next_end_is_told_within_five_minutes(make: Make, sink: Sink) -> None:
    sink.answer = statuses(503)
    host = make()
    first = host.submit([1])
    for attempts in itertools.count(1):
        waits = settled(host, first.id, attempts)
        if waits.at - host.clock.now() > 600:
            break
        host.clock.advance_to(waits.at)
    sink.answer = good
    second = host.submit([1])
    assert until(host, second.id, CallbackState.PENDING, attempts=0).at <= host.clock.now() + 300
    host.clock.advance(300)
    until(host, second.id, CallbackState.SENT)
    assert latest(host, first.id).state is CallbackState.PENDING


def test_what_the_settings_no_longer_allow_is_not_sent(make: Make, sink: Sink) -> None:
    host = make(webhook_url="", webhook_hosts=f"127.0.0.1:{sink.port}", autostart=False)
    ingestion = host.submit([1], callback=sink.url)
    host.ingestion.start()
    sink.until(1)
    until(host, ingestion.id, CallbackState.SENT)

    later = make(webhook_url="", webhook_hosts="hooks.example.org", autostart=False)
    courier = later.service.courier
    assert courier is not None
    courier._outbox = None  # type: ignore[assignment]
    callback = Callback("msg_1", ingestion.id, sink.url, "{}", 0.0, 0.0, 30.0)
    refused = courier._deliver(callback)
    assert refused.state is CallbackState.FAILED
    assert refused.error == f"127.0.0.1:{sink.port} is not in INGEST_WEBHOOK_HOSTS any more."
    refused = courier._deliver(callback._replace(url=None))
    assert refused.error == "INGEST_WEBHOOK_URL is not set any more."
    assert len(sink.told) == 1


def test_a_redirect_is_not_followed(make: Make, sink: Sink) -> None:
    with Sink() as inside:
        sink.answer = lambda exchange: exchange.reply(status=307, headers={"location": f"{inside.url}/admin"})
        host = make()
        ingestion = host.submit([1])
        assert until(host, ingestion.id, CallbackState.PENDING).error == f"127.0.0.1:{sink.port} answered 307."
        assert inside.connections == 0


def test_it_stops_and_is_joined_while_a_receiver_hangs(make: Make, sink: Sink) -> None:
    sink.answer = lambda exchange: exchange.hang() and None
    host = make(name="hung", clock=SystemClock(), webhook_timeout=1000)
    host.submit([1])
    sink.until(1)
    host.ingestion.stop(0)
    assert not [one for one in threading.enumerate() if one.name == "hung-courier"]
    eventually(lambda: not [one for one in threading.enumerate() if one.name == "hung-callback"])


def test_after_a_stop_it_starts_again_with_the_worker(make: Make, sink: Sink) -> None:
    host = make()
    host.submit([1])
    sink.until(1)
    host.ingestion.stop(0)
    host.ingestion.start()
    host.submit([2])
    assert len({told.id for told in sink.until(2)}) == 2


def test_without_settings_there_is_no_courier(serve: Make) -> None:
    host = serve(lambda _: None, name="mute", interval=0)
    host.finished(host.submit([1]).id)
    assert host.service.courier is None
    assert not [one for one in threading.enumerate() if one.name == "mute-courier"]


def test_a_callback_that_cannot_be_handled_keeps_none_of_the_others(
    make: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = make()
    courier = host.service.courier
    assert courier is not None
    send, refused = courier._send, threading.Event()

    def fault(callback: Callback, *more: Any) -> Any:
        if not refused.is_set():
            refused.set()
            raise LookupError("a fault of our own")
        return send(callback, *more)

    monkeypatch.setattr(courier, "_send", fault)
    with caplog.at_level(logging.ERROR, "flask_ingestion"):
        first = host.submit([1])
        assert refused.wait(20)
        second = host.submit([2])
        assert sink.until(1)[0].body["data"]["ingestion_id"] == second.id
    assert "one of the callbacks of" in caplog.text
    until(host, second.id, CallbackState.SENT)
    host.clock.advance(40)
    assert sink.until(2)[1].body["data"]["ingestion_id"] == first.id


def test_an_operator_sends_even_what_was_never_tried(make: Make, sink: Sink) -> None:
    """Its host rests for the sake of another; the operator knows better."""
    sink.answer = statuses(503)
    host = make()
    until(host, host.submit([1]).id, CallbackState.PENDING)
    behind = host.submit([1]).id
    until(host, behind, CallbackState.PENDING, attempts=0)
    sink.answer = good
    host.clock.advance(1)
    host.ingestion.redrive_callback(behind)
    assert sink.until(2)[1].body["data"]["ingestion_id"] == behind


def test_while_the_store_is_away_it_waits(
    make: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = make(autostart=False)
    waits = "callbacks wait for the store, next try in 0.5 s: the database is away"

    def away(_: float) -> Any:
        raise StoreUnavailable("the database is away")

    with caplog.at_level(logging.WARNING, "flask_ingestion"), monkeypatch.context() as patch:
        patch.setattr(host.store.outbox, "claim", away)
        host.ingestion.start()
        host.submit([1])
        eventually(lambda: waits in caplog.text, waits)
    host.clock.advance(20)
    sink.until(1)
