"""What both ends of the data plane must agree on before the first frame.

The frames themselves are in ``split.proto``; its head says how the generated files are made.
"""

from strategies.common.split.wire import split_pb2

# Raised with every change that the other end would misread.
VERSION = 1

SERVICE: str = split_pb2.DESCRIPTOR.services_by_name["SplitPlane"].full_name
METHOD = "Exchange"

# Metadata of a call; gRPC carries bytes under keys that end so.
TOKEN_KEY = "nectar-token-bin"  # noqa: S105 - the name of a key, not a secret

# A frame without its numbers: tags, lengths, shapes, a session id or a reason.
SLACK_BYTES = 4096

# A dead peer behind a silent network is noticed within the sum of the two.
PING_EVERY_MS = 10_000
PING_TIMEOUT_MS = 5_000

Options = list[tuple[str, int | str]]


def channel_options(limit: int) -> Options:
    """Return gRPC's options of either end.

    Parameters
    ----------
    limit : int
        Largest frame in bytes that this end takes in.
    """
    return [
        ("grpc.max_receive_message_length", limit),
        ("grpc.keepalive_time_ms", PING_EVERY_MS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_EVERY_MS // 2),
        ("grpc.enable_http_proxy", 0),
    ]
