"""What obstore says, in a sentence and many lines of its own data, made something to act on."""

import pytest

from amphora.remote.service_failures import bucket_failed

_SIGNED = (
    "Generic S3 error: Error performing PUT http://h/b/k?X-Amz-Signature=hunter2 in 3ms - Server"
    " returned non-2xx status code: "
)


@pytest.mark.parametrize(
    ("said", "why", "advice"),
    [
        (
            "Error performing PUT http://169.254.169.254/latest/api/token in 8ms - Server returned"
            " non-2xx status code: 403 Forbidden: no\n\nDebug source:\nConnect",
            "no keys were given, and this machine has no identity of its own",
            "check the keys",
        ),
        (
            f"{_SIGNED}404 Not Found: <Error><Code>NoSuchBucket</Code><Message>It is not there"
            "</Message></Error>",
            "it answered 404: It is not there",
            "create it",
        ),
        (f"{_SIGNED}403 Forbidden: ", "it answered 403", "check the keys"),
        (
            f"{_SIGNED}503 : <Error><Code>SlowDown</Code></Error>",
            "it answered 503: SlowDown",
            "try again later",
        ),
        (
            "Error performing GET http://h in 1s - HTTP error\n\nDebug source:\n"
            'invalid peer certificate: UnknownIssuer\n"',
            "its certificate is not to be trusted",
            "check the endpoint",
        ),
        (
            "It is a bad value: http://h/?sig=hunter2\x1b[2J\n\nDebug",
            "It is a bad value: http://h/",
            "check the options",
        ),
    ],
)
def test_what_is_told_of_a_bucket(said, why, advice):
    error = bucket_failed("S3 bucket b", "read it", said)
    assert error.what == "the S3 bucket b did not let us read it"
    assert error.why == why
    assert advice in error.next_command


def test_a_long_answer_is_cut():
    error = bucket_failed("S3 bucket b", "read it", "x" * 5000)
    assert len(error.why) == 200
