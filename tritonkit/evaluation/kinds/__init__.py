"""Reference pre- and postprocessing, one file a kind.

They are written a second time on purpose, with other libraries, and share nothing with the steps that the
builder copies into a repository: a gate over shared code would agree with itself.
"""
