"""Reference data: the catalogue, the network file, units, concept maps; checked when loaded."""
