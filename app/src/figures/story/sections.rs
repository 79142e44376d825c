//! The sections of the page, in the order in which they are read.

use std::fmt::Write;

use smalti_engine::Result;
use smalti_engine::images::Picture;
use smalti_engine::questions::Used;

use super::html::{css, escaped, figure, grouped, img, large};
use super::told::{Chapter, Story};
use crate::figures::difference::{difference_map, scale_strip};
use crate::figures::tokens::{color_of, tile_for, token_map};
use crate::figures::usage::usage_heatmap;
use crate::look::palette::FULL_DIFFERENCE;
use crate::look::words::shows_dead_codes;

/// About how many pixels wide token maps are in the page.
const MAP_SIDE: usize = 512;
/// Codes shown as the most used.
const FAVORITES: usize = 24;

fn mosaic(story: &Story<'_>, chapter: &Chapter) -> Result<Picture> {
    let color = |code| color_of(code, &story.appearance.colors);
    token_map(chapter.finest(), color, tile_for(chapter.finest(), MAP_SIDE))
}

pub(super) fn opening(story: &Story<'_>, first: &Chapter) -> Result<String> {
    let (w, h) = (first.original.width(), first.original.height());
    let tokens = first.tokens.len() as u64;
    let bits = first.compared.bits_per_pixel * f64::from(w) * f64::from(h);
    let times = f64::from(w) * f64::from(h) * 24.0 / bits;
    let mut text = ribbon(story, first);
    text += "<header>\n";
    text += "<p class=\"brand\">Smalti</p>\n<h1>An image becomes tokens<br>and comes back</h1>\n";
    writeln!(
        text,
        "<p class=\"lead\">Models that paint pictures the way language models write text do not work \
         on pixels. They work on <b>tokens</b>. Here is what that does to {}.</p>",
        if story.chapters.len() == 1 { "a picture" } else { "a few pictures" }
    )
    .ok();
    text += "<div class=\"row three path\">\n";
    let original = img(&first.original, &format!("{}, the original", first.name), "")?;
    let map = img(&mosaic(story, first)?, "Its token grid as a mosaic", "hard")?;
    let back = img(&first.compared.reconstruction, "Decoded from the tokens", "")?;
    text += &figure(&original, "the picture", &format!("{w}\u{d7}{h} pixels"));
    text += &figure(&map, "its tokens", &first.grid_words());
    text += &figure(&back, "painted from them", &format!("{:.1} dB", first.compared.psnr));
    text += "</div>\n<dl class=\"numbers\">\n";
    text += &large("pixels", &grouped(u64::from(w) * u64::from(h)), "of 24 bits");
    text += &large("tokens", &grouped(tokens), &format!("of {:.1} bits", bits / tokens as f64));
    text += &large("smaller by", &format!("{times:.0}"), "times");
    text += &large("rate", &format!("{:.2}", first.compared.bits_per_pixel), "bits per pixel");
    text += "</dl>\n</header>\n";
    Ok(text)
}

/// The middle row of the first picture's tokens, as a line of tiles.
fn ribbon(story: &Story<'_>, first: &Chapter) -> String {
    let grid = first.finest();
    let row = grid.rows() / 2;
    let mut tiles = String::new();
    for code in (0..grid.columns()).filter_map(|column| grid.get(0, row, column)) {
        let color = css(color_of(code, &story.appearance.colors));
        tiles += "<i style=\"background:";
        tiles += &color;
        tiles += "\"></i>";
    }
    format!("<div class=\"ribbon\" aria-hidden=\"true\">{tiles}</div>\n")
}

