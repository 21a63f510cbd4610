"""Why images are not given out."""

from __future__ import annotations

from service.domain.errors import TestOnceError

_TEXTS = {
    "images-gone": "the archive does not hold this study any more; ask the hospital, or repeat the exam",
    "images-offline": "the archive keeps this study where it cannot be opened at once; ask the hospital for it",
    "images-incomplete": "the archive holds fewer images of this study than it told of; a part might be taken for all",
    "images-rejected": "the hospital has rejected images of this study since; they must not be relied on",
    "other-patient": "the archive holds this study under another patient than the one it is known of here",
}
_CODES = {
    "not-held": "images-gone", "offline": "images-offline", "incomplete": "images-incomplete",
    "rejected": "images-rejected", "other-patient": "other-patient", "ambiguous": "other-patient",
}  # fmt: skip


class ImagesRefused(TestOnceError):
    """The caller may open the study, and it is not to be had. `code` is stable: a key of `_TEXTS`."""

    def __init__(self, code: str) -> None:
        super().__init__(_TEXTS[code])
        self.code = code

    @classmethod
    def of_state(cls, state: str) -> ImagesRefused:
        """By the state of a holding: a code of `service.ingest.archive.NotHeld`."""
        return cls(_CODES.get(state, "images-gone"))


class CannotShow(TestOnceError):
    """An image that neither its archive nor we can make a picture of. `code` says why: `deflated`, `too-deep`,
    `too-large`, `unknown-codec`, `no-pixels`, `not-dicom`, `took-too-long`, `renderer-died`, `unreadable-pixels`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
