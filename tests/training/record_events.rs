//! TensorBoard events against the bytes that TensorBoard's own package writes (tests/golden/tensorboard_events.py).

use distillscope::files::tensorboard::{Content, record};

#[test]
fn records_are_those_of_tensorboard() {
    let text = "| ψ | λ |\n|---|---|\n| 0.5 | 0.01 |\n".repeat(9);
    let scalars =
        [("train/box_loss", 0.125), ("metrics/mAP_0.5:0.95", f32::NAN), ("x/lr0", 0.0), ("step/imitation_P3", -1e-30)];
    let scalars = scalars.map(|(tag, value)| (tag.to_owned(), value));
    let records = [
        record(1_700_000_000.25, 0, Content::Version),
        record(1_700_000_000.5, 300, Content::Restart),
        record(1_700_000_001.0, 0, Content::Text { tag: "config/text_summary", text: &text }),
        record(1_700_000_002.0, 5_000_000_000, Content::Scalars(&scalars)),
    ];
    assert_eq!(records.concat(), include_bytes!("../golden/tensorboard.events"));
}
