//! A network's hyper-parameters from the names and shapes of its tensors.

use std::collections::BTreeMap;

use super::recognize::{Family, Shapes};
use crate::quantizers::{BetaPlacement, CodebookUpdate, QuantizerConfig, VqConfig};
pub(super) use crate::tokenizers::ldm::shapes::count;
use crate::tokenizers::ldm::shapes::level_names;
use crate::tokenizers::{LdmConfig, Naming, TokenizerConfig};

/// The configuration that the tensors were made with, as far as shapes tell it.
///
/// `None` if something that decides it is missing. What shapes cannot tell is filled in as the family
/// publishes it: 32 groups a norm, and for LlamaGen codes of length one.
pub(super) fn configuration(
    name: &str,
    family: Family,
    shapes: &Shapes<'_>,
) -> Option<TokenizerConfig> {
    let naming = match family {
        Family::Taming => Naming::Taming,
        Family::LlamaGen => Naming::LlamaGen,
        _ => return None,
    };
    let network = LdmConfig::from_shapes(naming, shapes)?;
    let codes = u32::try_from(*shapes.get("quantize.embedding.weight")?.first()?).ok()?;
    let (normalize, placement) = match naming {
        Naming::Taming => (false, BetaPlacement::Codebook),
        Naming::LlamaGen => (true, BetaPlacement::Commitment),
    };
    let update = CodebookUpdate::Gradient;
    let vq = VqConfig { codes, placement, normalize, update, ..VqConfig::default() };
    Some(TokenizerConfig { name: name.to_owned(), network, quantizer: QuantizerConfig::Vq(vq) })
}

/// The tensors that a network of this configuration has, by name.
pub(super) fn expected(config: &TokenizerConfig) -> BTreeMap<String, Vec<usize>> {
    let network = &config.network;
    let mut list = List { network, tensors: BTreeMap::new() };
    let levels = network.ch_mult.len();
    let last = network.channels(levels - 1);
    list.conv("encoder.conv_in", network.in_channels, network.ch, 3);
    let mut channels = network.ch;
    for level in 0..levels {
        list.level("encoder", level, network.num_res_blocks, &mut channels);
        if level + 1 < levels {
            let name = format!("{}.downsample.conv", list.level_name("encoder", level));
            list.conv(&name, channels, channels, 3);
        }
    }
    list.end("encoder", last, channels, network.encoded());
    list.conv("quant_conv", network.encoded(), network.embed_dim, 1);
    list.conv("post_quant_conv", network.embed_dim, network.z_channels, 1);
    list.conv("decoder.conv_in", network.z_channels, last, 3);
    let mut channels = last;
    for level in (0..levels).rev() {
        list.level("decoder", level, network.decoder_blocks(), &mut channels);
        if level > 0 {
            let name = format!("{}.upsample.conv", list.level_name("decoder", level));
            list.conv(&name, channels, channels, 3);
        }
    }
    list.end("decoder", last, channels, network.out_ch);
    let codes = config.quantizer.codebook_size() as usize;
    list.tensors.insert("quantize.embedding.weight".to_owned(), vec![codes, network.embed_dim]);
    list.tensors
}

struct List<'a> {
    network: &'a LdmConfig,
    tensors: BTreeMap<String, Vec<usize>>,
}

impl List<'_> {
    fn conv(&mut self, name: &str, inputs: usize, outputs: usize, kernel: usize) {
        self.tensors.insert(format!("{name}.weight"), vec![outputs, inputs, kernel, kernel]);
        self.tensors.insert(format!("{name}.bias"), vec![outputs]);
    }

    fn norm(&mut self, name: &str, channels: usize) {
        self.tensors.insert(format!("{name}.weight"), vec![channels]);
        self.tensors.insert(format!("{name}.bias"), vec![channels]);
    }

    fn block(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.norm(&format!("{name}.norm1"), inputs);
        self.conv(&format!("{name}.conv1"), inputs, outputs, 3);
        self.norm(&format!("{name}.norm2"), outputs);
        self.conv(&format!("{name}.conv2"), outputs, outputs, 3);
        if inputs != outputs {
            self.conv(&format!("{name}.nin_shortcut"), inputs, outputs, 1);
        }
    }

    fn attention(&mut self, name: &str, channels: usize) {
        self.norm(&format!("{name}.norm"), channels);
        for part in ["q", "k", "v", "proj_out"] {
            self.conv(&format!("{name}.{part}"), channels, channels, 1);
        }
    }

    fn level_name(&self, half: &str, level: usize) -> String {
        let (down, up, _) = level_names(self.network.naming);
        match (half, self.network.naming) {
            ("encoder", _) => format!("{down}.{level}"),
            (_, Naming::Taming) => format!("{up}.{level}"),
            // LlamaGen's decoder counts from the coarsest level.
            (_, Naming::LlamaGen) => format!("{up}.{}", self.network.ch_mult.len() - 1 - level),
        }
    }

    fn level(&mut self, half: &str, level: usize, blocks: usize, channels: &mut usize) {
        let (_, _, block) = level_names(self.network.naming);
        let (name, outputs) = (self.level_name(half, level), self.network.channels(level));
        for i in 0..blocks {
            self.block(&format!("{name}.{block}.{i}"), *channels, outputs);
            if self.network.attention_at(level) {
                self.attention(&format!("{name}.attn.{i}"), outputs);
            }
            *channels = outputs;
        }
    }

    /// The blocks at the coarsest size, and the last norm and convolution.
    fn end(&mut self, half: &str, coarsest: usize, channels: usize, outputs: usize) {
        let [first, attention, second] = match self.network.naming {
            Naming::Taming => ["mid.block_1", "mid.attn_1", "mid.block_2"],
            Naming::LlamaGen => ["mid.0", "mid.1", "mid.2"],
        };
        if self.network.mid {
            self.block(&format!("{half}.{first}"), coarsest, coarsest);
            self.block(&format!("{half}.{second}"), coarsest, coarsest);
            if self.network.mid_attention {
                self.attention(&format!("{half}.{attention}"), coarsest);
            }
        }
        self.norm(&format!("{half}.norm_out"), channels);
        self.conv(&format!("{half}.conv_out"), channels, outputs, 3);
    }
}
