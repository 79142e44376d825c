//! What there is to know of a tokenizer, line by line, each with its unit: for cards.

use egui::RichText;
use serde_json::Value;
use smalti_engine::questions::ModelRef;
use smalti_engine::tokenizers::{Facts, Input};

use crate::ctx::ViewCtx;
use crate::look::words::{counted, counted_in_groups, grouped, name};

/// What is known of a tokenizer.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which one.
    pub model: &'a ModelRef,
    /// Its family, as people call it.
    pub family: &'a str,
    /// What can be said of it without running it.
    pub facts: &'a Facts,
    /// What its file says of how it was made; null if nothing.
    pub metadata: &'a Value,
    /// Bytes of its file.
    pub bytes: Option<u64>,
}

impl Known<'_> {
    /// The lines: what, and how much of it.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let facts = self.facts;
        let book = facts.book(0);
        let mut lines = vec![
            ("family", self.family.to_owned()),
            ("quantizer", facts.quantizer.clone()),
            ("codes, K", codes(facts)),
        ];
        if !book.levels.is_empty() {
            let levels: Vec<String> = book.levels.iter().map(ToString::to_string).collect();
            lines.push(("levels", levels.join(" × ")));
        }
        lines.push(("a code", counted_in_groups(book.dim as u64, "number")));
        if facts.spatial {
            lines.push((
                "factor",
                format!("{} a token along a side", counted(facts.factor, "pixel")),
            ));
        }
        let images = match facts.input {
            Input::Multiple(1) => "of any size".to_owned(),
            Input::Multiple(side) => format!("sides that divide by {side} pixels"),
            Input::Fixed { height, width } => format!("{width}×{height} pixels only"),
        };
        lines.push(("images", images));
        lines.push(("parameters", grouped(facts.parameters as u64)));
        lines.push(("file", self.file()));
        let unknown = || "not said in its file".to_owned();
        lines.push(("trained on", trained_on(self.metadata).unwrap_or_else(unknown)));
        lines.push(("quality", quality(self.metadata).unwrap_or_else(unknown)));
        lines
    }

    fn file(&self) -> String {
        let place = match self.model {
            ModelRef::Shipped(_) => "comes with Smalti".to_owned(),
            ModelRef::File { path, .. } => path.display().to_string(),
        };
        let size = self.bytes.map(|bytes| format!(", {:.1} MB", bytes as f64 / 1e6));
        place + &size.unwrap_or_default()
    }
}

fn codes(facts: &Facts) -> String {
    let sizes: Vec<String> = facts.books.iter().map(|book| grouped(book.size.into())).collect();
    match &sizes[..] {
        [one] => one.clone(),
        [first, rest @ ..] if rest.iter().all(|size| size == first) => {
            format!("{first} in each of {} books", sizes.len())
        }
        several => format!("{} in {} books", several.join(", "), several.len()),
    }
}

/// "10 000 steps of 16 images of 64×64 pixels: 40 % Worlds, 60 % photos.tar", as its recipe says.
fn trained_on(metadata: &Value) -> Option<String> {
    let recipe = metadata.get("recipe")?;
    let data = recipe["data"].as_array()?;
    let weight = |part: &Value| part["weight"].as_f64().unwrap_or(1.0);
    let all: f64 = data.iter().map(weight).sum();
    let part = |part: &Value| {
        let from = part.get("from").unwrap_or(part);
        let from = match from.get("Path").and_then(Value::as_str) {
            Some(path) => name(std::path::Path::new(path)),
            None if from.get("Worlds").is_some() => "Worlds".to_owned(),
            None => from.as_str().unwrap_or("another set").to_owned(),
        };
        format!("{:.0} % {from}", weight(part) / all.max(f64::MIN_POSITIVE) * 100.0)
    };
    let sets: Vec<String> = data.iter().map(part).collect();
    let mut said = sets.join(", ");
    let steps = metadata["steps"].as_u64().or(recipe["steps"].as_u64());
    if let (Some(steps), Some(batch)) = (steps, recipe["batch"].as_u64()) {
        let images = counted(batch as usize, "image");
        let side = recipe["crop"]["side"].as_u64();
        let side = side.map_or(String::new(), |side| format!(" of {side}×{side} pixels"));
        said = format!("{} steps of {images}{side}: {said}", grouped(steps));
    }
    Some(said)
}

/// What was measured when it was written, with its sample, as its file says.
fn quality(metadata: &Value) -> Option<String> {
    let said: Vec<String> = metadata
        .get("quality")?
        .as_object()?
        .iter()
        .map(|(what, value)| match (what.as_str(), value.as_f64()) {
            ("psnr", Some(value)) => format!("PSNR {value:.1} dB"),
            ("ssim", Some(value)) => format!("SSIM {value:.2}"),
            ("bits_per_pixel", Some(value)) => format!("{value:.2} bpp"),
            (what, _) => format!("{} {value}", what.replace('_', " ")),
        })
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// Draws lines as a table: what it is, and how much of it.
pub fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, lines: &[(&'static str, String)]) {
    egui::Grid::new("tokenizer card").num_columns(2).min_row_height(0.0).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (what, value) in lines {
            ui.label(ctx.theme.label(*what));
            ui.add(egui::Label::new(RichText::new(value).font(ctx.theme.small())).wrap());
            ui.end_row();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_trained_on_is_said_with_shares_and_units() {
        let metadata = serde_json::json!({
            "steps": 10000,
            "recipe": {
                "batch": 16, "steps": 12000, "crop": { "side": 64 },
                "data": [
                    { "weight": 1.0, "from": { "Worlds": 1 } },
                    { "weight": 3.0, "from": { "Path": "assets:photos/photos.tar" } },
                ],
            },
            "quality": { "psnr": 27.31 },
        });
        let said = trained_on(&metadata).unwrap();
        let wanted = "10\u{a0}000 steps of 16 images of 64×64 pixels: 25 % Worlds, 75 % photos.tar";
        assert_eq!(said, wanted);
        assert_eq!(quality(&metadata).unwrap(), "PSNR 27.3 dB");
        assert_eq!((trained_on(&Value::Null), quality(&Value::Null)), (None, None));
    }
}
