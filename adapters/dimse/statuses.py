"""What refusals mean: DIMSE status codes and association rejections as errors that say how to mend them."""

from __future__ import annotations

from service.ingest.source import Fatal, Retriable, SourceError

PENDING = (0xFF00, 0xFF01)  # FF01: more matches; an optional key is not supported (PS3.4 C.4.1.1.4)
SUCCESS, CANCELLED = 0x0000, 0xFE00
SOME_FAILED = 0xB000  # sub-operations of a C-GET or C-MOVE (PS3.4 C.4.2.1.5, C.4.3.1.4)
NOT_SUPPORTED = 0x0122  # SOP class
OUT_OF_RESOURCES, MISMATCH = 0xA700, 0xA900  # our own refusals of a C-STORE (PS3.4 table B.2-1)

_FATAL = {
    NOT_SUPPORTED: ("not-offered", "the archive does not offer this service (SOP class not supported)"),
    0x0124: ("unauthorised", "the archive does not allow us this operation; ask for the right for our AE title"),
    0x0211: ("not-offered", "the archive does not know this operation"),
    0xA801: ("move-destination", "the archive does not know our receiver; enter its AE title, host and port there"),
    0xA900: ("refused-query", "the archive finds that the query does not fit the SOP class"),
}
_RETRIABLE = {
    OUT_OF_RESOURCES: ("out-of-resources", "the archive is out of resources; it is asked again later"),
    0xA701: ("out-of-resources", "the archive cannot count the matches now; it is asked again later"),
    0xA702: ("out-of-resources", "the archive cannot send now (out of resources for sub-operations)"),
    CANCELLED: ("cancelled", "the archive broke the operation off"),
}


def refusal(status: int, asked: str) -> SourceError:
    """A failure status (PS3.7 annex C, PS3.4 C.4) as an error. `asked` names the operation, such as C-FIND STUDY."""
    told = f"{asked} was answered with status 0x{status:04X}: "
    if status in _FATAL:
        code, text = _FATAL[status]
        return Fatal(code, told + text)
    if status in _RETRIABLE:
        code, text = _RETRIABLE[status]
        return Retriable(code, told + text)
    return Retriable("unable", told + "the archive was unable to process it; its own log says why")


_REJECTED = {  # (source, reason) of A-ASSOCIATE-RJ, PS3.8 table 9-21
    (1, 3): ("refused", "does not know our AE title {calling}: enter it there, with this machine's address"),
    (1, 7): ("refused", "does not answer to the AE title {called}: correct it in the source's address"),
    (1, 2): ("refused", "does not support the DICOM application context"),
    (2, 2): ("refused", "does not support this version of the protocol"),
}


def rejection(result: int, source: int, reason: int, calling: str, called: str) -> SourceError:
    """An A-ASSOCIATE-RJ as an error. `result` 2 is transient: congestion, or too many associations."""
    if result == 2 or source == 3:
        text = "has no association free for us now; lower limits.connections, or raise the archive's limit"
        return Retriable("busy", f"the archive {called} {text}")
    code, text = _REJECTED.get((source, reason), ("refused", "refuses associations without saying why"))
    return Fatal(code, f"the archive {called} " + text.format(calling=calling, called=called))


_LOST = {
    "unreachable": (Retriable, "cannot be reached: check host, port, firewall, and dicom:// or dicoms:// (TLS)"),
    "tls": (Fatal, "and we do not agree on TLS: check ca_file, client_certificate and client_key, and its certificate"),
    "slow": (Retriable, "said nothing for too long"),
    "cut-off": (Retriable, "ended the connection in the middle of an answer"),
    "unreadable": (Retriable, "sent what is no DICOM message (PS3.7 9.3, PS3.8 9.3); ask its vendor"),
    "too-large": (Retriable, "sent more than limits.answer_bytes, or a PDU larger than agreed"),
}


def lost(failure: str, called: str, asked: str) -> SourceError:
    """An association that ended by itself. `failure` is what the socket saw; "" where the archive aborted."""
    kind, text = _LOST.get(failure, (Retriable, "aborted the association; its own log says why"))
    return kind(failure or "aborted", f"{asked}: the archive {called} {text}")
