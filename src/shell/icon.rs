//! The window's icon, drawn: an imitation mask on a grid of cells.

/// Side in px.
const SIDE: usize = 64;
/// Cells a side, and how many anchors hit each.
const CELLS: usize = 4;
const HITS: [u8; CELLS * CELLS] = [0, 1, 1, 0, 1, 3, 2, 0, 1, 2, 3, 1, 0, 0, 1, 0];

pub fn icon() -> egui::IconData {
    let shades = [[52, 56, 63], [59, 82, 139], [33, 145, 140], [253, 231, 37]];
    let mut rgba = Vec::with_capacity(SIDE * SIDE * 4);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (margin, pitch) = (6, 13);
            let inside = |v: usize| (margin..margin + CELLS * pitch).contains(&v) && (v - margin) % pitch < pitch - 2;
            let color = if inside(x) && inside(y) {
                let cell = (y - margin) / pitch * CELLS + (x - margin) / pitch;
                shades[usize::from(HITS[cell])]
            } else {
                [18, 19, 22]
            };
            rgba.extend(color);
            rgba.push(if corner(x, y) { 0 } else { 255 });
        }
    }
    egui::IconData { rgba, width: SIDE as u32, height: SIDE as u32 }
}

/// Whether a pixel is cut off by a rounded corner.
fn corner(x: usize, y: usize) -> bool {
    let radius = 12.0;
    let past = |v: usize| {
        let v = v as f32 + 0.5;
        (radius - v).max(v - (SIDE as f32 - radius)).max(0.0)
    };
    past(x).hypot(past(y)) > radius
}
