//! Numbers and paths as people say them.

use std::path::Path;

use smalti_engine::images::JPEG_HEADER_BYTES;

/// Seconds in words, such as "1 min 05 s".
pub fn duration(seconds: f32) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How long ago something was, such as "3 h ago".
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} ago", counted((seconds / 86_400) as usize, "day")),
    }
}

/// A time in seconds since 1970 as a date, such as "2026-11-30 14:10 UTC".
pub fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Eras of 400 years that begin in March, so that the leap day is the last one (Hinnant, chrono algorithms).
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60)
}

/// Bytes in words, such as "212 MB".
pub fn size(bytes: usize) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes >= 1000.0 {
        format!("{:.1} GB", megabytes / 1e3)
    } else {
        format!("{megabytes:.0} MB")
    }
}

/// 1000000 as "1 000 000", with spaces that do not break.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

/// "1 image", "200 images": a number and what is counted, which takes an s from two on and for none.
pub fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// As [`counted`], for numbers that can be large: "1 token", "1 024 tokens".
pub fn counted_in_groups(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(number))
}

/// All of some things: "the one image", "all 200 images".
pub fn all_of(number: u64, what: &str) -> String {
    if number == 1 {
        format!("the one {what}")
    } else {
        format!("all {}", counted_in_groups(number, what))
    }
}

/// The words that go with a number of things: `one` with one of them, else `several`.
pub fn agreeing<'a>(number: usize, one: &'a str, several: &'a str) -> &'a str {
    if number == 1 { one } else { several }
}

/// A number along an axis or in a name, no longer than it must be: "0.05", "2.5", "1200", "4.0e-5".
pub fn short(number: f64) -> String {
    let size = number.abs();
    let text = if size >= 100.0 || number == 0.0 {
        return format!("{number:.0}");
    } else if size >= 1.0 {
        format!("{number:.2}")
    } else if size >= 1e-3 {
        format!("{number:.4}")
    } else {
        return format!("{number:.1e}");
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number too large to be read digit by digit, by its unit: "120 000", "1.23 M", "4.5 T".
pub fn large(number: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, letter)) => format!("{} {letter}", short(number / unit)),
        None => grouped(number.max(0.0).round() as u64),
    }
}

/// What the JPEG is that tokenizers are compared with: its headers weigh the more, the smaller images are.
pub fn jpeg_in_words(side: u32) -> String {
    let bits = JPEG_HEADER_BYTES as f64 * 8.0 / f64::from(side.max(1)).powi(2);
    format!(
        "baseline JPEG with full color (4:4:4) and plain tables, its headers of {bits:.2} bits per pixel included"
    )
}

/// Images that say something of a codebook: a few are too much alike.
const TELLING: usize = 16;

/// Whether a code that does not occur in the tokens of so many images may be called dead: if they fell evenly
/// on all codes, hardly any would be missing. Those of a few large images are as many, but show little.
pub fn shows_dead_codes(ceiling: f64, codebook_size: u32, images: usize) -> bool {
    images >= TELLING && ceiling >= 0.99 * f64::from(codebook_size)
}

/// A path's last part, for people.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_said_as_people_say_them() {
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(65.0), "1 min 05 s");
        assert_eq!(duration(3_725.0), "1 h 02 min");
        assert_eq!(size(212_400_000), "212 MB");
        assert_eq!(size(2 << 30), "2.1 GB");
    }

    #[test]
    fn times_are_said_as_dates_and_as_how_long_ago() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(date(1_796_047_800), "2026-11-30 14:10 UTC");
        let said = [5, 61, 7_300, 90_000, 200_000].map(ago);
        assert_eq!(said, ["just now", "1 min ago", "2 h ago", "1 day ago", "2 days ago"]);
    }

    #[test]
    fn codes_are_called_dead_only_where_the_sample_could_have_shown_them_all() {
        // 256 tokens fall on 227 of 1000 codes at most evenly; 65 536 on all of them.
        let ceiling = |tokens: f64| 1000.0 * (1.0 - (1.0 - 1.0 / 1000.0_f64).powf(tokens));
        assert!(!shows_dead_codes(ceiling(256.0), 1000, 64));
        assert!(!shows_dead_codes(ceiling(3_000.0), 1000, 64));
        assert!(shows_dead_codes(ceiling(65_536.0), 1000, 64));
        assert!(!shows_dead_codes(ceiling(65_536.0), 1000, 1), "one large image");
    }

    #[test]
    fn one_is_not_said_as_several() {
        let said = [0, 1, 2].map(|number| counted(number, "image"));
        assert_eq!(said, ["0 images", "1 image", "2 images"]);
        let said = [0, 1, 2].map(|number| agreeing(number, "stays as it is", "stay as they are"));
        assert_eq!(said, ["stay as they are", "stays as it is", "stay as they are"]);
        let said = [1, 1_024].map(|number| counted_in_groups(number, "token"));
        assert_eq!(said, ["1 token", "1\u{a0}024 tokens"]);
        assert_eq!([1, 70].map(|n| all_of(n, "image")), ["the one image", "all 70 images"]);
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_and_none_ends_with_a_point() {
        let said = [0.0, 0.05, 0.03, 0.1, 0.99999, 1.0, 2.5, 30.0, 99.999, 1200.0, -0.5, 4e-5];
        let said = said.map(short);
        let wanted =
            ["0", "0.05", "0.03", "0.1", "1", "1", "2.5", "30", "100", "1200", "-0.5", "4.0e-5"];
        assert_eq!(said, wanted);
    }

    #[test]
    fn numbers_beyond_a_million_are_said_by_their_unit() {
        let said = [0.0, 1_024.0, 999_999.0, 1.5e6, 3_224_371_200.0, 2e13].map(large);
        let wanted = ["0", "1\u{a0}024", "999\u{a0}999", "1.5 M", "3.22 G", "20 T"];
        assert_eq!(said, wanted);
    }

    #[test]
    fn large_numbers_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(100_000), "100\u{a0}000");
        assert_eq!(grouped(1_234_567), "1\u{a0}234\u{a0}567");
    }
}
