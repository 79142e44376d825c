//! Documents come back from their files as they were.

use smalti_engine::documents::Blob;
use smalti_engine::images::{self, Picture};
use smalti_engine::questions::{Given, PastedPicture};
use smalti_engine::tokens::Tokens;

use super::super::disk;
use super::*;
use crate::document::{Edit, Generate, Open, RecipeRef, RunFolder, Sampled, Slot};

fn picture() -> Picture {
    Picture::new(3, 2, (0..18).collect::<Vec<u8>>()).unwrap()
}

fn of(document: Document) -> Saved {
    Saved::new(document, None)
}

fn rich() -> Saved {
    let cells = Arc::new([Cell::at(1, 2), Cell::at(0, 5)].into());
    let tokens = Tokens::grid(1, 2, 8, vec![3, smalti_engine::tokens::MASKED]).unwrap();
    let recipe = RecipeRef::Shipped("worlds-fsq".into());
    let run = RunFolder { folder: "runs/worlds-fsq-1".into(), recipe };
    let document = Document::default()
        .after(&Open::Image(ImageRef::Pasted(PastedPicture::new(picture()))).into())
        .after(&Open::Model(Slot::B, ModelRef::Shipped("worlds-vqvae".into())).into())
        .after(&Open::Model(Slot::D, ModelRef::Shipped("worlds-fsq".into())).into())
        .after(&Edit::ForceCells { cells: Arc::clone(&cells), code: 417 }.into())
        .after(&Edit::KeepVariation.into())
        .after(&Edit::ForceCells { cells: Arc::clone(&cells), code: 2 }.into())
        .after(&Edit::KeepVariation.into())
        .after(&Open::Run(Slot::C, run).into())
        .after(
            &Open::Tokens(Given {
                name: "a.npy".into(),
                tokens,
                is_size_assumed: true,
                among: None,
            })
            .into(),
        )
        .after(&Edit::LockCells { cells, locked: true }.into())
        .after(&Edit::switch(Code::first(9), false).into())
        .after(&Edit::PinCode(Code { book: 1, number: 417 }).into());
    Saved::new(document, Some(crate::files::scenes::studio().layout))
}

#[test]
fn a_subject_is_in_the_file_once_however_much_was_done_to_it() {
    let tokens = Tokens::grid(200, 200, 8, vec![3; 40_000]).unwrap();
    let given = Given { name: "a.npy".into(), tokens, is_size_assumed: false, among: None };
    let mut document = Document::default().after(&Open::Tokens(given).into());
    let size =
        |document: &Document| to_bytes(&of(document.clone()), &Carried::Pasted).unwrap().len();
    let alone = size(&document);
    for column in 0..20 {
        let cells = Arc::new([Cell::at(0, column)].into());
        document = document.after(&Edit::ForceCells { cells, code: 2 }.into());
        document = document.after(&Edit::KeepVariation.into());
    }
    assert!(size(&document) < alone + 40_000, "{} and {alone}", size(&document));
    let bytes = to_bytes(&of(document.clone()), &Carried::Pasted).unwrap();
    assert_eq!(from_bytes(&bytes, Path::new("a.smalti")).unwrap().document, document);
}

