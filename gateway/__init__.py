"""A standards-compliant DICOM/ISMRMRD gateway node."""

__version__ = "0.1.0"
