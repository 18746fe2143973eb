"""BF16 tensors, which numpy lacks: their bits travel as uint16, by DLPack on Triton's side.

The structures are those of dlpack.h, version 0.x, which the Python backend speaks.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_BFLOAT_CODE = 4
_CPU = 1


class _Device(ctypes.Structure):
    _fields_ = (("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32))


class _DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)

# What each capsule points into, until its consumer calls the deleter.
_alive: dict[int, tuple[Any, ...]] = {}


def _forget(managed: Any) -> None:
    _alive.pop(ctypes.addressof(managed.contents), None)


_release = _Deleter(_forget)


def bits_of(tensor: Any) -> np.ndarray[Any, Any]:
    """A copy of a BF16 tensor of Triton's as uint16, same shape."""
    capsule = tensor.to_dlpack()
    managed = ctypes.cast(_pointer_of(capsule, b"dltensor"), ctypes.POINTER(_Managed)).contents
    shape = tuple(managed.tensor.shape[axis] for axis in range(managed.tensor.ndim))
    size = int(np.prod(shape))
    return bits_at(managed.tensor.data + managed.tensor.byte_offset if size else 0, shape)


def bits_at(address: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """A copy of the 16-bit elements at `address`, which is not read when there are none."""
    size = int(np.prod(shape))
    if not size:
        return np.empty(shape, dtype=np.uint16)
    return np.array((ctypes.c_uint16 * size).from_address(address), dtype=np.uint16).reshape(shape)


def capsule_of(bits: np.ndarray[Any, Any]) -> Any:
    """A DLPack capsule that says `bits`, uint16 and contiguous, are BF16."""
    bits = np.ascontiguousarray(bits)
    shape = (ctypes.c_int64 * bits.ndim)(*bits.shape)
    managed = _Managed(
        _Tensor(bits.ctypes.data, _Device(_CPU, 0), bits.ndim, _DataType(_BFLOAT_CODE, 16, 1), shape, None, 0),
        None,
        _release,
    )
    address = ctypes.addressof(managed)
    _alive[address] = (managed, shape, bits)
    return _new_capsule(address, b"dltensor", None)
