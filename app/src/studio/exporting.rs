//! Taking things away: what was asked for is plain data, and becomes a file away from the window's thread, when it
//! is known where to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, Rect};
use smalti_engine::images::{Picture, png_with_words};
use smalti_engine::questions::ContactSheet;
use smalti_engine::session::Asker;
use smalti_engine::{EngineError, Problem, Result};

use super::Studio;
use crate::ctx::{export_name, words_of};
use crate::document::{
    AppCommand, Command, Drawing, How, Notice, PanelId, PictureFile, Sheet, TableFile, Way,
};
use crate::figures::chart;
use crate::figures::plotting::svg_with_words;
use crate::files::disk::write_whole;
use crate::files::outcome::{Ask, Outcome, Save, notice};
use crate::files::table::csv;
use crate::look::words::name;
use crate::shell::dock;

/// What reads hundreds of images stands in nobody's way: it has a thread of its own, of this name.
const SHEET: &str = "making a sheet";

impl Studio {
    /// Takes a picture away; where to is asked first.
    pub(super) fn export_picture(&self, file: Box<PictureFile>) {
        let ending = match file.how {
            How::Copy => {
                let (asker, reads) = (self.session.asker(), file.drawing.reads_images());
                let copy = move || {
                    let copied = AppCommand::CopyImage(picture_of(&file.drawing, 1, &asker)?);
                    Ok(Outcome::Command(copied.into()))
                };
                if reads {
                    let copy = move || copy().unwrap_or_else(|error| failed(&error));
                    self.is_begun(self.keeping.background.alongside(SHEET, copy));
                } else {
                    self.keeping.background.attempt(copy);
                }
                return;
            }
            How::Svg => "svg",
            How::Png(_) | How::Csv | How::Tokens(_) => "png",
        };
        let name = format!("{}.{ending}", file.name);
        self.keeping.background.ask(Ask::Save { what: Save::Picture(file), name });
    }

    /// Saves numbers; where is asked first.
    pub(super) fn export_table(&self, file: Box<TableFile>) {
        let name = format!("{}.csv", file.name);
        self.keeping.background.ask(Ask::Save { what: Save::Table(file), name });
    }

    /// It is known where a picture goes.
    pub(super) fn write_picture(&self, path: PathBuf, file: PictureFile) {
        let (asker, reads) = (self.session.asker(), file.drawing.reads_images());
        let make = move || picture_bytes(&file, &asker);
        if reads {
            let save = move || notice(saved(&path, make));
            self.is_begun(self.keeping.background.save_alongside(SHEET, save));
        } else {
            self.write(path, make);
        }
    }

    /// What was picked and is offered no more says so.
    pub(super) fn end_offers(&mut self) {
        if self.offers.end_menu() {
            let hint = "Click into the view whose picture you mean, then ask again".to_owned();
            let summary = "No picture with a menu is here";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
        }
        match self.offers.end_frame() {
            Some((name, Way::Press)) => {
                self.notices.add(Notice::info(format!("{name}: that is not there any more")));
            }
            Some((name, Way::Take(_))) => {
                let hint = "Bring it to the front first";
                self.notices.add(Notice::warning(format!("{name} is not seen any more"), hint));
            }
            None => {}
        }
    }

    /// Says why work of its own could not begin, if it did not.
    fn is_begun(&self, begun: Result<()>) {
        if let Err(error) = begun {
            self.keeping.background.say(failed(&error));
        }
    }

    /// It is known where numbers go.
    pub(super) fn write_table(&self, path: PathBuf, file: TableFile) {
        self.write(path, move || Ok(csv(&file.table).into_bytes()));
    }

    /// Makes a file and says so, or why it could not be; the file that was there stays whole.
    pub(super) fn write(
        &self,
        path: PathBuf,
        make: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
    ) {
        self.keeping.background.save(move || Ok(notice(saved(&path, make))));
    }

    /// Asks for the window's pixels; they come when this frame is on the screen.
    pub(super) fn export_window(&self, panel: Option<PanelId>, how: How, ctx: &egui::Context) {
        let tell = self.keeping.background.teller();
        ctx.request_screenshot(move |image| tell(Outcome::Screen(panel, how, image)));
    }

    /// The window's pixels are there.
    pub(super) fn take_screen(
        &self,
        (panel, how): (Option<PanelId>, How),
        image: Arc<ColorImage>,
        ctx: &egui::Context,
    ) {
        let tree = self.drawn();
        let area = panel.map(|panel| {
            let tile = tree.tiles.find_pane(&panel);
            tile.and_then(|tile| tree.tiles.rect(tile)).unwrap_or(Rect::NOTHING)
        });
        let scale = ctx.pixels_per_point();
        let what =
            panel.map_or_else(|| "window".to_owned(), |panel| dock::name(panel).to_lowercase());
        let about = format!("the {what} of Smalti as it was seen");
        let (of, model) =
            ((self.history.document(), &self.session), &self.history.document().model);
        let file_name = export_name(of, &what.replace(' ', "-"), None);
        let words = words_of(of, &about, Some(model), None);
        self.keeping.background.attempt(move || {
            let drawing = Drawing::Pixels(part_of(&image, area, scale)?);
            let file = PictureFile { name: file_name, drawing, words, how };
            Ok(Outcome::Command(Command::from(AppCommand::ExportPicture(Box::new(file)))))
        });
    }
}

