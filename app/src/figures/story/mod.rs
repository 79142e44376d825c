//! The page of the tour: one self-contained HTML file that tells what tokens are with the person's
//! own pictures.
//!
//! Style and the one small script stand beside this file and are written into the page; pictures
//! are data URIs. Nothing is fetched from anywhere.

mod html;
mod sections;
mod zoom;

use std::sync::Arc;

use smalti_engine::Result;
use smalti_engine::answers::{Appearance, Compared, ModelFacts, UsageAnswer};
use smalti_engine::images::Picture;
use smalti_engine::tokens::Grid;

use super::rate::FileRates;

/// One picture on its way to tokens and back.
#[derive(Debug)]
pub struct Chapter {
    /// Its name.
    pub name: String,
    /// As it was encoded.
    pub original: Picture,
    /// Its tokens.
    pub grid: Arc<Grid>,
    /// What came back, and what was lost.
    pub compared: Arc<Compared>,
    /// What it costs as an image file.
    pub files: FileRates,
}

/// Everything that the page tells.
#[derive(Debug)]
pub struct Story<'a> {
    /// The tokenizer.
    pub model: &'a ModelFacts,
    /// How its codes look.
    pub appearance: &'a Appearance,
    /// Which codes the pictures used.
    pub usage: &'a UsageAnswer,
    /// The pictures, at least one.
    pub chapters: &'a [Chapter],
    /// The window with these pictures in it, if it could be drawn.
    pub window: Option<&'a Picture>,
}

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
