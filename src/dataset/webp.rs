//! What a WebP claims, held against its file before a decoder believes it.
//!
//! A WebP is a list of chunks, each with its length before it. A decoder that allocates what a chunk claims takes 4 GB for a
//! file of 500 bytes; one that plays animations takes as long as it is told to.

use std::io::{Read, Seek, SeekFrom};

use crate::geometry::Size;

/// A file has half a dozen.
const MAX_CHUNKS: usize = 1_000;

/// The size of the frame in a WebP of `length` bytes; none where the file is of another kind or says nothing that can be
/// understood, which its decoder will say better. An error is what is wrong with it.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> Result<Option<Size>, String> {
    let mut head = [0; 12];
    if file.read_exact(&mut head).is_err() || &head[..4] != b"RIFF" || &head[8..] != b"WEBP" {
        return Ok(None);
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let end = length.min(8 + u64::from(number(&head[4..8])));
    let mut at = head.len() as u64;
    let mut frame = None;
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 18];
        let wanted = chunk.len().min(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
        if wanted < 8 || file.seek(SeekFrom::Start(at)).is_err() || file.read_exact(&mut chunk[..wanted]).is_err() {
            return Ok(frame);
        }
        let claimed = u64::from(number(&chunk[4..8]));
        if at + 8 + claimed > length {
            let name = String::from_utf8_lossy(&chunk[..4]).into_owned();
            return Err(format!(
                "its part {name:?} claims {claimed} bytes, the file has {length}; it may be cut short"
            ));
        }
        match &chunk[..4] {
            b"VP8X" if chunk[8] & 0x02 != 0 => return Err(ANIMATED.to_owned()),
            b"ANIM" | b"ANMF" => return Err(ANIMATED.to_owned()),
            // A frame tag of 3 bytes, a start code of 3, then 14 bits of width and of height, each with a scale above it.
            b"VP8 " => frame = Some(Size::new(number(&chunk[14..16]) & 0x3FFF, number(&chunk[16..18]) & 0x3FFF)),
            // A signature of one byte, then 14 bits of width and of height, both less one.
            b"VP8L" => {
                let sides = number(&chunk[9..13]);
                frame = Some(Size::new((sides & 0x3FFF) + 1, ((sides >> 14) & 0x3FFF) + 1));
            }
            _ => {}
        }
        // Chunks begin at even places.
        at += 8 + claimed + claimed % 2;
    }
    Err(format!("it has more than {MAX_CHUNKS} parts"))
}

const ANIMATED: &str = "an animated WebP has many pictures; save one of them as an image of its own";
