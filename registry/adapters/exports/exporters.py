"""Which exporter writes which format; each is imported when it is asked for."""

from registry.domain.export_formats import ExportFormat, ExportSettings
from registry.exporting import Exporter


def exporter(kind: ExportFormat, settings: ExportSettings) -> Exporter:
    """The exporter of a format."""
    match kind:
        case ExportFormat.TORCHSCRIPT:
            from registry.adapters.exports.torch_files import TorchScriptExporter

            return TorchScriptExporter()
        case ExportFormat.EXPORTED:
            from registry.adapters.exports.torch_files import ProgramExporter

            return ProgramExporter()
        case ExportFormat.ONNX:
            from registry.adapters.exports.onnx_files import OnnxExporter

            return OnnxExporter()
        case ExportFormat.ONNX_INT8:
            from registry.adapters.exports.onnx_int8 import OnnxInt8Exporter

            return OnnxInt8Exporter(dynamic=settings.dynamic)
        case ExportFormat.TRITON:
            from registry.adapters.exports.triton import TritonExporter

            return TritonExporter()
