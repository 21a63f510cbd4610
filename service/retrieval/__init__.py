"""Images on demand: who may open what, from which archive, checked again when it is opened, and how long it took."""
