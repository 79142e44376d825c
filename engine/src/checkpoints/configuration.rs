//! The configuration beside a checkpoint, as its project writes it: YAML or JSON, read as JSON.
//!
//! YAML as PyYAML and OmegaConf write it: anchors and merge keys are followed (within a budget, for
//! eight lines of anchors can stand for a terabyte), tags are passed over, `${a.b}` stands for the
//! value at `a.b`. Source: yaml.org's specification 1.2, and 1.1 for what PyYAML does otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::folder;
use crate::images::file::read_file;

/// Larger files are no configurations of networks.
const MAX_BYTES: u64 = 1 << 20;
/// Values that a configuration may unfold to, and the deepest nesting.
const MAX_VALUES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// A configuration that lies beside a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// The file.
    pub path: PathBuf,
    /// What it says; null if it cannot be read.
    pub value: Value,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// The configuration beside a checkpoint, or in a model's folder; `None` if there is none.
///
/// One that cannot be read does not stop the checkpoint: it is given with its problem.
pub fn beside(path: &Path) -> Option<Beside> {
    let path = folder::configuration(path)?;
    Some(match parse_file(&path) {
        Ok(mut value) => {
            // A configuration under a name of its own may stand beside a general one.
            if let Some(general) = general(&path) {
                add_missing(&mut value, parse_file(&general).ok());
            }
            Beside { path, value, problem: None }
        }
        Err(problem) => Beside { path, value: Value::Null, problem: Some(problem) },
    })
}

/// The general configuration beside one under a name of its own.
fn general(path: &Path) -> Option<PathBuf> {
    let is_particular = path.file_name().is_some_and(|name| name == "titok_config.json");
    is_particular.then(|| path.with_file_name("config.json"))
}

/// The files that [`beside`] reads.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let Some(own) = folder::configuration(path) else { return Vec::new() };
    let general = general(&own);
    std::iter::once(own).chain(general).collect()
}

/// Adds to an object what another says beyond it.
fn add_missing(value: &mut Value, other: Option<Value>) {
    if let (Value::Object(all), Some(Value::Object(other))) = (value, other) {
        for (key, said) in other {
            all.entry(key).or_insert(said);
        }
    }
}

fn parse_file(path: &Path) -> Result<Value, String> {
    let bytes = read_file(path, MAX_BYTES).map_err(|e| e.problem().summary)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| format!("is no text: {e}"))?;
    let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let value = if json {
        serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))?
    } else {
        yaml(text)?
    };
    if value.is_object() { Ok(value) } else { Err("holds no names with values".to_owned()) }
}

/// A YAML document as JSON; of several, the first.
fn yaml(text: &str) -> Result<Value, String> {
    let mut builder = Builder { open: vec![], anchors: BTreeMap::new(), left: MAX_VALUES };
    let mut value = Value::Null;
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (event, span) = event.map_err(|e| format!("is no YAML: {e}"))?;
        let line = span.start.line();
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        if let Some(whole) = builder.take(event).map_err(|e| format!("line {line}: {e}"))? {
            value = whole;
        }
    }
    let mut left = builder.left;
    let whole = value.clone();
    interpolate(&mut value, &whole, &mut left);
    Ok(value)
}

/// A sequence or mapping that is not finished.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

struct Builder {
    open: Vec<(Open, usize)>,
    /// Values with an anchor, and how many values each holds.
    anchors: BTreeMap<usize, (Value, usize)>,
    /// Values that may still be made.
    left: usize,
}

impl Builder {
    fn spend(&mut self, values: usize) -> Result<(), String> {
        let left = self.left.checked_sub(values);
        self.left = left.ok_or("unfolds to more values than any configuration has")?;
        Ok(())
    }

    /// Takes an event; gives the document when it is complete.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Value>, String> {
        match event {
            Event::SequenceStart(anchor, _) => self.begin(Open::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => self.begin(Open::Map(Map::new(), None), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((open, anchor)) = self.open.pop() {
                    let value = match open {
                        Open::List(items) => Value::Array(items),
                        Open::Map(map, _) => Value::Object(merged(map)),
                    };
                    return self.put(value, anchor);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let text_wanted = tag.is_some_and(|tag| tag.suffix == "str");
                let value = if plain && !text_wanted { scalar(&text) } else { text.into() };
                self.spend(1)?;
                return self.put(value, anchor);
            }
            Event::Alias(anchor) => {
                let Some((_, n)) = self.anchors.get(&anchor) else {
                    return Err("an alias inside of what it stands for".to_owned());
                };
                self.spend(*n)?;
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone());
                return self.put(value.unwrap_or_default(), 0);
            }
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, open: Open, anchor: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH}"));
        }
        self.spend(1)?;
        self.open.push((open, anchor));
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<Option<Value>, String> {
        if anchor != 0 {
            let n = count(&value);
            // Kept once more under its anchor.
            self.spend(n)?;
            self.anchors.insert(anchor, (value.clone(), n));
        }
        match self.open.last_mut() {
            None => return Ok(Some(value)),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Map(map, key), _)) => match key.take() {
                None => *key = Some(as_key(value)),
                Some(key) => {
                    map.insert(key, value);
                }
            },
        }
        Ok(None)
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        Value::String(text) => text.len() / 64,
        _ => 0_usize,
    }
}

