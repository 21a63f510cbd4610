"""Presentation contexts: what we ask an archive to agree to (PS3.7 D.3, PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from pydicom import uid
from pynetdicom import build_context, build_role

VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root (PS3.4 C.6.2, PS3.6 table A-1)
GET = "1.2.840.10008.5.1.4.1.2.2.3"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MOST = 128  # odd numbers of one byte (PS3.8 9.3.2.2)

PLAIN = (str(uid.ExplicitVRLittleEndian), str(uid.ImplicitVRLittleEndian))
"""For questions and their answers. Never the deflated one: an answer of 400 kB may hold 800 MB."""

ORIGINALS = (
    *PLAIN, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless, uid.JPEGBaseline8Bit,
    uid.JPEG2000, uid.JPEGLossless, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.HTJ2KLossless, uid.HTJ2K,
    uid.MPEG4HP41, uid.MPEG2MPML, uid.HEVCMP51, uid.ExplicitVRBigEndian,
)  # fmt: skip
"""What images may be stored in; an archive sends each as it has it, and nobody transcodes."""

COMMON = (
    uid.CTImageStorage, uid.MRImageStorage, uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation, uid.DigitalXRayImageStorageForProcessing,
    uid.DigitalMammographyXRayImageStorageForPresentation, uid.DigitalMammographyXRayImageStorageForProcessing,
    uid.BreastTomosynthesisImageStorage, uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage,
    uid.XRayAngiographicImageStorage, uid.XRayRadiofluoroscopicImageStorage, uid.NuclearMedicineImageStorage,
    uid.PositronEmissionTomographyImageStorage, uid.EnhancedCTImageStorage, uid.EnhancedMRImageStorage,
    uid.SecondaryCaptureImageStorage, uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    uid.VLEndoscopicImageStorage, uid.VLPhotographicImageStorage, uid.VLMicroscopicImageStorage,
    uid.OphthalmicPhotography8BitImageStorage, uid.OphthalmicTomographyImageStorage,
    uid.DigitalIntraOralXRayImageStorageForPresentation, uid.KeyObjectSelectionDocumentStorage,
    uid.BasicTextSRStorage, uid.EnhancedSRStorage, uid.ComprehensiveSRStorage, uid.XRayRadiationDoseSRStorage,
    uid.EncapsulatedPDFStorage, uid.GrayscaleSoftcopyPresentationStateStorage,
)  # fmt: skip
"""Storage classes to ask for where the archive does not say which a series is of."""


def for_questions() -> list[Any]:
    """C-ECHO and C-FIND, Study Root."""
    return [build_context(one, list(PLAIN)) for one in (VERIFICATION, FIND)]


def for_move() -> list[Any]:
    """C-MOVE, Study Root."""
    return [build_context(MOVE, list(PLAIN))]


def for_get(classes: Iterable[str]) -> tuple[list[Any], list[Any]]:
    """C-GET with us as storage SCP of these SOP classes: contexts and role selections (PS3.4 C.5.3).

    An archive picks one transfer syntax of each context, and would have to transcode whatever is stored in another.
    So each syntax has a context of its own as far as 128 go; the rest shares one for each class.
    """
    contexts, kept = storage_contexts(classes, MOST - 1)
    return [build_context(GET, list(PLAIN)), *contexts], [build_role(one, scp_role=True) for one in kept]


def storage_contexts(classes: Iterable[str], most: int = MOST) -> tuple[list[Any], list[str]]:
    """Contexts of storage classes, at most `most`, and the classes they serve."""
    wanted = list(dict.fromkeys(map(str, classes or COMMON)))[:most]
    each = max(1, min(len(ORIGINALS), most // len(wanted)))
    groups = _groups(each)
    return [build_context(one, group) for one in wanted for group in groups], wanted


def _groups(number: int) -> list[list[str]]:
    """The transfer syntaxes in so many contexts: the last one takes all that are left."""
    return [[str(one)] for one in ORIGINALS[: number - 1]] + [[str(one) for one in ORIGINALS[number - 1 :]]]


def foreign(assoc: Any) -> Collection[int]:
    """Ids of contexts accepted with a transfer syntax that was not offered: pynetdicom would decode by it, and
    inflate an answer that nobody asked to be deflated."""
    offered = {one.context_id: set(one.transfer_syntax) for one in assoc.requestor.requested_contexts}
    return [one.context_id for one in assoc.accepted_contexts if one.transfer_syntax[0] not in offered[one.context_id]]
