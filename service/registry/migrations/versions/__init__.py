"""One file per step, oldest first by `down_revision`."""