fn as_key(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A mapping with what `<<` names put in; its own values win.
fn merged(mut map: Map<String, Value>) -> Map<String, Value> {
    let from = match map.remove("<<") {
        Some(Value::Object(from)) => vec![Value::Object(from)],
        Some(Value::Array(list)) => list,
        _ => return map,
    };
    for part in from {
        if let Value::Object(part) = part {
            for (key, value) in part {
                map.entry(key).or_insert(value);
            }
        }
    }
    map
}

/// A word without quotes: a number, true, false, nothing, or text.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        // The words of YAML 1.1, which PyYAML reads, behind those of 1.2.
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return true.into();
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return false.into();
        }
        _ => {}
    }
    let digits = text.replace('_', "");
    let (sign, bare) = match digits.strip_prefix('-') {
        Some(bare) => (-1, bare),
        None => (1, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    if !bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') || bare == "." {
        return text.into();
    }
    let whole = match bare.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => bare.parse().ok(),
    };
    if let Some(n) = whole.and_then(|n: i64| n.checked_mul(sign)) {
        return n.into();
    }
    let number = bare.parse::<f64>().ok().filter(|_| bare.bytes().all(is_of_a_number));
    number
        .and_then(|x| serde_json::Number::from_f64(x * sign as f64))
        .map_or_else(|| text.into(), Value::Number)
}

fn is_of_a_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// Puts values in the place of `${a.b}`, where that is all of a text.
fn interpolate(value: &mut Value, whole: &Value, left: &mut usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| interpolate(item, whole, left)),
        Value::Object(map) => map.values_mut().for_each(|item| interpolate(item, whole, left)),
        Value::String(text) if *left > 0 => {
            // A value may name another one; a circle ends after a few.
            let mut at = text.as_str();
            for _ in 0..8 {
                let Some(name) = at.strip_prefix("${").and_then(|at| at.strip_suffix('}')) else {
                    return;
                };
                let mut parts = name.split('.');
                let found = parts.try_fold(whole, |at, part| match at {
                    Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                    other => other.get(part),
                });
                match found {
                    Some(Value::String(next)) if next.starts_with("${") => at = next,
                    Some(found) => {
                        // When nothing is left, nothing more is looked for either.
                        *left = left.saturating_sub(count(found));
                        if *left > 0 {
                            *value = found.clone();
                        }
                        return;
                    }
                    None => return,
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_what_pyyaml_and_omegaconf_read() {
        for (text, value) in [
            ("3", json!(3)),
            ("-12", json!(-12)),
            ("+4", json!(4)),
            ("1_000", json!(1000)),
            ("0x10", json!(16)),
            ("0.25", json!(0.25)),
            ("4.5e-06", json!(4.5e-6)),
            ("1e-5", json!(1e-5)),
            ("True", json!(true)),
            ("false", json!(false)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("'no'", json!("no")),
            ("y", json!("y")),
            ("null", json!(null)),
            ("~", json!(null)),
            ("'3'", json!("3")),
            ("\"true\"", json!("true")),
            ("!!str 3", json!("3")),
            ("256x256", json!("256x256")),
            ("2020-11-09", json!("2020-11-09")),
            ("taming.models.vqgan.VQModel", json!("taming.models.vqgan.VQModel")),
            ("nan", json!("nan")),
            ("infinity", json!("infinity")),
            ("-", json!([null])),
            (".", json!(".")),
            ("99999999999999999999", json!(1e20)),
        ] {
            let got = yaml(&format!("a: {text}"));
            let got = if text == "-" { yaml("a:\n  -") } else { got };
            assert_eq!(got.unwrap(), json!({ "a": value }), "{text}");
        }
    }

    #[test]
    fn anchors_merges_tags_and_names_of_other_values_are_followed() {
        let text = "\u{feff}# a comment\nbase: &base {ch: 128, out: 3}\nmodel:\n  <<: *base\n  out: 1\n\
                    list: !!python/tuple [1, 2]\nsize: ${model.ch}\nagain: ${size}\nitem: ${list.1}\n\
                    loop: ${pool}\npool: ${loop}\nmissing: ${no.where}\ntext: a ${size}\n---\nsecond: 1\n";
        let should = json!({
            "base": { "ch": 128, "out": 3 },
            "model": { "out": 1, "ch": 128 },
            "list": [1, 2],
            "size": 128,
            "again": 128,
            "item": 2,
            "loop": "${pool}",
            "pool": "${loop}",
            "missing": "${no.where}",
            "text": "a ${size}",
        });
        assert_eq!(yaml(text).unwrap(), should);
    }

    #[test]
    fn hostile_texts_of_a_megabyte_are_answered() {
        let n = MAX_BYTES as usize;
        let fill = |part: &str| part.repeat(n / part.len());
        let mut texts: Vec<String> = [
            "[", "{", "- ", "? ", "a: ", "&a ", "*a ", "!a ", "\"", "'", "|\n ", "#", "%", ": ",
            "\t", "[a, ", "{a: ",
        ]
        .iter()
        .map(|part| fill(part))
        .collect();
        texts.push(fill("a: &a 1\n"));
        texts.push(format!("a: &a {}\n{}", "x".repeat(1000), fill("b: *a\n")));
        texts.push(format!("a: &a [{}]\nb: [{}]", fill("1,"), "*a,".repeat(1000)));
        texts.push(format!("a: {}\nb: [{}]", "${b}", "\"${b}\",".repeat(50_000)));
        for text in texts {
            // Whatever the answer: it comes, and is no panic.
            let start: String = text.chars().take(12).collect();
            if let Ok(value) = yaml(&text) {
                assert!(count(&value) <= MAX_VALUES + 20_000, "{start}");
            }
        }
    }
}