#[test]
fn a_picture_whose_file_is_gone_before_it_is_saved_is_carried_from_memory() {
    let path = Path::new("gone/a.png");
    let stamp = Stamp { length: 7, ..Stamp::default() };
    let image = ImageRef::File { stamp, path: path.into() };
    let document = Document::default().after(&Open::Image(image.clone()).into());
    let known =
        |asked: &ImageRef| (*asked == image).then(|| images::png_bytes(&picture()).unwrap());
    let bytes = to_bytes(&of(document.clone()), &Carried::Pictures(&known)).unwrap();
    // And from the document's own file when it is saved there again.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.smalti");
    disk::write_whole(&file, &bytes).unwrap();
    let carried = carried_in(&file);
    assert_eq!(carried, [(image, images::png_bytes(&picture()).unwrap())]);
    let none = |_: &ImageRef| None;
    let missing = write(&of(document), &Carried::Pictures(&none)).unwrap().missing;
    assert_eq!(missing, [path], "what is nowhere is said");
    let back = from_bytes(&bytes, Path::new("a.smalti")).unwrap().document;
    match back.subject {
        Some(Subject::Image(ImageRef::Pasted(pasted))) => assert_eq!(pasted.picture, picture()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_carried_picture_is_decoded_once_for_all_variations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    disk::write_whole(&path, &images::png_bytes(&picture()).unwrap()).unwrap();
    let image = ImageRef::File { stamp: disk::stamp(&path), path: path.as_path().into() };
    let cells = Arc::new([Cell::at(0, 0)].into());
    let document = Document::default()
        .after(&Open::Image(image).into())
        .after(&Edit::ForceCells { cells, code: 2 }.into())
        .after(&Edit::KeepVariation.into());
    let none = |_: &ImageRef| None;
    let bytes = to_bytes(&of(document), &Carried::Pictures(&none)).unwrap();
    disk::remove(&path);
    let back = from_bytes(&bytes, Path::new("a.smalti")).unwrap().document;
    let pixels = |subject: &Subject| match subject {
        Subject::Image(ImageRef::Pasted(pasted)) => pasted.picture.rgb().as_ptr(),
        other => panic!("{other:?}"),
    };
    let variation = &back.variations.all()[0].on.subject;
    assert_eq!(pixels(back.subject.as_ref().unwrap()), pixels(variation));
}

#[test]
fn a_document_with_pictures_tokens_and_work_on_both_survives_its_file() {
    let saved = rich();
    let bytes = to_bytes(&saved, &Carried::Pasted).unwrap();
    let mut back = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    let run = Lost { kind: LostKind::Run, path: "runs/worlds-fsq-1".into() };
    assert_eq!(*std::mem::take(&mut back.lost), [run], "its folder is not there");
    assert_eq!(back, saved);
}

#[test]
fn a_picture_whose_file_is_gone_comes_from_the_document_with_the_same_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    disk::write_whole(&path, &images::png_bytes(&picture()).unwrap()).unwrap();
    let document = Document::default().after(&Open::Image(ImageRef::file(&path)).into());
    let bytes = to_bytes(&of(document.clone()), &Carried::Pictures(&|_| None)).unwrap();
    let here = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    assert_eq!(here.document.image(), document.image(), "the file is still there");
    disk::remove(&path);
    let there = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    let Some(ImageRef::Pasted(pasted)) = there.document.image() else { panic!("no picture") };
    assert_eq!(pasted.picture, picture());
    // It is there once, in the place of the file, and that is said.
    let own: Vec<ImageRef> = there.document.image().cloned().into_iter().collect();
    assert_eq!(there.document.opened.images.to_vec(), own);
    assert_eq!((here.copies, there.copies), (Vec::new(), vec![path]));
}

/// Each of the states that are noted by themselves says what was asked: nearly all tokens, which stay.
#[test]
fn many_states_of_many_tokens_are_a_file_of_a_few_megabytes() {
    let side = 64;
    let tokens = Tokens::grid(side, side, 1000, vec![3; side * side]).unwrap();
    let given = Given { name: "a.npy".into(), tokens, is_size_assumed: false, among: None };
    let mut document = Document::default().after(&Open::Tokens(given).into());
    let all = (0..side).flat_map(|row| (0..side).map(move |column| Cell::at(row, column)));
    let all: Vec<Cell> = all.collect();
    for (number, &cell) in all.iter().enumerate().take(64) {
        let stays = all.iter().filter(|other| **other != cell).map(|other| (*other, 500));
        let asked = Asked {
            given: Arc::new(stays.collect()),
            seed: number as u64,
            ..Asked::of(ModelRef::Shipped("worlds-maskgit".into()))
        };
        let sampled = Sampled {
            on: document.work_on().unwrap(),
            asked: Arc::new(asked),
            cells: 1,
            tokens: Arc::new([(cell, 700 + number as u32)]),
            by_hand: Arc::new([Cell::at(5, number)].into()),
        };
        document = document.after(&Generate::Take(Box::new(sampled)).into());
    }
    assert_eq!(document.variations.all().len(), 64);
    let saved = of(document);
    let bytes = to_bytes(&saved, &Carried::Pasted).unwrap();
    assert!(bytes.len() < 2 << 20, "{} bytes, a code takes 4 of them", bytes.len());
    let again = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    assert_eq!(again.document.variations, saved.document.variations);
}

/// The text of a document that the first version wrote.
#[test]
fn a_document_of_the_first_version_still_opens() {
    let text = r#"{"version":1,"image":"Pasted","source":"Samples",
        "size":{"side":256,"mode":"CropCenter","multiple_of":1},
        "model":{"Shipped":"worlds-fsq"},"model_b":{"Shipped":"worlds-vqvae"},
        "edits":[[{"scale":0,"frame":0,"row":1,"column":2},417]],
        "locks":[{"scale":0,"frame":0,"row":0,"column":5}],"switched_off":[9],
        "selection":{"cells":[],"code":417,"pinned":[3]},
        "looks":{"color_by":"Usage"},
        "layout":{"Tabs":{"views":["Tokens","Crystal"],"front":"Crystal"}}}"#;
    let blob = Blob::picture("pasted".to_owned(), &picture());
    let bytes = documents::to_bytes(text.to_owned(), &[blob]).unwrap();
    let Saved { document, layout, .. } = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    assert_eq!(document.edits[&Cell::at(1, 2)], 417);
    assert!(document.locks.contains(&Cell::at(0, 5)));
    assert_eq!(document.model(Slot::B), Some(&ModelRef::Shipped("worlds-vqvae".into())));
    assert!(document.switched_off.contains(&Code::first(9)));
    assert_eq!(document.selection.code, Some(Code::first(417)));
    assert_eq!(&*document.selection.pinned, &[Code::first(3)]);
    let Some(ImageRef::Pasted(pasted)) = document.image() else { panic!("no picture") };
    assert_eq!(pasted.picture, picture());
    let views = vec![crate::document::ViewId::Tokens];
    assert_eq!(layout, Some(Panel::Tabs { views, front: None }), "an unknown view is left out");
}

