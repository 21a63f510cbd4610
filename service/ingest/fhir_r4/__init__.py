"""FHIR R4: from documents to resources, to the newest of each, to reports."""
