//! The page of the tour: one self-contained HTML file that tells what tokens are with the person's
//! own pictures.
//!
//! Style and the one small script stand beside this file and are written into the page; pictures
//! are data URIs. Nothing is fetched from anywhere.

mod html;
mod painted;
mod sections;
mod told;
mod zoom;

use smalti_engine::Result;

pub use told::{Chapter, Painting, Story};

/// The page.
///
/// # Errors
/// If a picture cannot be encoded, or there is none.
pub fn page(story: &Story<'_>) -> Result<String> {
    let Some(first) = story.chapters.first() else {
        return Err(smalti_engine::EngineError::bad_input("tour", "there are no pictures", ""));
    };
    let mut body = String::new();
    body.push_str(&sections::opening(story, first)?);
    body.push_str(&zoom::what_a_token_is(story, first)?);
    body.push_str(&sections::pictures(story)?);
    body.push_str(&sections::losses(story)?);
    body.push_str(&sections::codes(story)?);
    body.push_str(&sections::rate(story));
    body.push_str(&painted::three_ways(story)?);
    body.push_str(&sections::window(story)?);
    body.push_str(&sections::closing(story));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"dark light\">\n\
         <title>An image becomes tokens and comes back</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n{body}<script>\n{}</script>\n</body>\n</html>\n",
        include_str!("page.css"),
        include_str!("page.js"),
    ))
}
