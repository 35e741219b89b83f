"""Bytes by digest: the protocol of an object store and its implementation on a file system. No index, no DICOM."""
