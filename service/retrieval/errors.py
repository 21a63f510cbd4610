"""Why images are not given out."""

from __future__ import annotations

from typing import ClassVar

from service.domain.errors import TestOnceError


class ImagesRefused(TestOnceError):
    """The caller may open the study, and it is not to be had. `code` is stable."""

    code: ClassVar[str]
    text: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.text)

    @classmethod
    def of_state(cls, state: str) -> ImagesRefused:
        """By the state of a holding: a code of `service.ingest.archive.NotHeld`."""
        return _OF_STATE.get(state, ImagesGone)()


class ImagesGone(ImagesRefused):
    """The archive does not hold them any more."""

    code = "images-gone"
    text = "the archive does not hold this study any more; ask the hospital, or repeat the exam"


class ImagesOffline(ImagesRefused):
    """They are on a medium that somebody has to fetch."""

    code = "images-offline"
    text = "the archive keeps this study where it cannot be opened at once; ask the hospital for it"


class ImagesIncomplete(ImagesRefused):
    """Fewer than the archive once told of."""

    code = "images-incomplete"
    text = "the archive holds fewer images of this study than it told of; a part might be taken for all"


class ImagesRejected(ImagesRefused):
    """A rejection note forbids the study, or one that may cannot be read (IHE RAD TF-3 4.66, IOCM)."""

    code = "images-rejected"
    text = "images of this study were rejected by the hospital, or a note on them cannot be read: do not rely on them"


class OtherPatient(ImagesRefused):
    """The archive has them under a patient who is not the one they are known of here."""

    code = "other-patient"
    text = "the archive holds this study under another patient than the one it is known of here"


_OF_STATE: dict[str, type[ImagesRefused]] = {
    "offline": ImagesOffline, "incomplete": ImagesIncomplete, "rejected": ImagesRejected,
    "other-patient": OtherPatient, "ambiguous": OtherPatient,
}  # fmt: skip


class CannotShow(TestOnceError):
    """An image that neither its archive nor we can make a picture of. `code` says why: `deflated`, `too-deep`,
    `too-large`, `unknown-codec`, `no-pixels`, `not-dicom`, `took-too-long`, `renderer-died`, `unreadable-pixels`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
