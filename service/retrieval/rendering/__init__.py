"""Pictures of images whose archive cannot make any.

They are decoded by pydicom in a child process that may use little memory and time, and open no file and no connection:
the bytes come from devices and archives, and decoders have been broken by less.
"""