pub(super) fn pictures(story: &Story<'_>) -> Result<String> {
    let mut text = String::from(
        "<section>\n<h2>There and back</h2>\n<p class=\"lead\">Pull the handle: left of it is the \
         original, right of it what the decoder painted from the tokens.</p>\n<div class=\"row two\">\n",
    );
    for chapter in story.chapters {
        let before = img(&chapter.original, &format!("{}, the original", chapter.name), "")?;
        let after =
            img(&chapter.compared.reconstruction, &format!("{}, decoded", chapter.name), "")?;
        let slider = format!(
            "<div class=\"compare\">{after}<div class=\"over\">{before}</div><input type=\"range\" min=\"0\" \
             max=\"100\" value=\"50\" aria-label=\"How much of the original is shown: {}\"></div>",
            escaped(&chapter.name)
        );
        let figures =
            format!("PSNR {:.1} dB  SSIM {:.3}", chapter.compared.psnr, chapter.compared.ssim);
        text += &figure(&slider, &chapter.name, &figures);
    }
    text += "</div>\n<details>\n<summary>Originals, tokens and reconstructions side by side</summary>\n";
    for chapter in story.chapters {
        text += "<div class=\"row three\">\n";
        let original = img(&chapter.original, &format!("{}, the original", chapter.name), "")?;
        let map = img(&mosaic(story, chapter)?, &format!("{}, its tokens", chapter.name), "hard")?;
        let back =
            img(&chapter.compared.reconstruction, &format!("{}, decoded", chapter.name), "")?;
        let size = format!("{}\u{d7}{}", chapter.original.width(), chapter.original.height());
        text += &figure(&original, &chapter.name, &size);
        let size = chapter.grid_words();
        text += &figure(&map, "tokens", &size);
        text += &figure(&back, "decoded", &format!("{:.1} dB", chapter.compared.psnr));
        text += "</div>\n";
    }
    text += "</details>\n</section>\n";
    Ok(text)
}

pub(super) fn losses(story: &Story<'_>) -> Result<String> {
    let mut text = String::from(
        "<section>\n<h2>What was lost, and where</h2>\n<p class=\"lead\">A code says little: fine \
         texture, thin lines and lettering go first, smooth places survive. Bright is where the \
         decoded picture is far from the original.</p>\n<div class=\"row two\">\n",
    );
    for chapter in story.chapters {
        let width = chapter.original.width();
        let map = difference_map(&chapter.compared.absolute, width)?;
        let image = img(&map, &format!("Where {} lost most", chapter.name), "")?;
        let errors = chapter.compared.per_cell.last().filter(|_| story.is_grid());
        let share = errors.map_or(String::new(), |errors| {
            let half = cells_with_half_the_error(errors);
            format!("half of the error in {:.0} % of cells", half * 100.0)
        });
        text += &figure(&image, &chapter.name, &share);
    }
    let strip = img(&scale_strip(256, 12)?, "Color scale, dark to bright", "scale")?;
    write!(
        text,
        "</div>\n<div class=\"legend\"><span>0</span>{strip}<span>{:.0} % of the full range, and more</span></div>\n",
        FULL_DIFFERENCE * 100.0
    )
    .ok();
    text += "<p class=\"note\">Mean absolute error of the three channels at each pixel. The scale is \
             the same for every picture and every tokenizer, so that maps can be compared.</p>\n</section>\n";
    Ok(text)
}

/// The smallest share of cells that holds half of the error.
fn cells_with_half_the_error(per_cell: &[f32]) -> f64 {
    let mut errors: Vec<f32> = per_cell.to_vec();
    errors.sort_by(|a, b| b.total_cmp(a));
    let all: f64 = errors.iter().map(|e| f64::from(*e)).sum();
    let mut sum = 0.0;
    let cells = errors
        .iter()
        .take_while(|error| {
            let goes_on = sum < all / 2.0;
            sum += f64::from(**error);
            goes_on
        })
        .count();
    cells as f64 / errors.len().max(1) as f64
}

