//! Panes side by side: which rows and columns show the picture largest.

use egui::{Rect, Vec2, pos2, vec2};

/// Divides `available` into `count` equal panes in reading order, `gap` points apart, so that a picture of the given
/// shape is as large as can be; `chrome` is the height that a pane needs for other things. A pane is no higher than its
/// picture needs, so that these stay close to it; the whole stands in the middle, and so does a row that is not full.
pub fn panes(available: Rect, count: usize, picture: Vec2, chrome: f32, gap: f32) -> Vec<Rect> {
    let size_in = |columns: usize| {
        let rows = count.div_ceil(columns);
        let spare = vec2((columns - 1) as f32, (rows - 1) as f32) * gap;
        (available.size() - spare) / vec2(columns as f32, rows as f32)
    };
    let zoom_in = |columns: usize| {
        let size = size_in(columns);
        (size.x / picture.x.max(1.0)).min((size.y - chrome) / picture.y.max(1.0))
    };
    // Of equals the last: scales are compared more easily side by side than one above another.
    let Some(columns) = (1..=count).max_by(|&a, &b| zoom_in(a).total_cmp(&zoom_in(b))) else {
        return Vec::new();
    };
    let size = size_in(columns).max(Vec2::ZERO);
    let needed = size.x * picture.y / picture.x.max(1.0) + chrome;
    let size = vec2(size.x, size.y.min(needed));
    let rows = count.div_ceil(columns) as f32;
    let above = (available.height() - rows * size.y - (rows - 1.0) * gap) / 2.0;
    (0..count)
        .map(|index| {
            let (row, column) = (index / columns, index % columns);
            let in_row = columns.min(count - row * columns);
            let indent = (columns - in_row) as f32 * (size.x + gap) / 2.0;
            let x = available.left() + indent + column as f32 * (size.x + gap);
            let y = available.top() + above.max(0.0) + row as f32 * (size.y + gap);
            Rect::from_min_size(pos2(x, y), size)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rects(width: f32, height: f32, count: usize) -> Vec<[f32; 4]> {
        let available = Rect::from_min_size(pos2(10.0, 20.0), vec2(width, height));
        panes(available, count, vec2(640.0, 640.0), 50.0, 8.0)
            .iter()
            .map(|r| [r.left(), r.top(), r.width(), r.height()])
            .collect()
    }

    #[test]
    fn one_pane_takes_everything_and_none_takes_nothing() {
        assert_eq!(rects(700.0, 500.0, 1), [[10.0, 20.0, 700.0, 500.0]]);
        assert!(rects(700.0, 500.0, 0).is_empty());
    }

    #[test]
    fn a_wide_place_holds_three_in_a_row() {
        assert_eq!(
            rects(916.0, 400.0, 3),
            // 300 points of picture and 50 of chrome, in the middle of 400.
            [[10.0, 45.0, 300.0, 350.0], [318.0, 45.0, 300.0, 350.0], [626.0, 45.0, 300.0, 350.0]]
        );
    }

    #[test]
    fn a_high_place_holds_three_in_a_column() {
        assert_eq!(
            rects(300.0, 1048.0, 3).iter().map(|r| r[1]).collect::<Vec<_>>(),
            [20.0, 20.0 + 352.0, 20.0 + 704.0]
        );
    }

    #[test]
    fn four_in_a_square_place_make_a_square_and_a_lone_third_stands_in_the_middle() {
        let four = rects(808.0, 908.0, 4);
        assert_eq!(four[3], [10.0 + 408.0, 20.0 + 458.0, 400.0, 450.0]);
        let three = rects(808.0, 908.0, 3);
        assert_eq!(three[2], [10.0 + 204.0, 20.0 + 458.0, 400.0, 450.0]);
    }
}
