"""The door between Nectar's payloads and Flower's records, the same on both sides.

One message carries one control record (``order``, ``description`` or ``report``), at most
one payload, packed into a single array, and an ``invitation`` where activations are to be
exchanged. Flower moves every array as an object of its own, so that many small ones cost
seconds.
"""

from dataclasses import dataclass
from typing import Final, TypeVar, final

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.foreign_text import seen
from strategies.common.payload import Payload
from strategies.common.split.wire.invitation import Invitation
from strategies.common.transport.control import AnyControl, Control, Order, read_control
from strategies.common.wire import decode, encode

AnyPayload = TypeVar("AnyPayload", bound=Payload)

_BLOB = "blob"
_STYPE = "nectar.safetensors"
INVITATION: Final = "invitation"


@final
@dataclass(frozen=True)
class Parcel:
    """A payload packed for sending; one parcel may go to many nodes.

    Attributes
    ----------
    schema : str
        Name of the payload.
    blob : bytes
        Header and tensors.
    """

    schema: str
    blob: bytes


def pack(payload: Payload | None, wire_dtype: str) -> Parcel | None:
    """Encode a payload, or nothing."""
    return None if payload is None else Parcel(payload.schema, encode(payload, wire_dtype))


def to_record_dict(
    control: Control, parcel: Parcel | None, invitation: Invitation | None = None
) -> RecordDict:
    """Build a message's content.

    Parameters
    ----------
    control : Control
        Order, description or report.
    parcel : Parcel | None
        Packed payload.
    invitation : Invitation | None
        Beside an order: where to exchange activations.
    """
    records = RecordDict({_control_name(type(control)): ConfigRecord(control.to_values())})
    if invitation is not None:
        records[INVITATION] = ConfigRecord(invitation.to_values())
    if parcel is not None:
        array = Array("uint8", (len(parcel.blob),), _STYPE, parcel.blob)
        records[parcel.schema] = ArrayRecord({_BLOB: array})
    return records


def read_control_record(
    records: RecordDict, kind: type[AnyControl], *, sender: str, max_bytes: int | None = None
) -> AnyControl:
    """Read the control record of a message.

    Parameters
    ----------
    records : RecordDict
        Content of the message.
    kind : type
        What is expected.
    sender : str
        Who sent it, for error messages.
    max_bytes : int | None
        Longest record that is read.

    Raises
    ------
    WireError
        If it is missing, too long or breaks its schema.
    """
    name = _control_name(kind)
    record = records.get(name)
    if not isinstance(record, ConfigRecord):
        raise WireError(
            f"{sender}: expected a record {name}, got {seen(', '.join(records)) or 'none'}"
        )
    length = len(record.deflate())
    if max_bytes is not None and length > max_bytes:
        raise WireError(f"{sender}: {name}: expected at most {max_bytes} bytes, got {length}")
    return read_control(kind, record, sender)


def read_invitation(records: RecordDict, *, sender: str) -> Invitation | None:
    """Read where activations are to be exchanged, or ``None`` where they are not.

    Raises
    ------
    WireError
        If the record breaks its schema.
    """
    if INVITATION not in records:
        return None
    return read_control_record(records, Invitation, sender=sender)


def read_payload(
    records: RecordDict,
    control: type[Control],
    kind: type[AnyPayload] | None,
    agreed: Agreed,
    *,
    sender: str,
) -> AnyPayload | None:
    """Read the payload of a message, or ``None`` where it carries none.

    Parameters
    ----------
    records : RecordDict
        Content of the message.
    control : type
        Control record that travels with it.
    kind : type | None
        Payload that is allowed; ``None`` allows none.
    agreed : Agreed
        Gives the sizes of the payload's axes.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        If there is anything else, or the payload breaks its schema.
    """
    beside = {_control_name(control)} | ({INVITATION} if control is Order else set())
    names = [name for name in records if name not in beside]
    if not names:
        return None
    expected = "no payload" if kind is None else kind.schema
    if kind is None or names != [kind.schema]:
        raise WireError(f"{sender}: expected {expected}, got {seen(', '.join(names))}")
    blob = read_blob(records, kind.schema, sender)
    return decode(kind, blob, agreed, sender=sender)


def read_blob(records: RecordDict, schema: str, sender: str) -> bytes:
    """Return the packed bytes of a payload.

    Raises
    ------
    WireError
        If the record is not one packed blob.
    """
    record = records[schema]
    if not isinstance(record, ArrayRecord) or list(record) != [_BLOB]:
        raise WireError(
            f"{sender}: {schema}: expected one packed array, got {type(record).__name__}"
        )
    array = record[_BLOB]
    if array.stype != _STYPE:
        raise WireError(f"{sender}: {schema}: expected a {_STYPE} array, got {seen(array.stype)}")
    return bytes(array.data)


def count_bytes(records: RecordDict) -> dict[str, int]:
    """Count what a message carries, by record.

    Payloads count their blob, header included; the control record counts as Flower
    serialises it. Flower's own envelope adds about a kilobyte to a message.
    """
    counts = {}
    for name, record in records.items():
        if isinstance(record, ArrayRecord):
            counts[name] = sum(len(array.data) for array in record.values())
        else:
            counts[name] = len(record.deflate())
    return counts


def _control_name(kind: type[Control]) -> str:
    return kind.__name__.lower()
