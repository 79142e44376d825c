//! Paths as other programs hand them over: as they are, or as `file://` addresses.

use std::path::{Path, PathBuf};

/// The path that a text names: an absolute one, or a `file://` address with its percent signs taken
/// back. None if it is neither.
pub fn path_of(text: &str) -> Option<PathBuf> {
    let Some(address) = text.strip_prefix("file://") else {
        return Path::new(text).is_absolute().then(|| text.into());
    };
    // Between the slashes may stand this machine's name.
    let path = address.strip_prefix("localhost").unwrap_or(address);
    let path = path.starts_with('/').then_some(path)?;
    let path = without_root_before_drive(path);
    Some(from_bytes(unescaped(path)))
}

/// `/C:/pictures` is a path of Windows with a slash before it.
fn without_root_before_drive(path: &str) -> &str {
    let is_drive = |rest: &str| {
        let mut signs = rest.chars();
        signs.next().is_some_and(|sign| sign.is_ascii_alphabetic()) && signs.next() == Some(':')
    };
    if cfg!(windows) {
        path.strip_prefix('/').filter(|rest| is_drive(rest)).unwrap_or(path)
    } else {
        path
    }
}

/// "%20" is a blank; what is no escape stays.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            found.push((high * 16 + low) as u8);
            at += 3;
        } else {
            found.push(*byte);
            at += 1;
        }
    }
    found
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_the_paths_that_they_stand_for() {
        let cases = [
            ("file:///home/a/my%20parrots.png", Some("/home/a/my parrots.png")),
            ("file://localhost/a/%E9%B9%A6%e9%b9%89.png", Some("/a/鹦鹉.png")),
            ("file:///a/100%.png", Some("/a/100%.png")),
            ("file:///a/b%2", Some("/a/b%2")),
            ("/a/my%20parrots.png", Some("/a/my%20parrots.png")),
            ("file://elsewhere/a.png", None),
            ("parrots", None),
        ];
        for (text, path) in cases {
            if cfg!(unix) || text.starts_with("file") {
                assert_eq!(path_of(text), path.map(PathBuf::from), "{text}");
            }
        }
    }
}
