//! A checkpoint of no known family: its tensors and what in it may be a codebook.

use std::path::Path;

use smalti_engine::checkpoints::{
    Checkpoint, candidate_usage, candidate_values, codebook_candidates, norm, read, tensor_rows,
};
use smalti_tests::{case, fixture};

use crate::files::{Saved, Tensors};
use crate::open;

fn bare(list: &[(&str, &[usize])]) -> Checkpoint {
    let tensors: Tensors = list
        .iter()
        .enumerate()
        .map(|(i, (name, shape))| {
            let n: usize = shape.iter().product();
            let values = (0..n).map(|j| (i * 1000 + j) as f32 * 0.25).collect();
            ((*name).to_owned(), shape.to_vec(), values)
        })
        .collect();
    let mut saved = Saved::default();
    let value = saved.state(&tensors);
    open("x.pth", saved.archive(&value)).unwrap()
}

fn names(read: &Checkpoint) -> Vec<String> {
    codebook_candidates(read).into_iter().map(|c| c.tensor).collect()
}

#[test]
fn tensors_are_listed_with_shape_type_and_norm() {
    let read = read(&fixture("containers").join("zip.ckpt")).unwrap();
    let rows = tensor_rows(&read);
    assert_eq!(rows.len(), read.tensors.len() + read.others.len());
    for row in &rows {
        let entry = read.tensors.get(&row.name).or_else(|| read.others.get(&row.name)).unwrap();
        assert_eq!((row.shape.as_slice(), row.dtype), (entry.shape(), entry.dtype().name()));
        let plain: f64 =
            entry.values().unwrap().iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        let got = norm(&read, &row.name).unwrap().unwrap();
        let same = (got - plain.sqrt()).abs() <= 1e-9 * plain.sqrt().max(1.0);
        assert!(same || !plain.is_finite(), "{}: {got} {}", row.name, plain.sqrt());
    }
    let error = norm(&read, "nothing").unwrap_err();
    assert!(error.is_bad_input() && error.to_string().contains("\"nothing\""), "{error}");
}

#[test]
fn codebooks_are_found_by_name_shape_and_what_is_beside_them() {
    let read = bare(&[
        ("encoder.conv.weight", &[64, 32, 3]),
        ("encoder.pos_embed.weight", &[196, 64]),
        ("decoder.mlp.fc.weight", &[256, 64]),
        ("quantizer.layers.0._codebook.embed", &[1, 128, 16]),
        ("quantizer.layers.0._codebook.embed_avg", &[1, 128, 16]),
        ("quantizer.layers.0._codebook.cluster_size", &[1, 128]),
        ("text.token_embedding.weight", &[512, 64]),
        ("norm.weight", &[64]),
    ]);
    let found = codebook_candidates(&read);
    assert_eq!(found.len(), 1, "{found:?}");
    let first = &found[0];
    assert_eq!(first.tensor, "quantizer.layers.0._codebook.embed");
    assert_eq!((first.size, first.dim), (128, 16));
    assert_eq!(first.usage.as_deref(), Some("quantizer.layers.0._codebook.cluster_size"));
    for word in ["codebook", "128 codes of 16", "cluster_size"] {
        assert!(first.why.contains(word), "{word}: {}", first.why);
    }
    let (k, d, values) = candidate_values(&read, &first.tensor).unwrap();
    assert_eq!((k, d), (128, 16));
    let entry = &read.tensors[&first.tensor];
    assert_eq!(values, entry.values().unwrap());
    let usage = candidate_usage(&read, first.usage.as_ref().unwrap()).unwrap();
    assert_eq!(usage.len(), 128);
}

#[test]
fn codes_that_are_columns_are_turned() {
    // As in the VQ-VAE of Sonnet: (D, K), with K numbers of use.
    let read = bare(&[("quantize_t.embed", &[4, 20]), ("quantize_t.cluster_size", &[20])]);
    let found = codebook_candidates(&read);
    assert_eq!((found[0].size, found[0].dim), (20, 4));
    let (k, d, values) = candidate_values(&read, "quantize_t.embed").unwrap();
    let plain = read.tensors["quantize_t.embed"].values().unwrap();
    for code in 0..k {
        for i in 0..d {
            assert_eq!(values[code * d + i], plain[i * k + code], "code {code}, number {i}");
        }
    }
}