#[test]
fn newer_versions_and_torn_files_are_refused_with_the_reason() {
    let bytes = to_bytes(&rich(), &Carried::Pasted).unwrap();
    for length in [0, 7, 20, bytes.len() - 1] {
        assert!(from_bytes(&bytes[..length], Path::new("a.smalti")).is_err());
    }
    let newer = documents::to_bytes(r#"{"version":7}"#.to_owned(), &[]).unwrap();
    let error = from_bytes(&newer, Path::new("a.smalti")).unwrap_err();
    assert!(error.to_string().contains("version 7"), "{error}");
    let bare = documents::to_bytes(r#"{"version":2}"#.to_owned(), &[]).unwrap();
    let opened = from_bytes(&bare, Path::new("a.smalti")).unwrap();
    assert_eq!(opened.document, Document::default(), "what is missing has its default");
}

#[test]
fn what_was_opened_and_switched_off_elsewhere_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["hat.png", "cat.png"] {
        images::save_png(&picture(), &at(name)).unwrap();
    }
    disk::write_whole(&at("own.safetensors"), b"weights").unwrap();
    let file = |name: &str| ImageRef::file(at(name));
    let own = ModelRef::File {
        path: at("own.safetensors").into(),
        stamp: Stamp::of(&at("own.safetensors")),
    };
    let document = Document::default()
        .after(&Open::Image(file("hat.png")).into())
        .after(&Open::Image(file("cat.png")).into())
        .after(&Edit::switch(Code::first(9), false).into())
        .after(&Open::Model(Slot::A, own).into());
    let bytes = to_bytes(&of(document.clone()), &Carried::Pasted).unwrap();
    let read = from_bytes(&bytes, Path::new("a.smalti")).unwrap().document;
    assert_eq!(read.opened.images, document.opened.images);
    assert_eq!(read.opened.models.len(), 1);
    assert!(read.has_off_of(&document) && !read.off_elsewhere.is_empty());
}

#[test]
fn a_variation_of_an_older_document_does_not_say_that_all_codes_were_on() {
    let bytes = to_bytes(&rich(), &Carried::Pasted).unwrap();
    let path = Path::new("a.smalti");
    let (json, blobs) = documents::from_bytes(&bytes, path).unwrap();
    let mut text: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        from_bytes(&bytes, path).unwrap().document.variations.all()[1].off,
        Some(Arc::default())
    );
    for variation in text["variations"].as_array_mut().unwrap() {
        variation.as_object_mut().unwrap().remove("off").unwrap();
    }
    let older = documents::to_bytes(text.to_string(), &blobs).unwrap();
    let read = from_bytes(&older, path).unwrap().document;
    assert!(read.variations.all().iter().all(|variation| variation.off.is_none()));
    let again = to_bytes(&of(read.clone()), &Carried::Pasted).unwrap();
    assert_eq!(from_bytes(&again, path).unwrap().document, read, "and it stays unknown");
}

#[test]
fn what_belongs_to_a_checkpoint_that_was_written_over_does_not_take_the_place_of_the_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    disk::write_whole(&path, b"weights").unwrap();
    let now = ModelRef::File { path: path.as_path().into(), stamp: Stamp::default() }.now();
    let before = |modified| {
        let stamp = Stamp { modified, length: 3, ..Stamp::default() };
        ModelRef::File { path: path.as_path().into(), stamp }
    };
    let image = Subject::Image(ImageRef::InSource { source: SourceRef::Samples, index: 0 });
    let read = |models: &[&ModelRef]| {
        let mut document = Document::default();
        let numbered = models.iter().zip(1_u32..);
        document.off_elsewhere = numbered
            .clone()
            .map(|(model, number)| ((*model).clone(), Arc::new([Code::first(number)].into())))
            .collect();
        document.kept = numbered
            .map(|(model, number)| {
                let on = WorkOn::new(image.clone(), document.size, (*model).clone());
                let edits = Arc::new([(Cell::at(0, 0), number)].into());
                (on, Work { edits, ..Work::default() })
            })
            .collect();
        let bytes = to_bytes(&of(document), &Carried::Pasted).unwrap();
        let read = from_bytes(&bytes, Path::new("a.smalti")).unwrap().document;
        let off = read.off_elsewhere.iter();
        let off = off.map(|(model, off)| (model.clone(), off.first().unwrap().number));
        let kept = read.kept.iter();
        let kept = kept.map(|(on, work)| (on.model.clone(), work.edits[&Cell::at(0, 0)]));
        let (off, kept): (Vec<_>, Vec<_>) = (off.collect(), kept.collect());
        assert_eq!(off, kept, "the same for codes and for cells");
        off
    };
    assert_eq!(read(&[&before(1)]), [(now.clone(), 1)], "it goes on with the new file");
    assert_eq!(read(&[&before(1), &now]), [(before(1), 1), (now.clone(), 2)]);
    assert_eq!(read(&[&now, &before(1)]), [(now.clone(), 1), (before(1), 2)]);
    assert_eq!(read(&[&before(1), &before(2)]), [(now.clone(), 1), (before(2), 2)]);
}
