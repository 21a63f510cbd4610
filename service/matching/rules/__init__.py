"""One function per reason code, in small files by family."""
