//! The tokenizer inside of Janus, as transformers publishes it: in shards with much else, found by its
//! configuration.

use smalti_engine::checkpoints::open_tokenizer;
use smalti_tests::{assert_close, count, device, fixture, load_config, load_io, number};

#[test]
fn parity_of_janus_pictures_of_generated_tokens() {
    let (config, io) = (load_config("janus"), load_io("janus"));
    let opened = open_tokenizer(&fixture("janus"), &device()).unwrap();
    let found = &opened.recognized;
    assert_eq!((&*found.family, &found.problems), ("Janus VQ", &Vec::new()));
    assert!(found.notes.iter().any(|note| note.contains("below model.vqmodel")), "{found:?}");
    let tokenizer = &*opened.tokenizer;
    assert_eq!(tokenizer.facts().codebook_size() as usize, count(&config, "vq_codes"));
    let grid = count(&config, "grid");
    for run in ["greedy", "sample"] {
        let tokens = io.u32s(&format!("{run}.tokens"));
        let images = tokens.len() / (grid * grid);
        let codes = candle_core::Tensor::from_vec(tokens, (images, grid, grid), &device()).unwrap();
        let latents = tokenizer.dequantize(&[codes]).unwrap();
        let decoded = tokenizer.decode(&latents).unwrap();
        let wanted = io.tensor(&format!("{run}.image")).permute((0, 3, 1, 2)).unwrap();
        assert_close(run, &decoded, &wanted, number(&config, "tolerance/image_abs"), 0.0);
    }
}
