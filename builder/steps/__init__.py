"""The Python steps of a pipeline: one self-contained file each, copied into a repository as it is.

They import the standard library, numpy, `triton_python_backend_utils` and the packages that `builder.kinds` names;
nothing of the kit, for they run where the kit is not.
"""
