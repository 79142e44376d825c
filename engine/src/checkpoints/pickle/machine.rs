//! The stack machine: one opcode at a time, until STOP.

use std::collections::BTreeMap;

use super::super::budget::{Budget, Spent};
use super::rebuild::call;
use super::role::Role;
use super::values::{Arena, Class, Handle, Node, Span};

/// Why a pickle could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The bytes end before the pickle does.
    Ended,
    /// Something is wrong at a byte.
    Broken(usize, String),
    /// The pickle wants this function called.
    Calls(String),
    /// The values cost more than the file may, reached at a byte.
    Costly(Spent, usize),
}

impl From<Spent> for Failure {
    fn from(spent: Spent) -> Self {
        Self::Costly(spent, 0)
    }
}

/// Longer names of modules and classes are made to exhaust the reader.
const MAX_NAME: u32 = 512;

/// Runs the pickle at the start of `data`; gives all values, the last one, and the pickle's length.
pub(crate) fn run<'a>(
    data: &'a [u8],
    budget: &mut Budget,
) -> Result<(Arena<'a>, Handle, usize), Failure> {
    // Positions are kept as u32.
    let data = data.get(..u32::MAX as usize).unwrap_or(data);
    let mut machine = Machine {
        data,
        at: 0,
        arena: Arena::new(data),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::default(),
        budget,
    };
    loop {
        let start = machine.at;
        machine.budget.steps(1)?;
        let code = machine.byte()?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok((machine.arena, top, machine.at));
        }
        machine.step(code).map_err(|failure| match failure {
            Failure::Broken(_, reason) => Failure::Broken(start, reason),
            Failure::Costly(spent, _) => Failure::Costly(spent, start),
            other => other,
        })?;
    }
}

struct Machine<'a, 'b> {
    data: &'a [u8],
    at: usize,
    arena: Arena<'a>,
    stack: Vec<Handle>,
    marks: Vec<u32>,
    memo: Memo,
    budget: &'b mut Budget,
}

/// Values that were put aside under a number. Picklers count from 0, so nearly all are in a list.
#[derive(Default)]
struct Memo {
    dense: Vec<Handle>,
    sparse: BTreeMap<u32, Handle>,
}

impl Memo {
    fn get(&self, number: u32) -> Option<Handle> {
        self.dense.get(number as usize).or_else(|| self.sparse.get(&number)).copied()
    }

    fn len(&self) -> usize {
        self.dense.len() + self.sparse.len()
    }

    fn put(&mut self, number: u32, handle: Handle, budget: &mut Budget) -> Result<(), Spent> {
        if let Some(place) = self.dense.get_mut(number as usize) {
            *place = handle;
        } else if number as usize == self.dense.len() {
            budget.room(&mut self.dense, 1)?;
            self.dense.push(handle);
            self.sparse.remove(&number);
        } else {
            // A tree's entry with its share of the nodes.
            budget.memory(32)?;
            self.sparse.insert(number, handle);
        }
        Ok(())
    }
}

type Step<T = ()> = Result<T, Failure>;

fn broken<T>(reason: impl Into<String>) -> Step<T> {
    Err(Failure::Broken(0, reason.into()))
}

