//! Tests of the family as a whole.

use candle_core::{Device, Tensor};

use super::*;
use crate::images::Picture;
use crate::quantizers::{FsqConfig, QuantizerConfig, VqConfig};
use crate::random::{Noise, Purpose};
use crate::tokenizers::{build, detokenize, tokenize};

/// A network with everything in it, small enough for finite differences.
pub(super) fn tiny(naming: Naming, quantizer: QuantizerConfig) -> TokenizerConfig {
    let network = LdmConfig {
        naming,
        ch: 4,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: vec![4],
        resolution: 8,
        z_channels: 3,
        embed_dim: 2,
        norm_groups: 2,
        norm_eps: 1e-6,
        ..LdmConfig::default()
    };
    TokenizerConfig { name: "tiny".to_owned(), network, quantizer }
}

pub(super) fn noise(shape: (usize, usize, usize, usize), cell: u64) -> Tensor {
    let noise = Noise::new(5, Purpose::Test, 0, cell);
    let n = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..n as u32).map(|lane| noise.normal(lane) * 0.5).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(super) fn rules() -> [QuantizerConfig; 2] {
    [
        QuantizerConfig::Vq(VqConfig { codes: 6, ..VqConfig::default() }),
        QuantizerConfig::Fsq(FsqConfig { levels: vec![5, 4], ..FsqConfig::default() }),
    ]
}

fn picture(width: u32, height: u32) -> Picture {
    let noise = Noise::new(9, Purpose::Test, 0, 0);
    let bytes: Vec<u8> = (0..width * height * 3).map(|at| noise.below(at, 256) as u8).collect();
    Picture::new(width, height, bytes).unwrap()
}

#[test]
fn any_size_that_divides_becomes_a_grid_and_a_picture_of_that_size() {
    for rule in rules() {
        let config = tiny(Naming::Taming, rule);
        let tokenizer = build(&config, &Weights::fresh(1, &Device::Cpu)).unwrap();
        assert_eq!(tokenizer.facts().factor, 2);
        for (w, h) in [(2, 2), (8, 8), (6, 14), (64, 2)] {
            let grid = tokenize(tokenizer.as_ref(), &picture(w, h)).unwrap();
            assert_eq!((grid.width(), grid.height()), (w as usize / 2, h as usize / 2));
            let back = detokenize(tokenizer.as_ref(), &grid).unwrap();
            assert_eq!((back.width(), back.height()), (w, h));
        }
        let error = tokenize(tokenizer.as_ref(), &picture(7, 8)).unwrap_err().to_string();
        assert!(error.contains("7x8") && error.contains("divide by 2"), "{error}");
    }
}
