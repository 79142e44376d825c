//! Published files of masked generators are recognized, and write pictures by our own sampler.

use smalti_engine::generators::{
    Generation, OpenedGenerator, Painter, Request, Schedule, Unmasking, UnmaskingOrder,
    open_generator,
};
use smalti_engine::tokens::{MASKED, Part, PartShape, Tokens};
use smalti_tests::{count, device, fixture, load_config};

const FAMILIES: [(&str, &str); 3] = [
    ("maskgit", "maskgit"),
    ("maskgit_halton", "maskgit-halton"),
    ("titok_imagebert", "titok-imagebert"),
];

/// The tokens of a picture, of which some are given.
fn painted(opened: OpenedGenerator, order: UnmaskingOrder) -> (Tokens, Tokens) {
    let painter = Painter::new(opened.network, None).unwrap();
    let config = painter.config().clone();
    let shape = config.layout[0];
    let given = (0..config.cells() as u32).map(|at| if at % 5 == 0 { at % 7 } else { MASKED });
    let given = Part::new(shape, config.codes, given.collect::<Vec<_>>()).unwrap();
    let given = Tokens::new([given]).unwrap();
    let schedule = Schedule::parse("0:1,0.5:0.8,1:0").unwrap();
    let unmasking =
        Unmasking { steps: 6, schedule, order, self_correction: 3, ..Unmasking::default() };
    let plain = Request::new(&config, Some(1), 5).unwrap();
    let mut request = Request { given: given.clone(), unmasking, ..plain };
    request.sampling.guidance = 2.0;
    let mut generation = Generation::new(painter, request, None).unwrap();
    let mut last = None;
    while let Some(step) = generation.next_step().unwrap() {
        assert_eq!(step.forward_passes, 2);
        last = Some(step.tokens);
    }
    (given, last.unwrap())
}

#[test]
fn parity_masked_files_are_recognized_and_write_what_is_not_given() {
    for (name, id) in FAMILIES {
        let config = load_config(name);
        for order in UnmaskingOrder::ALL {
            let opened = open_generator(&fixture(name).join("weights.pth"), &device()).unwrap();
            assert_eq!(opened.metadata["family"], id);
            let own = opened.network.config();
            assert_eq!(own.codes as usize, count(&config, "codebook_size"));
            assert_eq!(own.classes.len(), count(&config, "nclass"));
            let shape = if config["grid"].is_null() {
                PartShape::grid(1, count(&config, "seq"))
            } else {
                PartShape::grid(count(&config, "grid"), count(&config, "grid"))
            };
            assert_eq!(own.layout, [shape], "{name}");
            let (given, written) = painted(opened, order);
            assert_eq!(written.first_masked(), None, "{name}");
            for (cell, token) in given.cells().filter(|(_, token)| token.is_some()) {
                assert_eq!(written.get(cell), token, "{name} {cell}");
            }
        }
    }
}

#[test]
fn parity_masked_files_alone_say_what_is_assumed_or_missing() {
    let desk = tempfile::tempdir().unwrap();
    for (name, id) in FAMILIES {
        let path = desk.path().join(format!("{id}.pth"));
        std::fs::copy(fixture(name).join("weights.pth"), &path).unwrap();
        // Its ids are codes and classes together, and the published ones have 1000 classes.
        let are_too_few = name == "maskgit" && count(&load_config(name), "embedding_rows") <= 1002;
        match open_generator(&path, &device()) {
            Err(error) => {
                assert!(are_too_few, "{name}: {error}");
                let problem = error.problem().to_string();
                assert!(
                    problem.contains("1000 classes") && problem.contains("nclass"),
                    "{problem}"
                );
            }
            Ok(opened) => {
                assert!(!are_too_few, "{name}");
                let notes = opened.notes.join("; ");
                assert!(notes.contains("heads of attention are assumed"), "{notes}");
            }
        }
    }
}
