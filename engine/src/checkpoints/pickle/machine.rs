//! The stack machine: one opcode at a time, until STOP.

use std::collections::BTreeMap;

use super::rebuild::{call, dangerous};
use super::values::{Arena, Handle, Node, Span};

/// Why a pickle could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The bytes end before the pickle does.
    Ended,
    /// Something is wrong at a byte.
    Broken(usize, String),
    /// The pickle wants this function called.
    Calls(String),
}

/// Runs the pickle at the start of `data`; gives all values, the last one, and the pickle's length.
pub(crate) fn run(data: &[u8]) -> Result<(Arena<'_>, Handle, usize), Failure> {
    // Positions are kept as u32.
    let data = data.get(..u32::MAX as usize).unwrap_or(data);
    let mut machine = Machine {
        data,
        at: 0,
        arena: Arena::new(data),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        copied: 0,
    };
    loop {
        let start = machine.at;
        let code = machine.byte()?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok((machine.arena, top, machine.at));
        }
        machine.step(code).map_err(|failure| match failure {
            Failure::Broken(_, reason) => Failure::Broken(start, reason),
            other => other,
        })?;
    }
}

struct Machine<'a> {
    data: &'a [u8],
    at: usize,
    arena: Arena<'a>,
    stack: Vec<Handle>,
    marks: Vec<usize>,
    memo: BTreeMap<u32, Handle>,
    /// Handles that calls have copied, so that repeated copying cannot outgrow the file.
    copied: usize,
}

type Step<T = ()> = Result<T, Failure>;

fn broken<T>(reason: impl Into<String>) -> Step<T> {
    Err(Failure::Broken(0, reason.into()))
}

impl<'a> Machine<'a> {
    fn step(&mut self, code: u8) -> Step {
        match code {
            0x80 => self.skip(1),         // PROTO
            0x95 => self.skip(8),         // FRAME
            b'0' => self.pop_any(),       // POP
            b'1' => self.cut().map(drop), // POP_MARK
            b'2' => self.top().map(|h| self.stack.push(h)),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'N' => self.push(Arena::NONE),
            0x88 => self.push(Arena::TRUE),
            0x89 => self.push(Arena::FALSE),
            b'F' | b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G' => self.number(code),
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.text(code),
            b'B' | b'C' | 0x8e | 0x96 => self.blob(code),
            0x97 => self.push(Arena::OPAQUE), // NEXT_BUFFER
            0x98 => Ok(()),                   // READONLY_BUFFER
            b']'
            | b'a'
            | b'e'
            | b'l'
            | b')'
            | b't'
            | 0x85..=0x87
            | b'}'
            | b'd'
            | b's'
            | b'u'
            | 0x8f..=0x91 => self.container(code),
            b'c' | 0x93 | b'R' | b'b' | b'i' | b'o' | 0x81 | 0x92 | b'P' | b'Q' | 0x82..=0x84 => {
                self.object(code)
            }
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.memory(code),
            _ => broken(format!("unknown opcode {code}")),
        }
    }

    fn number(&mut self, code: u8) -> Step {
        let node = match code {
            b'J' => Node::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Node::Int(self.byte()?.into()),
            b'M' => Node::Int(u16::from_le_bytes(self.array()?).into()),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            0x8a | 0x8b => {
                let len = if code == 0x8a {
                    usize::from(self.byte()?)
                } else {
                    u32::from_le_bytes(self.array()?) as usize
                };
                let span = self.span(len)?;
                long(self.arena.bytes(span)).map_or(Node::Long(span), Node::Int)
            }
            _ => {
                let line = self.line()?;
                let text = self.arena.string(line);
                let text = text.trim().trim_end_matches('L');
                match (code, text) {
                    (b'I', "00") => return self.push(Arena::FALSE),
                    (b'I', "01") => return self.push(Arena::TRUE),
                    (b'F', _) => Node::Float(text.parse().unwrap_or(f64::NAN)),
                    _ => text.parse().map_or(Node::Long(line), Node::Int),
                }
            }
        };
        self.make(node)
    }

    fn text(&mut self, code: u8) -> Step {
        let span = match code {
            b'S' | b'V' => {
                let line = self.line()?;
                let quoted = code == b'S' && line.len >= 2;
                if quoted { Span { start: line.start + 1, len: line.len - 2 } } else { line }
            }
            b'U' | 0x8c => {
                let len = usize::from(self.byte()?);
                self.span(len)?
            }
            b'T' | b'X' => {
                let len = u32::from_le_bytes(self.array()?) as usize;
                self.span(len)?
            }
            _ => {
                let len = u64::from_le_bytes(self.array()?);
                self.span(usize::try_from(len).unwrap_or(usize::MAX))?
            }
        };
        self.make(Node::Text(span))
    }

