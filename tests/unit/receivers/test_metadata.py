from collector.receivers.metadata import grpc_metadata, http_metadata


def test_values_of_one_header_stay_together_in_their_order():
    assert http_metadata([(b"x-a", b"1"), (b"host", b"caf\xe9"), (b"x-a", b"2")]) == {
        "x-a": ("1", "2"),
        "host": ("café",),
    }


def test_metadata_of_a_call_is_what_its_client_added():
    headers = [
        (":method", "POST"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "1S"),
        ("user-agent", "x"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-key-bin", "AP8"),
    ]
    assert grpc_metadata(headers) == {"user-agent": ("x",), "x-a": ("1", "2"), "x-key-bin": ("AP8=",)}
