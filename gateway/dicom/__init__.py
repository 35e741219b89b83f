"""DICOM data sets as values: tables of UIDs, the header scan, transcoding, Part 10 files and the MR image writers.

PS3.3, PS3.5, PS3.6 and PS3.10. Pure: bytes and `pydicom.Dataset` in and out; no socket, thread, process, database
or clock; UIDs are derived from what is passed in.
"""
