//! The chapter of generators: the same class painted three ways.

use smalti_engine::Result;

use super::html::{escaped, figure, img};
use super::told::{Painting, Story};
use crate::look::words::counted;

/// Each way with its cost, and below what its tokenizer alone makes of a real picture: no generator paints better
/// than that. Nothing where there are no generators.
pub(super) fn three_ways(story: &Story<'_>) -> Result<String> {
    let Some(first) = story.paintings.first() else { return Ok(String::new()) };
    let mut text = format!(
        "<section>\n<h2>Painted, token by token</h2>\n<p class=\"lead\">The same class, {}, by networks that \
         learned to write tokens: one after the other, the most certain first, and scale by scale. What they cost is \
         how often a network is asked, one time after the other.</p>\n<div class=\"row three\">\n",
        escaped(&first.class)
    );
    for painting in story.paintings {
        let alt = format!("{}, painted by {}", painting.class, painting.name);
        let image = img(&painting.picture, &alt, "")?;
        text += &figure(&image, &painting.way, &cost(painting));
    }
    text += "</div>\n<p class=\"note\">A generator cannot be better than its tokenizer. Below, a picture of the class \
             that no network has learned, and what each tokenizer makes of it; the tokens of VAR are others than those \
             of the other two.</p>\n<div class=\"row three\">\n";
    for painting in story.paintings {
        let alt =
            format!("a real picture of {}, from tokens of {}", painting.class, painting.tokenizer);
        let image = img(&painting.reconstruction, &alt, "")?;
        text += &figure(&image, &painting.tokenizer, &painting.tokens);
    }
    text += "</div>\n<details>\n<summary>The real picture</summary>\n<div class=\"row three\">\n";
    let image = img(&first.original, &format!("a real picture of {}", first.class), "")?;
    text += &figure(&image, &first.class, "");
    text += "</div>\n</details>\n</section>\n";
    Ok(text)
}

fn cost(painting: &Painting) -> String {
    let steps = counted(painting.steps, "step");
    let passes = if painting.passes as usize == painting.steps {
        steps
    } else {
        format!("{steps}, {}", counted(painting.passes as usize, "sequence"))
    };
    format!("{passes}, {:.2} s", painting.seconds)
}
