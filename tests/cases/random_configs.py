"""Random `ModelConfig`s: any field of the proto, set to any value that it can have."""

from __future__ import annotations

from hypothesis import strategies as st

from tritonkit.repository import config as config_text

INTEGERS = {
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "UINT32": st.integers(0, 2**32 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
}


def scalars(field):
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        field.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
        field.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
        field.CPPTYPE_INT32: INTEGERS["INT32"],
        field.CPPTYPE_INT64: INTEGERS["INT64"],
        field.CPPTYPE_UINT32: INTEGERS["UINT32"],
        field.CPPTYPE_UINT64: INTEGERS["UINT64"],
    }[field.cpp_type]


@st.composite
def mappings(draw, descriptor, most_fields=6):
    """A random message of `descriptor`, as `merge_config` takes it: enums by name, one field of a oneof."""
    if not descriptor.fields:
        return {}
    chosen = draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=most_fields, unique_by=lambda f: f.name))
    seen_oneofs, fields = set(), {}
    for field in chosen:
        if field.containing_oneof is not None:
            if field.containing_oneof.name in seen_oneofs:
                continue
            seen_oneofs.add(field.containing_oneof.name)
        fields[field.name] = draw(values(field, most_fields))
    return fields


def values(field, most_fields):
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return st.dictionaries(single(key, most_fields), single(value, most_fields), max_size=3)
    return st.lists(single(field, most_fields), max_size=3) if field.is_repeated else single(field, most_fields)


def single(field, most_fields):
    if field.message_type is not None:
        return mappings(field.message_type, most_fields=max(2, most_fields - 2))
    if field.enum_type is not None:
        return st.sampled_from([value.name for value in field.enum_type.values])
    return scalars(field)


def configs():
    return mappings(config_text.descriptor()).map(
        lambda fields: config_text.merge_config(config_text.new_config(), fields, where="random")
    )
