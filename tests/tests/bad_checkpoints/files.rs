//! Small checkpoint files made by hand, so that each can be wrong in one way.

use std::io::Write;

/// A safetensors file of a header and data.
pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// One f32 tensor in a safetensors header.
pub(crate) fn described(name: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

pub(crate) fn text(s: &str) -> Vec<u8> {
    [b"X".as_slice(), &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat()
}

pub(crate) fn int(n: i64) -> Vec<u8> {
    [b"\x8a\x08".as_slice(), &n.to_le_bytes()].concat()
}

pub(crate) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".as_slice(), &items.concat(), b"t"].concat()
}

pub(crate) fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub(crate) fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> =
        entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(".as_slice(), &entries, b"u"].concat()
}

pub(crate) fn call(function: Vec<u8>, arguments: &[Vec<u8>]) -> Vec<u8> {
    [function, tuple(arguments), b"R".to_vec()].concat()
}

/// An f32 tensor that looks into storage `key` of `numel` elements.
pub(crate) fn tensor(
    key: &str,
    numel: i64,
    offset: i64,
    shape: &[i64],
    strides: &[i64],
) -> Vec<u8> {
    let class = global("torch", "FloatStorage");
    let id = tuple(&[text("storage"), class, text(key), text("cpu"), int(numel)]);
    let numbers = |list: &[i64]| tuple(&list.iter().map(|n| int(*n)).collect::<Vec<_>>());
    let hooks = call(global("collections", "OrderedDict"), &[]);
    let storage = [id, b"Q".to_vec()].concat();
    let arguments =
        [storage, int(offset), numbers(shape), numbers(strides), b"\x89".to_vec(), hooks];
    call(global("torch._utils", "_rebuild_tensor_v2"), &arguments)
}

/// A whole pickle of protocol 2.
pub(crate) fn pickle(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02".as_slice(), value, b"."].concat()
}

/// A file in the layout before PyTorch 1.6.
pub(crate) fn legacy(value: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    let mut bytes =
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec();
    bytes.extend(pickle(&dict(&[("little_endian", b"\x88".to_vec())])));
    bytes.extend(pickle(value));
    let keys: Vec<u8> = storages.iter().flat_map(|(key, _)| text(key)).collect();
    bytes.extend(pickle(&[b"](".as_slice(), &keys, b"e"].concat()));
    for (_, values) in storages {
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    }
    bytes
}

/// A zip archive of members; `deflated` compresses them.
pub(crate) fn zip(members: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let method =
        if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A PyTorch archive of a value and one storage "0".
pub(crate) fn torch_zip(value: &[u8], storage: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = storage.iter().flat_map(|x| x.to_le_bytes()).collect();
    let members: [(&str, &[u8]); 3] =
        [("a/data.pkl", &pickle(value)), ("a/byteorder", b"little"), ("a/data/0", &data)];
    zip(&members, false)
}

/// Tensors for a checkpoint: names, shapes and values.
pub(crate) type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Collects values of tensors in one storage, as an archive keeps them.
#[derive(Default)]
pub(crate) struct Saved {
    storage: Vec<f32>,
}

impl Saved {
    /// A dictionary of tensors, each looking at its own part of the storage.
    pub(crate) fn state(&mut self, tensors: &Tensors) -> Vec<u8> {
        let mut entries = Vec::new();
        for (name, shape, values) in tensors {
            let mut strides = vec![1_i64; shape.len()];
            for i in (1..shape.len()).rev() {
                strides[i - 1] = strides[i] * shape[i] as i64;
            }
            let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
            let offset = self.storage.len() as i64;
            // The number of elements is put in when all are known: eight bytes, wherever it stands.
            let value = tensor("0", -1, offset, &shape, &strides);
            self.storage.extend(values);
            entries.push((name.as_str(), value));
        }
        dict(&entries)
    }

    /// The archive of a value made with [`state`](Self::state).
    pub(crate) fn archive(&self, value: &[u8]) -> Vec<u8> {
        let (unknown, known) = (int(-1), int(self.storage.len() as i64));
        let mut value = value.to_vec();
        let mut at = 0;
        while at + unknown.len() <= value.len() {
            if value[at..at + unknown.len()] == unknown[..] {
                value[at..at + unknown.len()].copy_from_slice(&known);
            }
            at += 1;
        }
        torch_zip(&value, &self.storage)
    }
}