/// Writes a file and says so, or why it could not be.
fn saved(path: &Path, make: impl FnOnce() -> Result<Vec<u8>>) -> Notice {
    match make().and_then(|bytes| write_whole(path, &bytes)) {
        Ok(()) => is_saved(path),
        Err(error) => not_saved(path, error.problem()),
    }
}

/// Something is in a file now, and where that is.
pub(super) fn is_saved(path: &Path) -> Notice {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let hint = folder.map(|folder| format!("In {}", folder.display())).unwrap_or_default();
    Notice { hint, ..Notice::info(format!("Saved {}", name(path))) }
}

fn failed(error: &EngineError) -> Outcome {
    notice(error.problem().into())
}

/// Why something is not in a file now.
pub(super) fn not_saved(path: &Path, problem: Problem) -> Notice {
    let summary = format!("{} was not saved: {}", name(path), problem.summary);
    let hint = if problem.hint.is_empty() { "Save it elsewhere".to_owned() } else { problem.hint };
    Notice::error(summary, hint)
}

/// The picture of a drawing. Waits for the images of a sheet.
fn picture_of(drawing: &Drawing, times: u32, asker: &Asker) -> Result<Picture> {
    match drawing {
        Drawing::Pixels(picture) => picture.enlarged(times),
        Drawing::Chart(chart) => chart::picture(chart, times),
        Drawing::Sheet(Sheet { images, columns, side }) => {
            // Not enlarged: the images have more to show.
            let (images, side) = (Arc::clone(images), side * times);
            let made = asker.wait(&ContactSheet { images, columns: *columns, side });
            let problem = |why: Problem| EngineError::bad_input("sheet", why.summary, why.hint);
            Ok(Picture::clone(&*made.map_err(problem)?))
        }
    }
}

fn picture_bytes(file: &PictureFile, asker: &Asker) -> Result<Vec<u8>> {
    let words = titled(&file.drawing, file.words.clone());
    match (&file.drawing, file.how) {
        (Drawing::Chart(chart), How::Svg) => {
            Ok(svg_with_words(&chart::svg(chart)?, &words).into_bytes())
        }
        (drawing, How::Png(times)) => png_with_words(&picture_of(drawing, times, asker)?, &words),
        (drawing, _) => png_with_words(&picture_of(drawing, 1, asker)?, &words),
    }
}

/// What a file says of itself; a figure with its own title, since it may be of a whole set and not of the image.
fn titled(drawing: &Drawing, mut words: Vec<(String, String)>) -> Vec<(String, String)> {
    if let Drawing::Chart(chart) = drawing {
        words.push(("Title".to_owned(), chart.title.clone()));
    }
    words
}

/// The pixels of an area in points; of all without one.
fn part_of(image: &ColorImage, area: Option<Rect>, scale: f32) -> Result<Picture> {
    let [width, height] = image.size;
    let whole = Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(width as f32, height as f32));
    let part = area.map_or(whole, |area| (area * scale).intersect(whole));
    if !part.is_positive() {
        let hint = "Bring it to the front first";
        return Err(EngineError::bad_input("view", "it is not seen", hint));
    }
    let (left, right) = (part.left().round() as usize, part.right().round() as usize);
    let (top, bottom) = (part.top().round() as usize, part.bottom().round() as usize);
    let lines = image.pixels.chunks_exact(width.max(1)).take(bottom).skip(top);
    let pixels = lines.flat_map(|line| line.get(left..right).unwrap_or_default());
    let rgb: Vec<u8> = pixels.flat_map(|color| [color.r(), color.g(), color.b()]).collect();
    Picture::new((right - left) as u32, (bottom - top) as u32, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Color32, pos2};

    #[test]
    fn what_is_saved_is_said_with_its_folder() {
        let said = is_saved(Path::new("/pictures/own/a.png"));
        assert_eq!((&*said.summary, &*said.hint), ("Saved a.png", "In /pictures/own"));
        assert_eq!(is_saved(Path::new("a.png")).hint, "");
    }

    #[test]
    fn a_view_is_cut_out_of_the_window_at_any_scale() {
        let pixels = (0..24).map(Color32::from_gray).collect();
        let image = ColorImage::new([6, 4], pixels);
        let area = Rect::from_min_max(pos2(1.0, 0.5), pos2(2.0, 9.0));
        let part = part_of(&image, Some(area), 2.0).unwrap();
        assert_eq!((part.width(), part.height()), (2, 3));
        assert_eq!(part.pixel(0, 0), Some([8; 3]));
        assert_eq!(part.pixel(1, 2), Some([21; 3]));
        assert_eq!(part_of(&image, None, 2.0).unwrap().width(), 6);
        assert!(part_of(&image, Some(Rect::NOTHING), 1.0).is_err());
    }
}
