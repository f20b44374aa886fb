"""Models as ONNX graphs: computed by onnxruntime (float32, int8) or OpenVINO.

The graph is made from the safetensors of the folder whenever it is loaded, in 0.8 s of CPU for MiniLM: so it
can be neither stale nor altered, and nothing is kept outside the warehouse. It holds the modules that the
folder names, pooling and normalisation included. A folder without safetensors may carry `onnx/model.onnx`,
which is read as it is; mean or first-token pooling is added if its output is one vector for each token.

int8: weights of matrix products for each output channel, activations by their range in each batch
(dynamic; Wu 2020, arXiv 2004.09602). It changes what is measured: cosine to float32 about 0.99, Vendi score
by 3 to 4 %.
"""

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from schemas.errors import BadInput
from tasks.encoders.tokens import Tokens, tokenizer_of
from tasks.encoders.torch_model import multiplies_bfloat16, sentence_transformer, tokens_of

BUDGET = 4096  # tokens of a batch
GRAPH = "onnx/model.onnx"
OPSET = 18

Compute = Callable[[dict[str, np.ndarray]], np.ndarray]


class GraphModel:
    """A graph on token ids."""

    budget = BUDGET
    at_once = 1

    def __init__(self, compute: Compute, names: list[str], tokens: Tokens, pooling: str) -> None:
        self.compute, self.names, self.pooling = compute, set(names), pooling
        self.tokens, self.prepare = tokens, tokens.prepare

    def forward(self, items: list[np.ndarray]) -> np.ndarray:
        """(k, d) float32."""
        ids, mask = self.tokens.padded(items)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        found = self.compute({name: each for name, each in given.items() if name in self.names})
        if found.ndim == 2:
            return found
        if self.pooling == "cls":
            return found[:, 0]
        weights = mask[:, :, None].astype(np.float32)
        return (found * weights).sum(1) / weights.sum(1)


def load_graph(folder: Path, backend: str) -> tuple[GraphModel, str, int]:
    """The model of a folder, its backend as in "onnx-cpu/float32", and its number of parameters if known.

    Args:
        folder: with safetensors, or with onnx/model.onnx.
        backend: onnx, openvino or int8.

    Raises:
        BadInput: when a package is missing, or the model has no form as a graph.
    """
    _require({"onnx": ["onnxruntime"], "int8": ["onnxruntime", "onnx"], "openvino": ["openvino"]}[backend])
    graph, tokens, n_parameters, pooling = _graph(folder)
    if backend == "int8":
        graph = quantised(graph)
    compute, names, dtype = on_openvino(graph) if backend == "openvino" else on_onnxruntime(graph)
    dtype = "int8" if backend == "int8" else dtype
    engine = "openvino" if backend == "openvino" else "onnx"
    return GraphModel(compute, names, tokens, pooling), f"{engine}-cpu/{dtype}", n_parameters


def exported(model: Any) -> bytes:
    """A model of sentence-transformers as ONNX: input_ids, attention_mask (k, l) to vectors (k, d)."""
    import torch

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})[
                "sentence_embedding"
            ]

    ids, mask = torch.ones((2, 16), dtype=torch.int64), torch.ones((2, 16), dtype=torch.int64)
    mask[1, 10:] = 0  # a mask of ones would be traced as no mask
    buffer = io.BytesIO()
    axes = {0: "text", 1: "token"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Vectors(),
            (ids, mask),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["sentence_embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "sentence_embedding": {0: "text"}},
        )
    return buffer.getvalue()


def quantised(graph: bytes) -> bytes:
    """The graph with int8 matrix products: weights by output channel, activations by batch."""
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_no_hint)
    try:
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
            given.write_bytes(graph)
            quantize_dynamic(
                given, made, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"]
            )
            return made.read_bytes()
    finally:
        logging.getLogger().removeFilter(_no_hint)


def on_onnxruntime(graph: bytes) -> tuple[Compute, list[str], str]:
    """A graph on the CPU with onnxruntime: the function, the names of its inputs, the number format."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads cost CPU time
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    outputs = [each.name for each in session.get_outputs()]
    wanted = "sentence_embedding" if "sentence_embedding" in outputs else outputs[0]
    names = [each.name for each in session.get_inputs()]
    return lambda given: session.run([wanted], given)[0], names, "float32"


def on_openvino(graph: bytes) -> tuple[Compute, list[str], str]:
    """A graph on the CPU with OpenVINO: the function, the names of its inputs, the number format."""
    import openvino

    dtype = "bfloat16" if multiplies_bfloat16("cpu") else "float32"
    settings = {"INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[dtype]}
    model = openvino.Core().compile_model(openvino.Core().read_model(graph), "CPU", settings)
    names = [each.any_name for each in model.inputs]
    found = [each for each in model.outputs if "sentence_embedding" in each.names] or model.outputs
    # a copy: the result lies in memory that the next call writes
    return lambda given: np.array(model(given)[found[0]], np.float32), names, dtype


def _graph(folder: Path) -> tuple[bytes, Tokens, int, str]:
    """The graph of a folder, its tokens, its number of parameters (0: unknown), its pooling."""
    if list(folder.glob("*.safetensors")):
        settings = {"dtype": "float32", "attn_implementation": "eager"}
        model = sentence_transformer(folder, "cpu", settings)
        tokens = tokens_of(model)
        if tokens is None:
            raise BadInput(f"{folder.name} is no plain transformer: only backend torch can compute it")
        return exported(model), tokens, sum(weights.numel() for weights in model.parameters()), ""
    tokens = Tokens(
        tokenizer_of(folder), _setting(folder, "sentence_bert_config.json", "max_seq_length", 256)
    )
    first = _setting(folder, "1_Pooling/config.json", "pooling_mode_cls_token", False)
    return (folder / GRAPH).read_bytes(), tokens, 0, "cls" if first else "mean"


def _setting(folder: Path, file: str, name: str, default: Any) -> Any:
    path = folder / file
    return json.loads(path.read_text("utf-8")).get(name, default) if path.is_file() else default


def _require(packages: list[str]) -> None:
    """Refuse a backend whose packages are not installed, in one line that says what to do."""
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            extra = "openvino" if package == "openvino" else "onnx"
            raise BadInput(f"this backend needs the package {package}: pip install 'seedloom[{extra}]'")


def _no_hint(record: Any) -> bool:
    """The quantiser recommends, on the root logger, a preparation that changes nothing here."""
    return "pre-processing before quantization" not in record.getMessage()
