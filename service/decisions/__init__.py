"""One question asked and answered: read, identify, evaluate, render, store with its audit entry, replay."""
