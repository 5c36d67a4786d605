"""Writes tests/golden/tensorboard.events: what TensorBoard's own package makes of the events of tests/training/record_events.rs.

    python tests/golden/tensorboard_events.py            (needs tensorboard)
"""
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

text = "| ψ | λ |\n|---|---|\n| 0.5 | 0.01 |\n" * 9  # longer than the 127 bytes whose length takes one byte
text = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]))
metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
scalars = {"train/box_loss": 0.125, "metrics/mAP_0.5:0.95": float("nan"), "x/lr0": 0.0, "step/imitation_P3": -1e-30}
events = [
    Event(wall_time=1700000000.25, file_version="brain.Event:2"),
    Event(wall_time=1700000000.5, step=300, session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=1700000001, summary=Summary(value=[Summary.Value(tag="config/text_summary", tensor=text, metadata=metadata)])),
    Event(wall_time=1700000002, step=5_000_000_000, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()])),
]
with open(Path(__file__).parent / "tensorboard.events", "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString())
