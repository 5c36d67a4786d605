//! Text files as people have them: UTF-8 with or without a byte-order mark, UTF-16 with one, any line ending.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::error::DatasetError;
use crate::files;

/// Opens a regular file of at most `limit` bytes.
pub(super) fn open(path: &Path, limit: u64) -> Result<BufReader<File>, DatasetError> {
    Ok(BufReader::new(files::open(path, limit)?))
}

/// The bytes of a regular file of at most `limit` bytes.
pub(super) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, DatasetError> {
    Ok(files::read(path, limit)?)
}

/// The text of a regular file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, DatasetError> {
    read_bytes(path, limit).map(decode)
}

/// Bytes that are no valid text become U+FFFD, which no parser here accepts, so their line is named in a warning.
pub(super) fn decode(bytes: Vec<u8>) -> String {
    match bytes.as_slice() {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Lines with their numbers from 1; LF, CRLF and a lone CR end a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let ending = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + ending..]);
        Some(&text[..end])
    });
    split.enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ending_counts_once() {
        let got: Vec<_> = lines("a\r\nb\rc\n\nd").collect();
        assert_eq!(got, [(1, "a"), (2, "b"), (3, "c"), (4, ""), (5, "d")]);
    }

    #[test]
    fn byte_order_marks_are_taken_off() {
        assert_eq!(decode(b"\xEF\xBB\xBF0 1".to_vec()), "0 1");
        assert_eq!(decode(b"\xFF\xFE0\0 \x001\0".to_vec()), "0 1");
        assert_eq!(decode(b"\xFE\xFF\x000\0 \x001".to_vec()), "0 1");
        assert_eq!(decode(b"a\xFFb".to_vec()), "a\u{FFFD}b");
    }

    #[test]
    fn a_folder_is_not_a_file() {
        assert!(matches!(read(&std::env::temp_dir(), 10), Err(DatasetError::NotAFile { .. })));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "12345").unwrap();
        assert!(matches!(read(&path, 4), Err(DatasetError::FileTooLarge { bytes: 5, limit: 4, .. })));
        assert_eq!(read(&path, 5).unwrap(), "12345");
    }
}
