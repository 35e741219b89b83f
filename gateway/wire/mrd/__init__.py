"""The MRD (ISMRMRD) formats as pure functions and state machines: the stream, the XML header and the HDF5 file.

Bytes in, values of `gateway.model.mrd` out, and back. No socket, thread or clock may enter here.
"""