impl<'a> Machine<'a, '_> {
    fn step(&mut self, code: u8) -> Step {
        match code {
            0x80 => self.skip(1),    // PROTO
            0x95 => self.skip(8),    // FRAME
            b'0' => self.pop_any(),  // POP
            b'1' => self.pop_mark(), // POP_MARK
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }
            b'(' => {
                self.budget.room(&mut self.marks, 1)?;
                // A value on the stack takes a byte of at most 4 GiB.
                self.marks.push(self.stack.len() as u32);
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
            b'K' => {
                let number = self.byte()?;
                return self.push(Arena::small(number));
            }
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
        let span = self.span(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.make(Node::Bytes(span))
    }

    fn container(&mut self, code: u8) -> Step {
        match code {
            b']' => self.make_list(0, Node::List),
            b'}' => self.make_list(0, Node::Dict),
            b')' => self.push(Arena::EMPTY_TUPLE),
            b'l' => {
                let n = self.cut()?;
                self.make_list(n, Node::List)
            }
            b't' => {
                let n = self.cut()?;
                self.make_tuple(n)
            }
            0x85..=0x87 => {
                let n = usize::from(code - 0x84);
                self.floor(n)?;
                self.make_tuple(n)
            }
            b'd' => {
                let n = self.cut()?;
                if !n.is_multiple_of(2) {
                    return broken("a key without a value");
                }
                self.make_list(n, Node::Dict)
            }
            b'a' => {
                self.floor(1)?;
                self.extend(1, false)
            }
            b'e' => {
                let n = self.cut()?;
                self.extend(n, false)
            }
            b's' => {
                self.floor(2)?;
                self.extend(2, true)
            }
            b'u' => {
                let n = self.cut()?;
                self.extend(n, true)
            }
            0x90 => self.pop_mark(), // ADDITEMS
            0x91 => {
                self.pop_mark()?;
                self.push(Arena::OPAQUE) // FROZENSET
            }
            _ => self.push(Arena::OPAQUE), // EMPTY_SET
        }
    }

    /// Moves the last `n` values from the stack into the list or dictionary below them; what is
    /// neither takes nothing.
    fn extend(&mut self, n: usize, pairs: bool) -> Step {
        let from = self.stack.len().saturating_sub(n);
        if pairs && !n.is_multiple_of(2) {
            return broken("a key without a value");
        }
        let floor = self.marks.last().map_or(0, |mark| *mark as usize);
        let Some(top) = from.checked_sub(1).filter(|top| *top >= floor) else {
            return broken("an empty stack");
        };
        let Some(&target) = self.stack.get(top) else { return broken("an empty stack") };
        let fits = match self.arena.get(target) {
            Node::List(_) => !pairs,
            Node::Dict(_) => pairs,
            _ => false,
        };
        if fits {
            let items = self.stack.get(from..).unwrap_or_default();
            self.arena.extend(target, items, self.budget)?;
        }
        self.stack.truncate(from);
        Ok(())
    }

    fn make_list(&mut self, n: usize, node: fn(super::values::Slot) -> Node) -> Step {
        let from = self.stack.len().saturating_sub(n);
        let items = self.stack.get(from..).unwrap_or_default();
        let handle = self.arena.add_list(items, node, self.budget)?;
        self.stack.truncate(from);
        self.push(handle)
    }

    fn make_tuple(&mut self, n: usize) -> Step {
        let handle = self.take_tuple(n)?;
        self.push(handle)
    }

    fn take_tuple(&mut self, n: usize) -> Step<Handle> {
        let from = self.stack.len().saturating_sub(n);
        let items = self.stack.get(from..).unwrap_or_default();
        let handle = self.arena.add_tuple(items, self.budget)?;
        self.stack.truncate(from);
        Ok(handle)
    }

    fn object(&mut self, code: u8) -> Step {
        match code {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let class = self.class(module, name)?;
                self.push(class)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.arena.get(module), self.arena.get(name)) {
                    (Node::Text(module), Node::Text(name)) => {
                        let class = self.class(module, name)?;
                        self.push(class)
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
                let n = self.cut()?;
                let callee = self.class(module, name)?;
                let arguments = self.take_tuple(n)?;
                self.call(callee, arguments)
            }
            b'o' => {
                let Some(n) = self.cut()?.checked_sub(1) else {
                    return broken("an object without a class");
                };
                let arguments = self.take_tuple(n)?;
                let callee = self.pop()?;
                self.call(callee, arguments)
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                self.arena.set_state(top, state);
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

    fn class(&mut self, module: Span, name: Span) -> Step<Handle> {
        if module.len > MAX_NAME || name.len > MAX_NAME {
            return broken("a class whose name is longer than any");
        }
        let role = Role::of(self.arena.bytes(module), self.arena.bytes(name));
        Ok(self.arena.add_class(Class { module, name, role }, self.budget)?)
    }

    fn call(&mut self, callee: Handle, arguments: Handle) -> Step {
        if let Some((_, class)) = self.arena.class(callee)
            && class.role == Role::Dangerous
        {
            let [module, name] = [class.module, class.name].map(|span| self.arena.string(span));
            return Err(Failure::Calls(format!("{module}.{name}")));
        }
        let made = call(&mut self.arena, callee, arguments, self.budget)?;
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
            let Some(handle) = self.memo.get(number) else {
                return broken(format!("memo {number} is used before it is set"));
            };
            return self.push(handle);
        }
        let top = self.top()?;
        Ok(self.memo.put(number, top, self.budget)?)
    }

    fn make(&mut self, node: Node) -> Step {
        let handle = self.arena.add(node, self.budget)?;
        self.push(handle)
    }

    fn push(&mut self, handle: Handle) -> Step {
        self.budget.room(&mut self.stack, 1)?;
        self.stack.push(handle);
        Ok(())
    }

    /// The place of the `n`th value from the top, which must lie above the last mark.
    fn floor(&self, n: usize) -> Step<usize> {
        let floor = self.marks.last().map_or(0, |mark| *mark as usize);
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
        if self.marks.last().is_some_and(|mark| *mark as usize == self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn top(&self) -> Step<Handle> {
        let from = self.floor(1)?;
        self.stack.get(from).copied().map_or_else(|| broken("an empty stack"), Ok)
    }

    /// Takes the last mark away; how many values are above it.
    fn cut(&mut self) -> Step<usize> {
        let above = self.marks.pop().and_then(|mark| self.stack.len().checked_sub(mark as usize));
        above.map_or_else(|| broken("there is no mark"), Ok)
    }

    /// Takes away the last mark and everything above it.
    fn pop_mark(&mut self) -> Step {
        let n = self.cut()?;
        self.stack.truncate(self.stack.len() - n);
        Ok(())
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
