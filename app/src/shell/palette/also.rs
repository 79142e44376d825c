//! Other words for what has a name: what people call it elsewhere, or see on a button.

/// What stands in a name, and other words for that.
const WORDS: [(&str, &str); 26] = [
    ("save", "export download write"),
    ("copy", "export clipboard"),
    ("png", "picture image bitmap"),
    ("svg", "vector drawing figure"),
    ("csv", "table spreadsheet numbers"),
    ("tokens, .", "export codes array numpy"),
    ("open", "load import file"),
    ("undo", "back revert"),
    ("redo", "again repeat"),
    ("quit", "exit close leave"),
    ("keys and gestures", "help shortcuts keyboard"),
    ("about smalti", "version license help"),
    ("force", "set change edit replace"),
    ("release", "reset clear delete restore"),
    ("lock", "protect freeze hold"),
    ("keep as a variation", "save snapshot state"),
    ("resample", "inpaint regenerate rewrite"),
    ("four variations", "inpaint regenerate resample"),
    ("generat", "sample create paint"),
    ("presentation", "slideshow slides fullscreen hall"),
    ("full screen", "fullscreen maximize"),
    ("text larger", "font size scale bigger settings"),
    ("text smaller", "font size scale settings"),
    ("text as designed", "font size scale reset settings"),
    ("reduced motion", "animation settings"),
    ("menu of the picture", "export save context right click"),
];
/// And of a kind.
const KINDS: [(&str, &str); 4] = [
    ("theme", "color dark light mode settings"),
    ("tokenizer", "model checkpoint"),
    ("generator", "model"),
    ("scene", "demo tour story example"),
];

/// Other words by which something of a name and a kind is found.
pub(super) fn words(name: &str, kind: &str) -> String {
    let name = name.to_lowercase();
    let of_name = WORDS.iter().filter(|(part, _)| name.contains(part));
    let all = of_name.chain(KINDS.iter().filter(|(own, _)| *own == kind));
    all.map(|(_, words)| *words).collect::<Vec<_>>().join(" ")
}
