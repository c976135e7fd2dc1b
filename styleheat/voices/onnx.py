"""ONNX models of speech synthesisers, with the durations of their phonemes as one output more."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

FLOAT = 1
"""`TensorProto.DataType` of float32."""


def session(model: bytes, output: str) -> "onnxruntime.InferenceSession":
    """A model that runs on one thread, so that it gives equal bytes; `output` names an inner value to give out, too."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model + _graph_output(output), options, providers=["CPUExecutionProvider"])


@cache
def _graph_output(name: str) -> bytes:
    """A serialised `ModelProto` of one graph output. Protocol buffers merge messages whose bytes follow each other."""
    tensor = _field(1, bytes([1 << 3, FLOAT]))  # TypeProto.tensor_type.elem_type
    value = _field(1, name.encode()) + _field(2, tensor)  # ValueInfoProto.name, .type
    return _field(7, _field(12, value))  # ModelProto.graph, GraphProto.output


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: its tag, its length, itself. All are short."""
    assert number < 16 and len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
