//! What a PNG claims that its decoder would take on trust.
//!
//! The palette has three bytes a colour and at most 256 colours. The decoder (png 0.18.1) copies it by threes without a look
//! at its length, and panics where that is no multiple of three.

use std::io::{Read, Seek, SeekFrom};

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Before the pixels; a file has a dozen.
const MAX_CHUNKS: usize = 10_000;
const MAX_PALETTE: u32 = 3 * 256;

/// An error is what is wrong with a PNG; what is none, or says nothing that can be understood, its decoder will say better.
pub(crate) fn check(file: &mut (impl Read + Seek)) -> Result<(), String> {
    let mut signature = [0; 8];
    if file.read_exact(&mut signature).is_err() || signature != *SIGNATURE {
        return Ok(());
    }
    let mut at = signature.len() as u64;
    for _ in 0..MAX_CHUNKS {
        let mut head = [0; 8];
        if file.seek(SeekFrom::Start(at)).is_err() || file.read_exact(&mut head).is_err() {
            return Ok(());
        }
        let [a, b, c, d, kind @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        match &kind {
            b"IDAT" => return Ok(()),
            b"PLTE" if length % 3 != 0 || length > MAX_PALETTE => {
                return Err(format!(
                    "its palette has {length} bytes; three a colour and at most {MAX_PALETTE} are possible"
                ));
            }
            // Length, kind and checksum, and what lies between.
            _ => at += 12 + u64::from(length),
        }
    }
    Err(format!("it has more than {MAX_CHUNKS} parts before its pixels"))
}
