"""What is signed, and how it verifies elsewhere."""

from __future__ import annotations

import base64

from app.callbacks import Callback
from app.callbacks.message import headers_of
from app.receivers import parse_secrets

# Published with the libraries of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALLBACK = Callback("msg_p5jXN8AQM9LWM0D4loKWxJek", "an ingestion", None, '{"test": 2432232314}', 0.0, 0.0, 0.0)
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_signature_comes_out() -> None:
    headers = headers_of(CALLBACK, parse_secrets(SECRET), 1614265330.9)
    assert headers["webhook-id"] == CALLBACK.id
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == SIGNATURE


def test_each_of_several_secrets_signs_so_that_one_can_be_replaced() -> None:
    other = f"whsec_{base64.b64encode(bytes(24)).decode()}"
    signatures = headers_of(CALLBACK, parse_secrets(f"{other}, {SECRET}"), 1614265330)["webhook-signature"].split(" ")
    assert len(signatures) == 2
    assert signatures[1] == SIGNATURE
    assert signatures[0].startswith("v1,")
    assert signatures[0] != SIGNATURE
