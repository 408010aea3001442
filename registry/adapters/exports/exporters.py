"""Which exporter writes which format; each is imported when it is asked for."""

from pathlib import Path

from registry.domain.export_formats import ExportFormat, ExportSettings
from registry.exporting import Exporter


def exporter(kind: ExportFormat, settings: ExportSettings, environments: Path) -> Exporter:
    """The exporter of a format; environments: for tools that need an environment of their own."""
    return _of_graph(kind, settings) or _of_torch(kind) or _for_devices(kind, environments)


def _of_graph(kind: ExportFormat, settings: ExportSettings) -> Exporter | None:
    match kind:
        case ExportFormat.ONNX:
            from registry.adapters.exports.onnx_files import OnnxExporter

            return OnnxExporter()
        case ExportFormat.ONNX_INT8:
            from registry.adapters.exports.onnx_int8 import OnnxInt8Exporter

            return OnnxInt8Exporter(dynamic=settings.dynamic)
        case ExportFormat.ONNX_PRUNED:
            from registry.adapters.exports.onnx_pruned import OnnxPrunedExporter

            return OnnxPrunedExporter(settings.amount)
        case ExportFormat.TRITON:
            from registry.adapters.exports.triton import TritonExporter

            return TritonExporter()
    return None


def _of_torch(kind: ExportFormat) -> Exporter | None:
    match kind:
        case ExportFormat.TORCHSCRIPT:
            from registry.adapters.exports.torch_files import TorchScriptExporter

            return TorchScriptExporter()
        case ExportFormat.EXPORTED:
            from registry.adapters.exports.torch_files import ProgramExporter

            return ProgramExporter()
        case ExportFormat.AOT_INDUCTOR:
            from registry.adapters.exports.aot_inductor import AotInductorExporter

            return AotInductorExporter()
    return None


def _for_devices(kind: ExportFormat, environments: Path) -> Exporter:
    if kind is ExportFormat.EXECUTORCH:
        from registry.adapters.exports.executorch_files import ExecuTorchExporter

        return ExecuTorchExporter()
    from registry.adapters.exports.litert_files import LiteRtExporter

    return LiteRtExporter(environments)