#[test]
fn several_codebooks_in_one_tensor_are_offered_one_by_one() {
    let read = bare(&[("vq.codebooks", &[3, 32, 8])]);
    assert_eq!(names(&read), ["vq.codebooks[0]", "vq.codebooks[1]", "vq.codebooks[2]"]);
    let (_, _, second) = candidate_values(&read, "vq.codebooks[1]").unwrap();
    assert_eq!(second, read.tensors["vq.codebooks"].values().unwrap()[256..512]);
    let error = candidate_values(&read, "vq.codebooks[3]").unwrap_err().to_string();
    assert!(error.contains("holds 3 codebooks"), "{error}");
}

#[test]
fn each_of_several_codebooks_has_a_row_of_their_use() {
    let read = bare(&[("vq.codebook.embed", &[3, 32, 8]), ("vq.codebook.cluster_size", &[3, 32])]);
    let found = codebook_candidates(&read);
    assert_eq!(found.len(), 3, "{found:?}");
    let counts = read.tensors["vq.codebook.cluster_size"].values().unwrap();
    for (book, candidate) in found.iter().enumerate() {
        let usage = candidate.usage.as_ref().unwrap();
        assert_eq!(*usage, format!("vq.codebook.cluster_size[{book}]"));
        let row = candidate_usage(&read, usage).unwrap();
        assert_eq!(row, counts[32 * book..32 * (book + 1)]);
    }
}

#[test]
fn usage_is_found_under_the_names_of_many_projects() {
    for (book, usage) in [
        ("quantize.embedding.weight", "quantize.embedding.cluster_size"),
        ("quantize.embedding.weight", "quantize.cluster_size"),
        ("vq_layer._embedding.weight", "vq_layer._ema_cluster_size"),
        ("quantize.embedding.weight", "quantize.embed_prob"),
        ("model.codebook.embeddings", "model.codebook.N"),
        ("vq.codebook", "vq.usage"),
    ] {
        let read = bare(&[(book, &[24, 6]), (usage, &[24]), ("a.cluster_size", &[24])]);
        let found = codebook_candidates(&read);
        assert_eq!(found[0].tensor, book);
        assert_eq!(found[0].usage.as_deref(), Some(usage), "{book}");
    }
    // Hits of several scales are summed.
    let read =
        bare(&[("quantize.embedding.weight", &[24, 6]), ("quantize.ema_vocab_hit_SV", &[2, 24])]);
    let usage = codebook_candidates(&read)[0].usage.clone().unwrap();
    let hits = read.tensors[&usage].values().unwrap();
    let summed = candidate_usage(&read, &usage).unwrap();
    assert!((0..24).all(|i| summed[i] == hits[i] + hits[24 + i]));
}

#[test]
fn without_a_telling_name_the_shape_alone_is_offered() {
    let read = bare(&[("table", &[64, 8]), ("other", &[8, 8]), ("vector", &[64])]);
    assert_eq!(names(&read), ["table"]);
    let error = candidate_values(&read, "other").unwrap_err().to_string();
    assert!(error.contains("which is no codebook"), "{error}");
}

#[test]
fn codebooks_of_files_that_people_have_are_found() {
    let taming = fixture("taming_vqmodel").join("weights.ckpt");
    let llamagen = fixture("llamagen_vq").join("weights.pt");
    for (path, name) in [
        (taming.as_path(), "quantize.embedding.weight"),
        (llamagen.as_path(), "quantize.embedding.weight"),
        (Path::new(&case("numpy_pickle.pkl")), "codebook"),
    ] {
        let read = read(path).unwrap();
        // What stands outside of the root (the last weights beside averaged ones) comes behind.
        assert_eq!(names(&read)[0], name, "{}", path.display());
    }
}
