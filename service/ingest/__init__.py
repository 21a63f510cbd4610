"""From a document to canonical records, or to a kept rejection. One file per standard."""