pub(super) fn codes(story: &Story<'_>) -> Result<String> {
    let statistics = &story.used();
    let mut text = String::from(
        "<section>\n<h2>Which codes were used</h2>\n<p class=\"lead\">A codebook is a palette of small \
         pieces. A good one uses all of them; in a bad one most are <b>dead</b>: not chosen for any \
         picture, paid for all the same.</p>\n<dl class=\"numbers\">\n",
    );
    text += &large("codes used", &format!("{:.1}", statistics.usage * 100.0), "%");
    text += &large(
        "that is",
        &grouped(statistics.used),
        &format!("of {}{}", grouped(statistics.codes), in_books(story.usage.len())),
    );
    text += &large("perplexity", &format!("{:.0}", statistics.perplexity), "codes");
    text += &large("tokens counted", &grouped(statistics.samples), "");
    text += "</dl>\n<div class=\"row usage\">\n";
    for (book, usage) in story.usage.iter().enumerate() {
        let map = img(&usage_heatmap(&usage.counts, 800)?, "How often each code was used", "hard")?;
        let what = "one cell a code; brighter is more often (log scale), an empty frame is never";
        let s = &usage.statistics;
        let which = if story.usage.len() > 1 {
            format!("book {book}: {:.1} % used, perplexity {:.0}", s.usage * 100.0, s.perplexity)
        } else {
            String::new()
        };
        text += &figure(&map, what, &which);
    }
    text += &favorites(story)?;
    text += "</div>\n<p class=\"note\">";
    let shows_dead = |used: &Used| {
        let s = &used.statistics;
        shows_dead_codes(s.ceiling, s.codebook_size, used.images)
    };
    if !story.usage.iter().all(|used| shows_dead(used)) {
        write!(
            text,
            "Even if these {} tokens fell evenly on all codes, only about {:.0} of {} would be seen: \
             usage is a matter of how much one looks at, and a code that is not used here is not dead \
             yet. ",
            grouped(statistics.samples),
            statistics.ceiling,
            statistics.codes
        )
        .ok();
    }
    text += "Perplexity is the number of equally likely codes that would be as hard to guess.</p>\n\
             </section>\n";
    Ok(text)
}

/// " in 4 books" where there are several.
fn in_books(books: usize) -> String {
    if books > 1 { format!(" in {books} books") } else { String::new() }
}

/// The most used codes, each as it decodes.
fn favorites(story: &Story<'_>) -> Result<String> {
    let (Some(atlas), [usage]) = (&story.appearance.atlas, story.usage) else {
        return Ok(String::new());
    };
    let mut codes: Vec<(u64, u32)> = usage.counts.iter().copied().zip(0..).collect();
    codes.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let side = story.appearance.side;
    let mut text = String::from("<figure><div class=\"favorites\">");
    for (count, code) in codes.into_iter().take(FAVORITES).filter(|(count, _)| *count > 0) {
        let (row, column) = (code / story.appearance.columns, code % story.appearance.columns);
        let patch = atlas.crop(column * side, row * side, side, side)?;
        let share = count as f64 / usage.statistics.samples.max(1) as f64 * 100.0;
        write!(
            text,
            "<span>{}<b>{code}</b><small>{share:.1} %</small></span>",
            img(&patch, &format!("Code {code} decoded"), "hard")?
        )
        .ok();
    }
    text += "</div><figcaption><span>the most used codes, as each decodes in a field of itself</span></figcaption></figure>\n";
    Ok(text)
}

