"""TestOnce (一检通): mutual recognition of laboratory and imaging results between institutions."""

__version__ = "0.1.0"
