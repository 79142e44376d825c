//! The section that says what a token is, on a piece of the picture that can be read cell by cell.

use std::fmt::Write;

use smalti_engine::Result;
use smalti_engine::images::Picture;

use super::html::{css, escaped, figure, img};
use super::told::{Chapter, Story};
use crate::figures::canvas::enlarged;
use crate::figures::tokens::color_of;
use crate::look::palette::ink_on;
use crate::look::words::counted;

/// Cells a side of the piece.
const CELLS: usize = 8;

pub(super) fn what_a_token_is(story: &Story<'_>, chapter: &Chapter) -> Result<String> {
    if story.is_grid() { piece_by_piece(story, chapter) } else { Ok(in_words(story, chapter)) }
}

/// Where no token has a square of its own.
fn in_words(story: &Story<'_>, chapter: &Chapter) -> String {
    let facts = &story.model.facts;
    let (tokens, part) = (chapter.tokens.len(), chapter.finest());
    let sizes: Vec<String> = facts.books.iter().map(|book| book.size.to_string()).collect();
    let codes = match &sizes[..] {
        [first, ..] if sizes.iter().all(|size| size == first) => format!("{first} <b>codes</b>"),
        _ => format!("{} <b>codes</b>", sizes.join(", ")),
    };
    let what = if !facts.spatial {
        format!(
            "The <b>encoder</b> looks at the whole picture and writes down {tokens} numbers in a row, each \
             one of {codes}. No number has a place: each says something of all of it."
        )
    } else if facts.prefixes {
        format!(
            "The <b>encoder</b> writes the picture down {} times, each one of {codes} at every place: \
             the first part says roughly what there is, each later one what those before it missed. \
             That makes {tokens} numbers, {} of them in the last part.",
            chapter.tokens.parts().len(),
            part.codes().len()
        )
    } else {
        format!(
            "The <b>encoder</b> writes down {tokens} numbers in {} parts, each one of {codes}; what \
             stands at one place in all parts together says what is there.",
            chapter.tokens.parts().len()
        )
    };
    format!(
        "<section>\n<h2>What a token is</h2>\n<p class=\"lead\">A token is a number that stands for a \
         piece of what a picture shows. {what} The numbers are all that is kept. The <b>decoder</b> \
         paints the picture again from them alone.</p>\n</section>\n"
    )
}

/// A small piece of the picture, its tokens, and what they decode to.
fn piece_by_piece(story: &Story<'_>, chapter: &Chapter) -> Result<String> {
    let grid = chapter.finest();
    let k = grid.codebook_size();
    let factor = (chapter.original.width() as usize / grid.columns().max(1)).max(1);
    let (rows, columns) = (CELLS.min(grid.rows()), CELLS.min(grid.columns()));
    let all = (grid.rows(), grid.columns());
    let (top, left) = busiest(&chapter.original, factor, all, (rows, columns));
    let piece = |picture: &Picture| {
        let (x, y) = ((left * factor) as u32, (top * factor) as u32);
        enlarged(&picture.crop(x, y, (columns * factor) as u32, (rows * factor) as u32)?, 8)
    };
    let before = img(&piece(&chapter.original)?, "A few pixels of the photograph", "hard")?;
    let after = img(&piece(&chapter.compared.reconstruction)?, "The same pixels, decoded", "hard")?;
    let mut cells = String::new();
    let mut different = std::collections::BTreeSet::new();
    for row in top..top + rows {
        for column in left..left + columns {
            let Some(code) = grid.get(0, row, column) else { continue };
            different.insert(code);
            let ground = color_of(code, &story.appearance.colors);
            write!(
                cells,
                "<i style=\"background:{};color:{}\">{code}</i>",
                css(ground),
                css(ink_on(ground))
            )
            .ok();
        }
    }
    let tokens = format!(
        "<div class=\"cells\" role=\"img\" aria-label=\"The numbers of {} codes\" \
         style=\"grid-template-columns:repeat({columns},1fr)\">{cells}</div>",
        rows * columns
    );
    let mut text = format!(
        "<section>\n<h2>What a token is</h2>\n<p class=\"lead\">A token is a number that stands for a \
         small piece of picture. The <b>encoder</b> looks at every square of {factor}\u{d7}{factor} \
         pixels and what surrounds it, and writes down which of {k} <b>codes</b> fits best. That \
         number is all that is kept. The <b>decoder</b> paints the picture again from the numbers \
         alone.</p>\n<div class=\"row three\">\n"
    );
    let pixels = rows * columns * factor * factor;
    let bits = (rows * columns) as f64 * f64::from(k).log2();
    text += &figure(&before, "pixels", &format!("{} bits", pixels * 24));
    text += &figure(&tokens, "tokens", &format!("{bits:.0} bits"));
    text +=
        &figure(&after, "decoded", &format!("from {}", counted(different.len(), "different code")));
    write!(
        text,
        "</div>\n<p class=\"note\">A piece of {}: rows {top} to {}, columns {left} to {} of its \
         grid. Each tile has the mean color that its code decodes to.</p>\n</section>\n",
        escaped(&chapter.name),
        top + rows - 1,
        left + columns - 1
    )
    .ok();
    Ok(text)
}

/// The corner, in cells, of the piece of `rows` and `columns` with the most going on.
fn busiest(
    picture: &Picture,
    factor: usize,
    (height, width): (usize, usize),
    (rows, columns): (usize, usize),
) -> (usize, usize) {
    let mut best = (f64::MIN, (0, 0));
    // From a ring inside, where there is room for one: the middle of a picture says more.
    let from =
        |all: usize, part: usize| (all.saturating_sub(part) / 8, all.saturating_sub(part) * 7 / 8);
    let ((y0, y1), (x0, x1)) = (from(height, rows), from(width, columns));
    for top in (y0..=y1).step_by(2) {
        for left in (x0..=x1).step_by(2) {
            let spread =
                variance(picture, (left * factor, top * factor), columns * factor, rows * factor);
            if spread > best.0 {
                best = (spread, (top, left));
            }
        }
    }
    best.1
}

/// The variance of all channels in a rectangle.
fn variance(picture: &Picture, (x, y): (usize, usize), width: usize, height: usize) -> f64 {
    let (mut sum, mut squares, mut count) = ([0.0; 3], [0.0; 3], 0.0_f64);
    for row in y..y + height {
        for column in x..x + width {
            if let Some(pixel) = picture.pixel(column as u32, row as u32) {
                for (channel, value) in pixel.into_iter().enumerate() {
                    sum[channel] += f64::from(value);
                    squares[channel] += f64::from(value) * f64::from(value);
                }
                count += 1.0;
            }
        }
    }
    let n = count.max(1.0);
    sum.iter().zip(squares).map(|(s, q)| q / n - (s / n) * (s / n)).sum()
}
