//! What a TIFF claims, held against its file before a decoder believes it.
//!
//! A TIFF is a table of tags, each with the number of its values. The decoder makes room for so many before it reads them, 32
//! bytes for each: a file of 150 bytes takes 250 MB.

use std::io::{Read, Seek, SeekFrom};

/// Tags below this describe the picture; above are what programs add: profiles, whole layers.
const FIRST_ADDED: u16 = 700;
/// Values of a tag that describes the picture: tiles of 16 px a side in the largest image are half as many.
const MAX_VALUES: u64 = 1 << 20;

/// Of the first picture in a TIFF of `length` bytes. An error is what is wrong with it; what is no TIFF, or says nothing that can
/// be understood, its decoder will say better.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> Result<(), String> {
    claimed(file, length).unwrap_or(Ok(()))
}

/// `None` where the file ends before its table does.
fn claimed(file: &mut (impl Read + Seek), length: u64) -> Option<Result<(), String>> {
    let mut head = [0; 16];
    file.read_exact(&mut head[..8]).ok()?;
    let little = match &head[..2] {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let number = |bytes: &[u8]| {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    };
    // A TIFF of 32-bit offsets, and one of 64.
    let (place, counted, entry) = match number(&head[2..4]) {
        42 => (number(&head[4..8]), 2, 12),
        43 => {
            file.read_exact(&mut head[8..]).ok()?;
            (number(&head[8..]), 8, 20)
        }
        _ => return None,
    };
    let mut bytes = [0; 20];
    file.seek(SeekFrom::Start(place)).ok()?;
    file.read_exact(&mut bytes[..counted]).ok()?;
    for _ in 0..number(&bytes[..counted]) {
        file.read_exact(&mut bytes[..entry]).ok()?;
        let (tag, values) = (number(&bytes[..2]) as u16, number(&bytes[4..entry - (entry - 4) / 2]));
        let size = match number(&bytes[2..4]) {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            _ => 8,
        };
        let claims = values.saturating_mul(size);
        if claims > length.max(8) {
            return Some(Err(format!("its tag {tag} claims {claims} bytes, the file has {length}")));
        }
        if tag < FIRST_ADDED && values > MAX_VALUES {
            return Some(Err(format!("its tag {tag} claims {values} values, at most {MAX_VALUES} are possible")));
        }
    }
    Some(Ok(()))
}
