"""DICOM headers: read by pydicom, with character sets and times as archives really send them."""