pub(super) fn rate(story: &Story<'_>) -> String {
    let n = story.chapters.len().max(1) as f64;
    let mean = |pick: &dyn Fn(&Chapter) -> f64| story.chapters.iter().map(pick).sum::<f64>() / n;
    let pixels: f64 = story.chapters.iter().map(Chapter::pixels).sum();
    let packed = story.used().packed_bits() / pixels.max(1.0);
    let tokens = mean(&|c| c.compared.bits_per_pixel);
    let (jpeg, quality) =
        (mean(&|c| c.files.jpeg.bits_per_pixel), mean(&|c| f64::from(c.files.jpeg.quality)));
    let rows = [
        ("raw pixels", 24.0, "nothing lost".to_owned(), ""),
        ("PNG", mean(&|c| c.files.png), "nothing lost".to_owned(), ""),
        ("JPEG", jpeg, format!("as near to the original; quality {quality:.0} on average"), ""),
        ("tokens", tokens, format!("{:.1} dB on average", mean(&|c| c.compared.psnr)), "ours"),
        ("tokens, packed", packed, "if frequent codes were written shorter".to_owned(), "ours"),
    ];
    let mut text = String::from(
        "<section>\n<h2>How the rate compares</h2>\n<p class=\"lead\">Bits per pixel, on average over \
         these pictures.</p>\n<div class=\"bars\">\n",
    );
    for (name, bits, remark, class) in rows {
        // A logarithmic axis from 0.1 to 24 bits: raw pixels would leave the rest invisible.
        let length = ((bits / 0.1).ln() / (24.0_f64 / 0.1).ln()).clamp(0.01, 1.0) * 100.0;
        writeln!(
            text,
            "<div class=\"bar {class}\"><span>{name}</span><div><i style=\"width:{length:.1}%\"></i></div>\
             <span class=\"num\">{bits:.2}</span><small>{}</small></div>",
            escaped(&remark)
        )
        .ok();
    }
    text += "</div>\n<p class=\"note\">The axis is logarithmic. JPEG is the smallest file, headers \
             included, whose PSNR is at least that of the tokens. A tokenizer is no rival of JPEG: \
             its point is that a model can learn to write its tokens.</p>\n</section>\n";
    text
}

pub(super) fn window(story: &Story<'_>) -> Result<String> {
    let Some(window) = story.window else { return Ok(String::new()) };
    let image = img(window, "The window of Smalti with the first picture in it", "wide")?;
    Ok(format!(
        "<section>\n<h2>The same in the window</h2>\n<p class=\"lead\">Drop a photograph on it, point at \
         a token, and see every place where the code occurs.</p>\n{}</section>\n",
        figure(&image, "smalti", "")
    ))
}

pub(super) fn closing(story: &Story<'_>) -> String {
    let facts = &story.model.facts;
    let first = story.chapters.first();
    let tokens = match first {
        Some(_) if story.is_grid() => format!("one token for {0}\u{d7}{0} pixels", facts.factor),
        Some(chapter) => format!(
            "{} tokens for {}\u{d7}{} pixels",
            chapter.tokens.len(),
            chapter.original.width(),
            chapter.original.height()
        ),
        None => String::new(),
    };
    let sizes = facts.books.iter().map(|book| u64::from(book.size));
    // What one array cannot hold is in the other file.
    let one_array = first.is_none_or(|chapter| chapter.tokens.parts().len() == 1);
    format!(
        "<section>\n<h2>With your own pictures</h2>\n<pre>smalti tour photo.jpg --out my-tour\n\
         smalti encode photo.jpg --model {name} --out tokens\n\
         smalti decode tokens/photo.{kind} --model {name} --out back.png\n\
         smalti photo.jpg</pre>\n</section>\n<footer><p>Tokenizer <b>{name}</b>: {quantizer}, {k} codes{books}, \
         {tokens}, {parameters} parameters. Made by Smalti {version}, \
         offline.</p></footer>\n",
        name = escaped(&story.model.name),
        quantizer = escaped(&facts.quantizer),
        k = sizes.sum::<u64>(),
        books = in_books(facts.books.len()),
        kind = if one_array { "npy" } else { "safetensors" },
        parameters = grouped(facts.parameters as u64),
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_in_one_cell_of_four_is_found_in_a_quarter() {
        assert_eq!(cells_with_half_the_error(&[0.0, 0.0, 1.0, 0.0]), 0.25);
        assert_eq!(cells_with_half_the_error(&[1.0; 4]), 0.5);
        assert_eq!(cells_with_half_the_error(&[]), 0.0);
    }
}
