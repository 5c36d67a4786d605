//! Source rows that are already mixed along themselves, for pictures that are mixed row by row.

/// The latest two rows; neighbouring output rows share them, so that each is mixed once.
pub(super) struct MixedRows<T> {
    slots: [(Option<usize>, Vec<T>); 2],
}

impl<T: Copy + Default> MixedRows<T> {
    pub fn new(length: usize) -> Self {
        Self { slots: [(None, vec![T::default(); length]), (None, vec![T::default(); length])] }
    }

    /// Two rows by index; `mix` makes those that are not there.
    pub fn of(&mut self, rows: [usize; 2], mut mix: impl FnMut(usize, &mut [T])) -> [&[T]; 2] {
        let [first, second] = &self.slots;
        if first.0 == Some(rows[1]) || second.0 == Some(rows[0]) {
            self.slots.swap(0, 1);
        }
        for ((at, values), row) in self.slots.iter_mut().zip(rows) {
            if *at != Some(row) {
                mix(row, values);
                *at = Some(row);
            }
        }
        self.slots.each_ref().map(|slot| slot.1.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_and_are_mixed_once_upwards_and_downwards() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
            let mut mixed = Vec::new();
            let mut rows = MixedRows::new(1);
            for first in order {
                let found = rows.of([first, first + 1], |row, values| {
                    mixed.push(row);
                    values[0] = 10 * row;
                });
                assert_eq!(found, [&[10 * first], &[10 * first + 10]]);
            }
            mixed.sort_unstable();
            assert_eq!(mixed, [0, 1, 2, 3, 4]);
        }
        // Twice the same, as past a border.
        let mut rows = MixedRows::new(1);
        for both in [[1, 2], [2, 2], [2, 2], [0, 0], [0, 1]] {
            assert_eq!(rows.of(both, |row, values| values[0] = row), [&[both[0]], &[both[1]]]);
        }
    }
}
