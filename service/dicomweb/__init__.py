"""DICOMweb (PS3.18) over the retrieval of images: QIDO-RS and WADO-RS. Nothing is stored by it."""
