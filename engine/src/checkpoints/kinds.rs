//! Files that are no checkpoints, named for what they are, with the step that works for each.

/// What something is, and what to do with it.
pub(super) type Kind = (&'static str, &'static str);

/// A zip archive of `.npy` files.
pub(super) const NUMPY_ZIP: Kind = (
    "a NumPy archive (.npz), not a checkpoint",
    "open it as tokens or as images; for a codebook, save it with safetensors or torch.save",
);
/// Any other zip archive.
pub(super) const ZIP: Kind = (
    "a zip archive without a PyTorch pickle",
    "a PyTorch archive has a `data.pkl`; unpack this one and open the checkpoint in it",
);
/// A pickle with tensors that PyTorch did not write itself.
pub(super) const TORCH_PICKLE: Kind = (
    "a pickle that holds PyTorch's objects, but not one that PyTorch wrote",
    "load it in Python and write it again with `torch.save(thing, path)`",
);
/// A pickle with arrays, none of which can be read.
pub(super) const NUMPY_PICKLE: Kind = (
    "a pickle of NumPy objects, not a checkpoint, and none of its arrays can be read without Python",
    "load it in Python and write the array with `numpy.save(\"array.npy\", array)`",
);
/// Any other pickle.
pub(super) const PICKLE: Kind = (
    "a pickle, but not one that PyTorch wrote, and without arrays of numbers",
    "load it in Python and write its arrays with `numpy.save`, or its weights with `torch.save`",
);

const DOWNLOAD: &str = "this is what a server answers without the file: download it again, signed in \
                        if the file needs that";
const UNPACK: &str = "unpack it, and open the checkpoint or the folder in it";
const SAFETENSORS: &str = "write the weights as safetensors and open that";

/// Beginnings of files, and what they are.
const KNOWN: [(&[u8], Kind); 25] = [
    (b"\x89HDF", ("an HDF5 file (Keras, h5py), not a checkpoint", SAFETENSORS)),
    (b"GGUF", ("a GGUF file of a language model, not a checkpoint", SAFETENSORS)),
    (b"\x93NUMPY", ("a NumPy array, not a checkpoint", "open it as tokens or as images")),
    (b"<!doctype", ("a web page, not a checkpoint", DOWNLOAD)),
    (b"<html", ("a web page, not a checkpoint", DOWNLOAD)),
    (b"<?xml", ("an XML file, mostly an error of a server, not a checkpoint", DOWNLOAD)),
    (b"<", ("a web page, not a checkpoint", DOWNLOAD)),
    (
        b"{",
        (
            "a JSON file, not a checkpoint",
            "open the checkpoint beside it; the configuration is then found by itself",
        ),
    ),
    (b"\x89png", ("a picture, not a checkpoint", "open it as an image")),
    (b"\xff\xd8\xff", ("a picture, not a checkpoint", "open it as an image")),
    (b"GIF8", ("a picture, not a checkpoint", "open it as an image")),
    (b"RIFF", ("a picture, film or sound, not a checkpoint", "open it as an image")),
    (b"\x1f\x8b", ("packed with gzip, not a checkpoint", UNPACK)),
    (b"BZh", ("packed with bzip2, not a checkpoint", UNPACK)),
    (b"\xfd7zXZ", ("packed with xz, not a checkpoint", UNPACK)),
    (b"\x28\xb5\x2f\xfd", ("packed with zstd, not a checkpoint", UNPACK)),
    (b"7z\xbc\xaf", ("a 7-Zip archive, not a checkpoint", UNPACK)),
    (b"Rar!", ("a RAR archive, not a checkpoint", UNPACK)),
    (b"%PDF", ("a PDF, not a checkpoint", "open the checkpoint itself")),
    (b"ONNX", ("an ONNX model, not a checkpoint", SAFETENSORS)),
    (b"\x08\x03\x12", ("probably an ONNX model, not a checkpoint", SAFETENSORS)),
    (b"\x08\x07\x12", ("probably an ONNX model, not a checkpoint", SAFETENSORS)),
    (b"\x08\x08\x12", ("probably an ONNX model, not a checkpoint", SAFETENSORS)),
    (b"import ", ("a Python file, not a checkpoint", "open the checkpoint that it makes")),
    (b"model:", ("a configuration, not a checkpoint", "open the checkpoint beside it")),
];

/// What a file is, told by its first bytes.
pub(super) fn other(head: &[u8]) -> Option<Kind> {
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive, not a checkpoint", UNPACK));
    }
    // Servers put blank lines before a page, editors a mark of the byte order.
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |magic: &[u8]| {
        text.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic))
    };
    KNOWN.iter().find(|(magic, _)| begins(magic)).map(|(_, kind)| *kind)
}
