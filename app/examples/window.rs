//! Opens the window on files and nothing else; for looking at it while the program is built.

fn main() -> eframe::Result {
    let mut options = smalti::studio::StudioOptions::new("assets");
    options.files = std::env::args().skip(1).map(Into::into).collect();
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Smalti")
            .with_inner_size([1280.0, 800.0]),
        ..Default::default()
    };
    eframe::run_native(
        "smalti",
        native,
        Box::new(move |cc| Ok(Box::new(smalti::studio::Studio::new(cc, options)?))),
    )
}
