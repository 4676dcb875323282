"""A seventh task, added from outside the package: how many objects a picture shows.

Importing this folder defines the task; `register()` adds it. Nothing in the library knows about it. A model file names
the head `Count`; the data are those of detection.
"""
