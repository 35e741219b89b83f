"""Pixel data between transfer syntaxes: layout, frames in fragments, codecs.

PS3.5 section 8 and annex A.4. What is lossless stays exact, sample for sample; nothing here compresses lossily. The
codecs are C libraries that read what a peer sent, so the node runs them in a process of their own
(`gateway.reencode`), never in its own.
"""