    fn blob(&mut self, code: u8) -> Step {
        let len = match code {
            b'C' => u64::from(self.byte()?),
            b'B' => u32::from_le_bytes(self.array()?).into(),
            _ => u64::from_le_bytes(self.array()?),
        };
        self.span(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.push(Arena::OPAQUE)
    }

    fn container(&mut self, code: u8) -> Step {
        match code {
            b']' => self.make(Node::List(Vec::new())),
            b'}' => self.make(Node::Dict(Vec::new())),
            b')' => self.push(Arena::EMPTY_TUPLE),
            b'l' => {
                let items = self.cut()?;
                self.make(Node::List(items))
            }
            b't' => {
                let items = self.cut()?;
                self.make(Node::Tuple(items.into()))
            }
            0x85..=0x87 => {
                let n = usize::from(code - 0x84);
                let from = self.floor(n)?;
                let items: Box<[Handle]> = self.stack.drain(from..).collect();
                self.make(Node::Tuple(items))
            }
            b'd' => {
                let mut items = self.cut()?;
                items.truncate(items.len() / 2 * 2);
                self.make(Node::Dict(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item], false)
            }
            b'e' => {
                let items = self.cut()?;
                self.extend(&items, false)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend(&[key, value], true)
            }
            b'u' => {
                let items = self.cut()?;
                self.extend(&items, true)
            }
            0x90 => self.cut().map(drop), // ADDITEMS
            0x91 => {
                self.cut()?;
                self.push(Arena::OPAQUE) // FROZENSET
            }
            _ => self.push(Arena::OPAQUE), // EMPTY_SET
        }
    }

    /// Adds to the list or dictionary on top of the stack; what is neither takes nothing.
    fn extend(&mut self, items: &[Handle], pairs: bool) -> Step {
        let top = self.top()?;
        if pairs && !items.len().is_multiple_of(2) {
            return broken("a key without a value");
        }
        match self.arena.get_mut(top) {
            Some(Node::List(list)) if !pairs => list.extend(items),
            Some(Node::Dict(entries)) if pairs => entries.extend(items),
            _ => {}
        }
        Ok(())
    }

    fn object(&mut self, code: u8) -> Step {
        match code {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.make(Node::Global(module, name))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.arena.get(module), self.arena.get(name)) {
                    (&Node::Text(module), &Node::Text(name)) => {
                        self.make(Node::Global(module, name))
                    }
                    _ => broken("a class whose name is no text"),
                }
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                self.call(callee, arguments)
            }
            0x92 => {
                let (_, arguments, callee) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callee, arguments)
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let items = self.cut()?;
                let callee = self.arena.add(Node::Global(module, name));
                let arguments = self.arena.add(Node::Tuple(items.into()));
                self.call(callee, arguments)
            }
            b'o' => {
                let mut items = self.cut()?;
                if items.is_empty() {
                    return broken("an object without a class");
                }
                let callee = items.remove(0);
                let arguments = self.arena.add(Node::Tuple(items.into()));
                self.call(callee, arguments)
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if let Some(Node::Object(_, kept)) = self.arena.get_mut(top) {
                    *kept = state;
                }
                Ok(())
            }
            b'P' => {
                self.line()?;
                self.push(Arena::OPAQUE)
            }
            b'Q' => {
                let id = self.pop()?;
                self.make(Node::Storage(id))
            }
            _ => {
                self.skip(1 << (code - 0x82))?; // EXT1, EXT2, EXT4
                self.push(Arena::OPAQUE)
            }
        }
    }

    fn call(&mut self, callee: Handle, arguments: Handle) -> Step {
        if let Some(name) = dangerous(&self.arena, callee) {
            return Err(Failure::Calls(name));
        }
        let made = call(&mut self.arena, callee, arguments);
        if let Node::Dict(items) | Node::List(items) = self.arena.get(made) {
            self.copied += items.len();
            if self.copied > self.data.len() {
                return broken("copies more than the file holds");
            }
        }
        self.push(made)
    }

    fn memory(&mut self, code: u8) -> Step {
        let number = match code {
            b'g' | b'p' => {
                let line = self.line()?;
                self.arena.string(line).trim().parse().ok()
            }
            b'h' | b'q' => Some(u32::from(self.byte()?)),
            b'j' | b'r' => Some(u32::from_le_bytes(self.array()?)),
            _ => u32::try_from(self.memo.len()).ok(),
        };
        let Some(number) = number else { return broken("a memo number that is no number") };
        if matches!(code, b'g' | b'h' | b'j') {
            let Some(&handle) = self.memo.get(&number) else {
                return broken(format!("memo {number} is used before it is set"));
            };
            return self.push(handle);
        }
        let top = self.top()?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn make(&mut self, node: Node) -> Step {
        let handle = self.arena.add(node);
        self.push(handle)
    }

    #[allow(clippy::unnecessary_wraps, reason = "ends a step, as everything else that does")]
    fn push(&mut self, handle: Handle) -> Step {
        self.stack.push(handle);
        Ok(())
    }

    /// The place of the `n`th value from the top, which must lie above the last mark.
    fn floor(&self, n: usize) -> Step<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(n) {
            Some(from) if from >= floor => Ok(from),
            _ => broken("takes a value from an empty stack"),
        }
    }

    fn pop(&mut self) -> Step<Handle> {
        self.floor(1)?;
        self.stack.pop().map_or_else(|| broken("takes a value from an empty stack"), Ok)
    }

    /// POP also takes a mark, where one is on top.
    fn pop_any(&mut self) -> Step {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn top(&self) -> Step<Handle> {
        let from = self.floor(1)?;
        self.stack.get(from).copied().map_or_else(|| broken("an empty stack"), Ok)
    }

    /// Everything above the last mark.
    fn cut(&mut self) -> Step<Vec<Handle>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => broken("there is no mark"),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        let byte = *self.data.get(self.at).ok_or(Failure::Ended)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, n: usize) -> Step {
        self.span(n).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let part = self.data.get(self.at..).and_then(<[u8]>::first_chunk);
        let part = *part.ok_or(Failure::Ended)?;
        self.at += N;
        Ok(part)
    }

    fn span(&mut self, len: usize) -> Step<Span> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.data.len());
        let end = end.ok_or(Failure::Ended)?;
        let span = Span { start: self.at as u32, len: len as u32 };
        self.at = end;
        Ok(span)
    }

    fn line(&mut self) -> Step<Span> {
        let rest: &'a [u8] = self.data.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&b| b == b'\n').ok_or(Failure::Ended)?;
        let span = self.span(len)?;
        self.at += 1;
        Ok(span)
    }
}

/// A little-endian two's complement number, if it fits.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut whole = if negative { [0xff; 8] } else { [0; 8] };
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some(i64::from_le_bytes(whole))
}
